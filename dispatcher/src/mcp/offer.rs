//! The manifest's tools, and Gantz's own, as MCP describes tools.

use std::sync::Arc;

use gantz_core::manifest::{Manifest, ToolSpec};
use gantz_core::policy::Effects;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::Value;

use super::own;

/// All tools by name: agents' caches compare lists as they are.
pub(super) fn tools(manifest: &Manifest) -> Vec<Tool> {
    let of_manifest = manifest.offered().map(described);
    let own = own::all().into_iter().filter(|own| manifest.tool(&own.name).is_none());
    let mut tools: Vec<Tool> = of_manifest.chain(own).collect();
    tools.sort_by(|one, other| one.name.cmp(&other.name));
    tools
}

/// The tool of that name.
pub(super) fn tool(manifest: &Manifest, name: &str) -> Option<Tool> {
    match manifest.tool(name) {
        Some(spec) => Some(described(spec)),
        None => own::all().into_iter().find(|own| own.name == name),
    }
}

fn described(spec: &ToolSpec) -> Tool {
    let mut tool = Tool::new_with_raw(
        spec.name.clone(),
        Some(spec.description.clone().into()),
        object(&spec.parameters.json_schema()),
    )
    .with_annotations(annotations(spec.policy.effects));
    tool.title.clone_from(&spec.title);
    // A structured result is an object, so the schema of anything else would promise what no answer holds.
    if let Some(output) = spec.output.as_ref().filter(|schema| schema["type"] == "object") {
        tool = tool.with_raw_output_schema(object(output));
    }
    tool
}

/// What a call does to the world. A keyed tool's provider knows a job again that is tried again; another call is another
/// job, so only what reads can be called twice to no effect.
fn annotations(effects: Effects) -> ToolAnnotations {
    match effects {
        Effects::ReadOnly => ToolAnnotations::new().read_only(true).idempotent(true),
        Effects::Keyed => ToolAnnotations::new().read_only(false),
        Effects::AtMostOnce => ToolAnnotations::new().read_only(false).destructive(true).idempotent(false),
    }
}

pub(super) fn object(schema: &Value) -> Arc<JsonObject> {
    Arc::new(schema.as_object().cloned().unwrap_or_default())
}
