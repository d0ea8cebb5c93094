//! What uploads start: triggers.

use serde_json::{Map, Value, json};

use super::{Manifest, ToolSpec};
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
    /// The tool's parameters, with `${bucket}`, `${key}`, `${etag}` and `${version}` where the object's belong; see
    /// [`TriggerSpec::render`].
    pub parameters: Map<String, Value>,
    /// The lane of its jobs; the tool's own if absent.
    pub lane: Option<Lane>,
}

/// An object that appeared in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival<'o> {
    /// The bucket's name.
    pub bucket: &'o str,
    /// The key, decoded.
    pub key: &'o str,
    /// The entity tag without quotes, empty where it is not told.
    pub etag: &'o str,
    /// The version's id, empty where the bucket keeps no versions.
    pub version: &'o str,
}

const BUCKET: &str = "${bucket}";
const KEY: &str = "${key}";
const ETAG: &str = "${etag}";
/// What stands for the object in a trigger's parameters.
pub(super) const HOLES: [&str; 4] = [BUCKET, KEY, ETAG, "${version}"];

impl Arrival<'_> {
    /// What belongs into each of [`HOLES`].
    fn fillings(&self) -> [&str; HOLES.len()] {
        [self.bucket, self.key, self.etag, self.version]
    }
}

/// The tool that uploads go to when the manifest has no triggers.
pub(super) const DEFAULT_TOOL: &str = "analyze_file";

impl TriggerSpec {
    /// The trigger of a manifest that declares none: uploads go to this tool.
    pub(super) fn implied(tool: &ToolSpec) -> Self {
        Self {
            name: "uploads".to_owned(),
            bucket: None,
            prefix: String::new(),
            suffix: String::new(),
            tool: tool.name.clone(),
            parameters: Self::default_parameters(tool),
            lane: None,
        }
    }

    /// The parameters of a trigger that names none: the object's bucket and key, and for a tool that takes it the tag
    /// of what was uploaded.
    pub(super) fn default_parameters(tool: &ToolSpec) -> Map<String, Value> {
        let tag = tool.parameters.get("etag").map(|_| ("etag", ETAG));
        let all = [("bucket", BUCKET), ("key", KEY)].into_iter().chain(tag);
        all.map(|(name, hole)| (name.to_owned(), json!(hole))).collect()
    }

    /// The tool's parameters for one object: what stands for it is filled in, in every string.
    pub fn render(&self, object: &Arrival<'_>) -> Value {
        let filled = self.parameters.iter().map(|(name, value)| (name.clone(), fill(value, object)));
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

fn fill(value: &Value, object: &Arrival<'_>) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, object)),
        Value::Array(items) => items.iter().map(|item| fill(item, object)).collect(),
        Value::Object(map) => {
            let filled = map.iter().map(|(name, value)| (name.clone(), fill(value, object)));
            Value::Object(filled.collect())
        }
        other => other.clone(),
    }
}

/// One pass, so that a key that holds `${bucket}` comes out as it is.
fn fill_text(template: &str, object: &Arrival<'_>) -> String {
    let mut filled = String::with_capacity(template.len() + object.key.len());
    let mut rest = template;
    while let Some(at) = rest.find("${") {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut holes = HOLES.into_iter().zip(object.fillings());
        let (hole, value) = holes.find(|(hole, _)| rest.starts_with(hole)).unwrap_or(("${", "${"));
        filled.push_str(value);
        rest = &rest[hole.len()..];
    }
    filled.push_str(rest);
    filled
}
