//! The parameters of a tool, and the properties of an object.

use super::super::diagnostic::Problems;
use super::super::parameters::{ParameterSpec, Parameters};
use super::super::rules;
use super::super::section::mapping;
use super::super::syntax::cut;
use super::super::tree::{Entry, Kind, Node};
use super::{check_name, value};
use crate::limits;

/// Reads a tool's `parameters`. Written without anything below it, the key means that there are none.
pub(super) fn read(node: &Node, problems: &mut Problems<'_>) -> Parameters {
    match node.kind {
        Kind::Null => Parameters::default(),
        Kind::List(_) => {
            let help = "a parameter is a name with its `type` indented below it, without a dash";
            problems.error_help(node.span, "`parameters`: expected a mapping, got a list", help);
            Parameters::default()
        }
        _ => Parameters::new(specs(node, "parameter", "parameters", problems)),
    }
}

/// Reads a mapping of names to what their values look like.
pub(super) fn specs(node: &Node, noun: &str, key: &str, problems: &mut Problems<'_>) -> Vec<ParameterSpec> {
    let entries = mapping(node, &format!("`{key}`"), problems).unwrap_or_default();
    if entries.len() > limits::TOOL_PARAMETERS_MAX {
        let message = format!("{} {key}, expected at most {}", entries.len(), limits::TOOL_PARAMETERS_MAX);
        problems.error_help(
            node.span,
            message,
            "gather what belongs together in a parameter of type `object`",
        );
        return Vec::new();
    }
    entries.iter().filter_map(|entry| spec(entry, noun, problems)).collect()
}

fn spec(entry: &Entry, noun: &str, problems: &mut Problems<'_>) -> Option<ParameterSpec> {
    check_name(&entry.key, entry.key_span, &rules::PARAMETER, problems);
    let what = format!("{noun} `{}`", cut(&entry.key));
    let (value, required) = value::read(&entry.value, entry.key_span, &what, problems)?;
    Some(ParameterSpec { name: entry.key.clone(), required, value })
}
