//! Schemas of what callers send.

use gantz_core::limits;
use serde_json::{Map, Value, json};

use super::{members, schema};

pub(super) fn schemas() -> Map<String, Value> {
    members(json!({
        "JobSpec": job_spec(),
        "BatchSpec": batch_spec(),
        "Id": {
            "type": "string",
            "description": "The id of a job or a batch.",
            "pattern": "^[A-Za-z0-9._-]{8,64}$",
        },
        "Instant": {
            "description": "Milliseconds since the Unix epoch, or RFC 3339.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "format": "date-time" },
            ],
        },
        "Span": {
            "description": "Seconds, or a number with a unit of ms, s, m, h or d. At most 15 minutes.",
            "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string" }],
            "examples": [90, "90s", "1.5m"],
        },
        "Tolerance": {
            "description": "How many may fail: a number, or a share in percent.",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }],
            "examples": [3, "2.5%"],
        },
    }))
}

fn job_spec() -> Value {
    json!({
        "type": "object",
        "required": ["tool"],
        "additionalProperties": false,
        "properties": {
            "tool": { "type": "string", "description": "The tool's name." },
            "parameters": {
                "type": "object",
                "description": "As the tool's own schema has them; see `GET /tools`.",
                "default": {},
            },
            "job_id": optional("Id", "The caller's own id for the job."),
            "idempotency_key": idempotency_key(),
            "tenant": text("Whose job it is.", limits::TENANT_MAX_CHARS),
            "lane": text("The lane to wait in, instead of the tool's own.", 40),
            "deadline": optional("Instant", "When the job is no longer worth doing."),
            "delay": optional("Span", "How long to wait before the first attempt."),
            "label": {
                "type": ["string", "null"],
                "description": "What to call the job in tables; cut to 256 bytes.",
            },
            "traceparent": traceparent("The trace that the job belongs to"),
        },
    })
}

fn traceparent(what: &str) -> Value {
    json!({
        "type": ["string", "null"],
        "description": format!("{what}, as W3C's header `traceparent` has it; that of the request if left out."),
    })
}

fn batch_spec() -> Value {
    json!({
        "type": "object",
        "description": "Exactly one of `items`, `jsonl`, `files` and `s3` says where the children come from.",
        "required": ["tool"],
        "additionalProperties": false,
        "properties": {
            "tool": { "type": "string", "description": "The tool that every child calls." },
            "parameters": {
                "type": "object",
                "description": "Parameters that all children share; a child's own go first.",
                "default": {},
            },
            "items": {
                "type": ["array", "null"],
                "description": "One object of parameters for each child.",
                "maxItems": limits::BATCH_CHILDREN_MAX,
            },
            "jsonl": {
                "type": ["string", "null"],
                "description": "JSON Lines, one object of parameters each: `s3://bucket/key`, or a file on the planner's machine.",
            },
            "files": {
                "type": ["string", "null"],
                "description": "A folder or a glob pattern on the planner's machine; each file becomes a child.",
            },
            "s3": {
                "description": "`s3://bucket/prefix`, or its parts; each object becomes a child with the parameters `bucket` and `key`.",
                "anyOf": [
                    { "type": ["string", "null"] },
                    {
                        "type": "object",
                        "required": ["bucket"],
                        "properties": { "bucket": { "type": "string" }, "prefix": { "type": "string", "default": "" } },
                    },
                ],
            },
            "as": {
                "type": ["string", "null"],
                "description": "The parameter that takes a file's path; `path` if left out.",
            },
            "tolerate": optional("Tolerance", "How many children may fail before the batch does."),
            "batch_id": {
                "type": ["string", "null"],
                "description": "The caller's own id for the batch.",
                "pattern": format!("^[A-Za-z0-9._-]{{8,{}}}$", limits::BATCH_ID_MAX_CHARS),
            },
            "idempotency_key": idempotency_key(),
            "tenant": text("Whose batch it is.", limits::TENANT_MAX_CHARS),
            "lane": text("The lane to wait in, instead of the tool's own.", 40),
            "deadline": optional("Instant", "When its children are no longer worth doing."),
            "traceparent": traceparent("The trace that its children belong to"),
            "child_events": {
                "type": "boolean",
                "description": "Whether the end of each child is told by an event of its own.",
                "default": false,
            },
        },
    })
}

fn idempotency_key() -> Value {
    text("What makes a repeated submission the same one.", limits::IDEMPOTENCY_KEY_MAX_CHARS)
}

fn text(description: &str, max_chars: usize) -> Value {
    json!({ "type": ["string", "null"], "description": description, "minLength": 1, "maxLength": max_chars })
}

fn optional(name: &str, description: &str) -> Value {
    json!({ "description": description, "anyOf": [schema(name), { "type": "null" }] })
}
