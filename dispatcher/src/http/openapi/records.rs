//! Schemas of what callers get.

use gantz_core::job::JobStatus;
use gantz_core::limits;
use serde_json::{Map, Value, json};

use super::{members, schema};

pub(super) fn schemas() -> Map<String, Value> {
    members(json!({
        "JobStatus": {
            "type": "string",
            "description": "Where a job stands. `QUEUED`, `RUNNING` and `WAITING` pass; the others are final.",
            "enum": JobStatus::ALL.map(JobStatus::as_str),
        },
        "ErrorKind": {
            "type": "string",
            "description": "The class of a failure. New ones may be added.",
            "examples": ["timeout", "unavailable", "tool_error"],
        },
        "JobError": {
            "type": "object",
            "required": ["kind", "message"],
            "properties": {
                "kind": schema("ErrorKind"),
                "message": { "type": "string", "maxLength": limits::ERROR_MESSAGE_MAX_BYTES },
            },
        },
        "Job": job(),
        "JobPage": page("jobs", "Job", true),
        "Batch": batch(),
        "BatchPage": page("batches", "Batch", false),
        "Tool": tool(),
        "ToolPage": page("tools", "Tool", false),
    }))
}

fn job() -> Value {
    json!({
        "type": "object",
        "required": [
            "job_id", "tool", "tenant", "lane", "status", "attempt", "max_attempts", "effects", "params_hash",
            "created_at", "updated_at",
        ],
        "additionalProperties": false,
        "properties": {
            "job_id": schema("Id"),
            "tool": { "type": "string" },
            "tenant": { "type": "string" },
            "lane": { "type": "string" },
            "status": schema("JobStatus"),
            "attempt": number("Times that a worker took it up."),
            "max_attempts": number("Attempts before it fails for good."),
            "effects": {
                "description": "What a second run of its tool would do.",
                "enum": ["read_only", "keyed", "at_most_once"],
            },
            "effect_key": schema("Id"),
            "retry_of": schema("Id"),
            "token": { "type": "string", "description": "Names the submission that made the record." },
            "deferrals": number("Attempts that do not count: the job was handed back."),
            "clean_attempt": number("The last attempt that ended in an orderly way."),
            "owner": { "type": "string", "description": "The worker that runs it." },
            "lease_until": time("When that worker counts as dead unless it reports."),
            "deadline": time("When the job is no longer worth doing."),
            "params_hash": sha256("Of tenant, tool and parameters, as submitted."),
            "cancel_requested_at": time("When somebody asked to stop it while it ran."),
            "result": { "description": "What the tool returned, if it is small." },
            "result_ref": {
                "type": "string",
                "description": "Where the result is, if it is not; `GET /jobs/{id}/result` returns either.",
            },
            "parameters": {
                "type": "object",
                "description": "What it was to be done with, if it ended without success and they are small.",
            },
            "parameters_ref": { "type": "string", "description": "Where they are, if they are not." },
            "error": { "description": "Why it, or its last attempt, failed.", "allOf": [schema("JobError")] },
            "finished_by": { "type": "string", "description": "The worker that ended it." },
            "parent": schema("Id"),
            "index": number("Its place in its batch."),
            "child_events": { "type": "boolean", "description": "Whether its end is told by an event although it is in a batch." },
            "label": { "type": "string" },
            "created_at": time("When it was accepted."),
            "updated_at": time("When the record last changed; grows with every change."),
            "started_at": time("When its last attempt began."),
            "retry_at": time("When its next attempt is due."),
            "finished_at": time("When it ended. Present exactly when the status is final."),
            "expires_at": { "type": "integer", "description": "When the record may be deleted, in seconds." },
            "history": history(),
            "attempts": attempts(),
        },
    })
}

fn history() -> Value {
    json!({
        "type": "array",
        "description": "The states it was in, each as `STATUS attempt ms`, oldest first.",
        "items": { "type": "string", "examples": ["RUNNING 1 1767225600000"] },
    })
}

