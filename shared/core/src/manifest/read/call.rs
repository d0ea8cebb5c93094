//! What schedules and triggers have in common: a call of one of the manifest's tools.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::builtin;
use super::super::diagnostic::{Problems, Span};
use super::super::section::{Section, mapping, text, wrong_type};
use super::super::suggest::{closest, listing};
use super::super::syntax::cut;
use super::super::tree::{Kind, Node};
use super::super::{LaneSpec, ParameterError, ParameterErrorCode, ToolSpec};
use super::policy;
use crate::ids::Lane;

/// What the rest of the manifest has, for sections that refer to it.
pub(super) struct Known<'m> {
    /// The tools that could be read.
    pub(super) tools: &'m BTreeMap<String, ToolSpec>,
    /// The names of all tools, of those too that have problems of their own.
    pub(super) names: &'m BTreeSet<&'m str>,
    /// The lanes of the key `lanes`, if it is there.
    pub(super) lanes: Option<&'m BTreeMap<Lane, LaneSpec>>,
}

/// The tool that the section's key `tool` names; `None` also for one that has problems of its own, reported elsewhere.
pub(super) fn tool<'m>(
    section: &Section<'_>,
    known: &Known<'m>,
    problems: &mut Problems<'_>,
) -> Option<&'m ToolSpec> {
    let node = section.require("tool", "tool: analyze_file", problems)?;
    let name = text(node, "tool", problems)?;
    let found =
        known.tools.get(name).or_else(|| builtin::tools().get(name).filter(|_| !known.names.contains(name)));
    if found.is_none() && !known.names.is_empty() && !known.names.contains(name) {
        let names = || known.names.iter().copied();
        let help = match closest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the manifest has {}", listing(names())),
        };
        problems.error_help(node.span, format!("there is no tool `{}`", cut(name)), help);
    }
    found
}

/// The lane of the key `lane`, if it is there.
pub(super) fn lane(section: &Section<'_>, known: &Known<'_>, problems: &mut Problems<'_>) -> Option<Lane> {
    section.get("lane").and_then(|node| policy::lane(node, known.lanes, problems))
}

/// The parameters as they are written, or `None` if there are none.
pub(super) fn parameters(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<Map<String, Value>> {
    let node = section.get("parameters")?;
    mapping(node, "`parameters`", problems)?;
    match node.to_json() {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Reports where `example`, which is what one call will look like, does not fit the tool; `stands_in` says at which
/// pointers it holds a stand-in, of which nothing but the type is known.
pub(super) fn check(
    section: &Section<'_>,
    tool: &ToolSpec,
    example: Map<String, Value>,
    stands_in: impl Fn(&str) -> bool,
    problems: &mut Problems<'_>,
) {
    use ParameterErrorCode as Code;
    let Err(errors) = tool.parameters.check(Value::Object(example)) else { return };
    for error in errors {
        let about_the_value =
            matches!(error.code, Code::NotAllowed | Code::WrongLength | Code::PatternMismatch);
        if !(about_the_value && stands_in(&error.pointer)) {
            problems.error(
                place(section, &error),
                format!("{} does not fit: {}", names(&tool.name), error.message),
            );
        }
    }
}

fn names(tool: &str) -> String {
    format!("the call of `{tool}`")
}

/// The value that is wrong; for one that is missing, what it is missing from.
fn place(section: &Section<'_>, error: &ParameterError) -> Span {
    let Some(entry) = section.entry("parameters") else {
        return section.entry("tool").map_or(section.span(), |entry| entry.value.span);
    };
    let found = entry.value.at(&error.pointer);
    if std::ptr::eq(found, &raw const entry.value) { entry.key_span } else { found.span }
}

/// The name of a bucket, by the rules that all buckets keep (3 to 63 of `a-z 0-9 . -`).
pub(super) fn bucket(node: &Node, name: &str, problems: &mut Problems<'_>) -> Option<String> {
    let valid = (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !valid {
        let help = "a bucket's name is 3 to 63 of a-z 0-9 . -, and starts with a letter or a digit";
        problems.error_help(node.span, format!("`{}` is no bucket", cut(name)), help);
    }
    valid.then(|| name.to_owned())
}

/// A string that may be empty, such as a prefix; empty if it is not there.
pub(super) fn affix(section: &Section<'_>, key: &str, problems: &mut Problems<'_>) -> String {
    /// What a key of S3 may have.
    const KEY_MAX_BYTES: usize = 1_024;
    let Some(node) = section.get(key) else { return String::new() };
    match &node.kind {
        Kind::Text(text) if text.len() > KEY_MAX_BYTES => {
            let message = format!("`{key}` has {} bytes, expected at most {KEY_MAX_BYTES}", text.len());
            problems.error(node.span, message);
            String::new()
        }
        Kind::Text(text) => text.clone(),
        _ => wrong_type(node, &format!("`{key}`"), "a string", problems).unwrap_or_default(),
    }
}
