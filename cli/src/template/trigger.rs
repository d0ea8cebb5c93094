//! The part of the triggers of one bucket that is not the stack's own.

use gantz_core::manifest::TriggerSpec;
use serde_json::{Value, json};

use super::piece::{fill_holes, logical, quoted, section};

const PIECE: &str = include_str!("../../../infra/trigger.yaml");
/// Filters of one rule: a rule's pattern has at most 2,048 characters. Beyond, the dispatcher does the choosing alone.
const FILTERS_MAX: usize = 8;
/// Characters of them together.
const FILTERS_MAX_CHARS: usize = 1_500;

/// The rule for a bucket, letting through the objects that one of its triggers takes.
pub(super) fn resources(bucket: &str, triggers: &[&TriggerSpec]) -> String {
    let names: Vec<_> = triggers.iter().map(|trigger| trigger.name.as_str()).collect();
    let keys = ascii(&filters(triggers));
    let piece = fill_holes(
        PIECE,
        &[
            ("id", &format!("Bucket{}", logical(bucket))),
            ("description", &quoted(&shortened(&format!("Triggers: {}", names.join(", "))))),
            ("bucket", &quoted(bucket)),
            ("keys", &keys),
        ],
    );
    section(&piece, "Resources")
}

fn filters(triggers: &[&TriggerSpec]) -> Value {
    let filters: Vec<Value> =
        triggers.iter().map(|trigger| filter(&trigger.prefix, &trigger.suffix)).collect();
    let all = json!({"exists": true});
    let filters_chars = Value::from(filters.clone()).to_string().chars().count();
    if filters.contains(&all) || filters.len() > FILTERS_MAX || filters_chars > FILTERS_MAX_CHARS {
        return json!([all]);
    }
    Value::from(filters)
}

fn filter(prefix: &str, suffix: &str) -> Value {
    match (prefix, suffix) {
        ("", "") => json!({"exists": true}),
        (prefix, "") => json!({"prefix": prefix}),
        ("", suffix) => json!({"suffix": suffix}),
        (prefix, suffix) => json!({"wildcard": format!("{}*{}", escaped(prefix), escaped(suffix))}),
    }
}

/// A text in which `*` means itself.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('*', "\\*")
}

/// JSON as YAML in ASCII: within JSON, only strings hold other characters.
fn ascii(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(ascii).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let members = map.iter().map(|(key, value)| format!("{key}: {}", ascii(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// As much as a rule's description holds.
fn shortened(text: &str) -> String {
    const DESCRIPTION_MAX_CHARS: usize = 512;
    text.chars().take(DESCRIPTION_MAX_CHARS).collect()
}