fn attempts() -> Value {
    json!({
        "type": "array",
        "description": "The last attempts that ended without ending the job.",
        "maxItems": limits::PAST_ATTEMPTS_MAX,
        "items": {
            "type": "object",
            "required": ["at", "attempt", "counted", "error", "retry_at"],
            "properties": {
                "at": time("When it ended."),
                "attempt": number("Which one."),
                "counted": { "type": "boolean" },
                "error": schema("JobError"),
                "retry_at": time("When the next one was due."),
            },
        },
    })
}

fn batch() -> Value {
    json!({
        "type": "object",
        "required": [
            "batch_id", "tool", "tenant", "lane", "status", "total", "planned", "by_status", "tolerate", "started_at",
        ],
        "properties": {
            "batch_id": schema("Id"),
            "tool": { "type": "string" },
            "tenant": { "type": "string" },
            "lane": { "type": "string" },
            "status": schema("JobStatus"),
            "total": {
                "type": ["integer", "null"],
                "minimum": 0,
                "description": "How many children it has; null while they are planned.",
            },
            "planned": number("Children planned so far."),
            "by_status": by_status(),
            "tolerate": { "type": "string", "description": "How many children may fail, such as `3` or `2.5%`." },
            "planning_error": { "type": "string", "description": "Why planning stopped early." },
            "retry_of": schema("Id"),
            "left_out": number("Children of that batch that are not done again, as they may have run; known at the end of planning."),
            "cancel_requested_at": time("When somebody asked to cancel it."),
            "deadline": time("When its children are no longer worth doing."),
            "started_at": time("When it was accepted."),
            "finished_at": time("When it ended."),
            "failures": failures(),
            "failures_total": number("How many children have ended without success so far."),
        },
    })
}

fn failures() -> Value {
    json!({
        "type": "array",
        "description": "The first children that ended without success, among the first 100,000. Only where one batch was asked for.",
        "maxItems": limits::FAILURES_SHOWN_MAX,
        "items": {
            "type": "object",
            "required": ["job_id", "index", "input", "status", "message"],
            "properties": {
                "job_id": schema("Id"),
                "index": number("Its place in the batch."),
                "input": { "description": "The item that it was planned from." },
                "label": { "type": "string" },
                "status": schema("JobStatus"),
                "kind": { "type": "string", "description": "Why, in one word." },
                "message": { "type": "string" },
            },
        },
    })
}

fn by_status() -> Value {
    let ends = ["SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "IN_DOUBT"];
    let properties: Map<String, Value> =
        ends.iter().map(|name| ((*name).to_owned(), json!({ "type": "integer", "minimum": 0 }))).collect();
    json!({
        "type": "object",
        "description": "How many children ended in which way. In a list of batches: as far as whole groups of them have.",
        "required": ["SUCCEEDED"],
        "properties": properties,
        "additionalProperties": false,
    })
}

fn tool() -> Value {
    json!({
        "type": "object",
        "required": [
            "name", "description", "parameters", "handler", "effects", "timeout_ms", "max_attempts", "lane",
        ],
        "properties": {
            "name": { "type": "string" },
            "title": { "type": "string" },
            "description": { "type": "string" },
            "parameters": { "type": "object", "description": "A JSON Schema (2020-12) of the parameters." },
            "output": { "description": "A JSON Schema (2020-12) of the results, if the tool promises one." },
            "handler": { "type": "string", "description": "What runs it." },
            "effects": {
                "enum": ["read_only", "keyed", "at_most_once"],
                "description": "What a second run with the same parameters would do to the world.",
            },
            "timeout_ms": number("Milliseconds that one attempt may take."),
            "max_attempts": number("Attempts before a job fails for good."),
            "lane": { "type": "string" },
        },
    })
}

fn page(items: &str, item: &str, continues: bool) -> Value {
    let mut page = json!({
        "type": "object",
        "required": [items],
        "properties": { items: { "type": "array", "items": schema(item) } },
    });
    if continues {
        page["required"] = json!([items, "next"]);
        page["properties"]["next"] = json!({
            "type": ["string", "null"],
            "description": "The `cursor` of the next page, if there may be more. A page may be short, even empty, \
                and still have one.",
        });
    }
    page
}

fn number(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn time(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": format!("{description} Milliseconds since the epoch.") })
}

fn sha256(description: &str) -> Value {
    json!({ "type": "string", "description": format!("SHA-256 in hexadecimal. {description}") })
}
