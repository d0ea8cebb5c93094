//! The tools that can be called.

use axum::Json;
use axum::extract::State;
use gantz_core::manifest::ToolSpec;
use serde_json::{Value, json};

use super::Door;

pub(super) async fn list(State(door): State<Door>) -> Json<Value> {
    let tools: Vec<Value> = door.dispatcher.manifest.offered().map(tool).collect();
    Json(json!({ "tools": tools }))
}

fn tool(spec: &ToolSpec) -> Value {
    let mut tool = json!({
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters.json_schema(),
        "handler": spec.handler.name(),
        "effects": spec.policy.effects,
        "timeout_ms": spec.policy.timeout_ms,
        "max_attempts": spec.policy.retry.max_attempts(),
        "lane": spec.policy.lane,
    });
    if let Some(title) = &spec.title {
        tool["title"] = json!(title);
    }
    if let Some(output) = &spec.output {
        tool["output"] = output.clone();
    }
    tool
}
