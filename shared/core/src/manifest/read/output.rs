//! The schema of a tool's results.

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::super::diagnostic::Problems;
use super::super::section::wrong_type;
use super::super::tree::{Kind, Node};
use crate::outcome::truncate;

/// What is repeated of the reason: it may hold the whole schema.
const REASON_MAX_BYTES: usize = 200;

/// Reads a JSON Schema (2020-12) and compiles it. References into other documents are not followed.
pub(super) fn read(node: &Node, problems: &mut Problems<'_>) -> Option<(Value, Arc<Validator>)> {
    if !matches!(node.kind, Kind::Map(_)) {
        return wrong_type(node, "`output`", "a JSON Schema, which is a mapping", problems);
    }
    let schema = node.to_json();
    if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
        report(node, &error, problems);
        return None;
    }
    let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex());
    match options.build(&schema) {
        Ok(validator) => Some((schema, Arc::new(validator))),
        Err(error) => {
            report(node, &error, problems);
            None
        }
    }
}

fn report(node: &Node, error: &ValidationError<'_>, problems: &mut Problems<'_>) {
    let mut reason = match error.kind() {
        ValidationErrorKind::Referencing(_) => "a `$ref` leads to nothing in this schema".to_owned(),
        _ => error.to_string(),
    };
    truncate(&mut reason, REASON_MAX_BYTES);
    let message = format!("`output` is no usable JSON Schema (2020-12): {reason}");
    let help = "a schema looks like `{type: object}`; it refers to nothing outside itself";
    problems.error_help(node.at(error.instance_path().as_str()).span, message, help);
}
