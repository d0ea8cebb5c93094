//! What uploads start: triggers.

use serde_json::{Map, Value, json};

use super::Manifest;
use crate::ids::Lane;

/// A call of a tool for each object that appears in a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerSpec {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub name: String,
    /// The bucket; if absent, every bucket that no trigger names: on AWS, the stack's uploads bucket.
    pub bucket: Option<String>,
    /// What the object's key begins with; may be empty.
    pub prefix: String,
    /// What the object's key ends with; may be empty.
    pub suffix: String,
    /// The tool, one of the manifest's.
    pub tool: String,
    /// The tool's parameters, with `${bucket}` and `${key}` where the object's belong; see [`TriggerSpec::render`].
    pub parameters: Map<String, Value>,
    /// The lane of its jobs; the tool's own if absent.
    pub lane: Option<Lane>,
}

/// Stands for the bucket's name in a trigger's parameters.
pub(super) const BUCKET: &str = "${bucket}";
/// Stands for the object's key in a trigger's parameters.
pub(super) const KEY: &str = "${key}";
/// The tool that uploads go to when the manifest has no triggers.
pub(super) const DEFAULT_TOOL: &str = "analyze_file";

impl TriggerSpec {
    /// The trigger of a manifest that declares none: uploads go to this tool.
    pub(super) fn implied(tool: &str) -> Self {
        Self {
            name: "uploads".to_owned(),
            bucket: None,
            prefix: String::new(),
            suffix: String::new(),
            tool: tool.to_owned(),
            parameters: Self::default_parameters(),
            lane: None,
        }
    }

    /// The parameters of a trigger that names none: the object's bucket and key.
    pub(super) fn default_parameters() -> Map<String, Value> {
        Map::from_iter([("bucket".to_owned(), json!(BUCKET)), ("key".to_owned(), json!(KEY))])
    }

    /// The tool's parameters for one object: `${bucket}` and `${key}` filled in, in every string.
    pub fn render(&self, bucket: &str, key: &str) -> Value {
        let filled = self.parameters.iter().map(|(name, value)| (name.clone(), fill(value, bucket, key)));
        Value::Object(filled.collect())
    }

    fn takes(&self, key: &str) -> bool {
        // Prefix and suffix must not overlap: `a/` and `/b` do not both fit `a/b`.
        key.len() >= self.prefix.len() + self.suffix.len()
            && key.starts_with(&self.prefix)
            && key.ends_with(&self.suffix)
    }
}

impl Manifest {
    /// The triggers that an object starts, sorted by name. `key` is the object's key itself, not as a URL has it.
    pub fn triggers_for<'m>(
        &'m self,
        bucket: &'m str,
        key: &'m str,
    ) -> impl Iterator<Item = &'m TriggerSpec> {
        let named = self.triggers().any(|trigger| trigger.bucket.as_deref() == Some(bucket));
        self.triggers().filter(move |trigger| {
            let here = match trigger.bucket.as_deref() {
                Some(wanted) => wanted == bucket,
                None => !named,
            };
            here && trigger.takes(key)
        })
    }
}

fn fill(value: &Value, bucket: &str, key: &str) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, bucket, key)),
        Value::Array(items) => items.iter().map(|item| fill(item, bucket, key)).collect(),
        Value::Object(map) => {
            let filled = map.iter().map(|(name, value)| (name.clone(), fill(value, bucket, key)));
            Value::Object(filled.collect())
        }
        other => other.clone(),
    }
}

/// One pass, so that a key that holds `${bucket}` comes out as it is.
fn fill_text(template: &str, bucket: &str, key: &str) -> String {
    let mut filled = String::with_capacity(template.len() + key.len());
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let (value, hole) = match rest {
            _ if rest.starts_with(BUCKET) => (bucket, BUCKET),
            _ if rest.starts_with(KEY) => (key, KEY),
            _ => ("${", "${"),
        };
        filled.push_str(value);
        rest = &rest[hole.len()..];
    }
    filled.push_str(rest);
    filled
}
