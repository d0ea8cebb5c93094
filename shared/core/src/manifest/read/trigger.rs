//! `triggers`: what uploads start.

use serde_json::{Map, Value};

use super::super::diagnostic::Problems;
use super::super::rules;
use super::super::section::{Section, text};
use super::super::syntax::cut;
use super::super::tree::{Entry, Kind, Node};
use super::super::trigger::{Arrival, HOLES, TriggerSpec};
use super::call::{self, Known};
use super::check_name;

const KEYS: [&str; 4] = ["s3", "tool", "parameters", "lane"];
const S3_KEYS: [&str; 3] = ["bucket", "prefix", "suffix"];
const HOLES_HELP: &str = "a trigger knows `${bucket}`, `${key}`, `${etag}` and `${version}`";
/// An object like any other.
const EXAMPLE: Arrival<'_> = Arrival { bucket: "bucket", key: "key", etag: "etag", version: "version" };

/// Reads one trigger. `None` when a key that it cannot do without is missing or wrong.
pub(super) fn read(entry: &Entry, known: &Known<'_>, problems: &mut Problems<'_>) -> Option<TriggerSpec> {
    check_name(&entry.key, entry.key_span, &rules::TRIGGER, problems);
    let what = format!("trigger `{}`", cut(&entry.key));
    let section = Section::open(&entry.value, entry.key_span, what, &KEYS, problems)?;
    section.require("s3", "s3: {prefix: incoming/}", problems);
    let s3 = section
        .entry("s3")
        .and_then(|entry| Section::open(&entry.value, entry.key_span, "`s3`", &S3_KEYS, problems));
    let tool = call::tool(&section, known, problems);
    let lane = call::lane(&section, known, problems);
    let parameters = match section.entry("parameters") {
        Some(entry) => {
            check_holes(&entry.value, problems);
            call::parameters(&section, problems)
        }
        None => tool.map(TriggerSpec::default_parameters),
    };
    let s3 = s3?;
    let bucket = match s3.get("bucket") {
        Some(node) => {
            Some(text(node, "bucket", problems).and_then(|name| call::bucket(node, name, problems))?)
        }
        None => None,
    };
    let trigger = TriggerSpec {
        name: entry.key.clone(),
        bucket,
        prefix: call::affix(&s3, "prefix", problems),
        suffix: call::affix(&s3, "suffix", problems),
        tool: tool?.name.clone(),
        parameters: parameters?,
        lane,
    };
    if let (Some(tool), Value::Object(example)) = (tool, trigger.render(&EXAMPLE)) {
        let stands_in = |pointer: &str| holds_hole(&trigger.parameters, pointer);
        call::check(&section, tool, example, stands_in, problems);
    }
    Some(trigger)
}

/// Reports every `${…}` that stands for nothing.
fn check_holes(node: &Node, problems: &mut Problems<'_>) {
    match &node.kind {
        Kind::Text(text) => {
            for (at, start) in text.match_indices("${") {
                if !HOLES.iter().any(|hole| text[at..].starts_with(hole)) {
                    let piece = &text[at + start.len()..];
                    let name = piece.split_once('}').map_or(piece, |(name, _)| name);
                    problems.error_help(node.span, format!("`${{{}}}` names nothing", cut(name)), HOLES_HELP);
                }
            }
        }
        Kind::List(items) => items.iter().for_each(|item| check_holes(item, problems)),
        Kind::Map(entries) => entries.iter().for_each(|entry| check_holes(&entry.value, problems)),
        _ => {}
    }
}

fn holds_hole(parameters: &Map<String, Value>, pointer: &str) -> bool {
    let Some((name, rest)) = pointer.strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, "")))
    else {
        return false;
    };
    let Some(value) = parameters.get(name) else { return false };
    let value = if rest.is_empty() { Some(value) } else { value.pointer(&format!("/{rest}")) };
    value.and_then(Value::as_str).is_some_and(|text| HOLES.iter().any(|hole| text.contains(hole)))
}
