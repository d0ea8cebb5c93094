//! The description of the API: OpenAPI 3.1, written by hand next to the code it describes.
//!
//! Tests hold it to the truth: every route is in it and the other way round, every reference leads somewhere, and what
//! the handlers answer fits its schemas.

mod answers;
mod paths;
mod records;
mod submissions;

use axum::Json;
use serde_json::{Map, Value, json};

use answers::problem_schema;

pub(super) async fn show() -> Json<Value> {
    Json(document())
}

fn document() -> Value {
    let mut schemas = Map::from_iter([("Problem".to_owned(), problem_schema())]);
    schemas.extend(submissions::schemas());
    schemas.extend(records::schemas());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gantz",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Jobs for AI agents' tool calls. A submission answered 200 or 202 is durable. Submitting \
                again under the same id or key is always safe: it finds the job that is there. Times are milliseconds \
                since the Unix epoch. Errors are problem documents (RFC 9457) whose `type` never changes; unknown \
                paths are answered `not-found`, and wrong methods `method-not-allowed` with `Allow`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [],
        "paths": paths::paths(),
        "components": { "schemas": schemas },
    })
}

/// A reference to a schema.
fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The members of `value`, which is an object.
fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
