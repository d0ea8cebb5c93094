//! Gantz's own tools, for clients that know no tasks: to submit, to look, to wait, to cancel.

use gantz_core::limits::MCP_WAIT_MAX_MS;
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::offer::object;

pub(super) const SUBMIT_JOB: &str = "submit_job";
pub(super) const SUBMIT_BATCH: &str = "submit_batch";
pub(super) const JOB_STATUS: &str = "job_status";
pub(super) const JOB_RESULT: &str = "job_result";
pub(super) const CANCEL_JOB: &str = "cancel_job";

/// All of them. A tool of the manifest with such a name goes before.
pub(super) fn all() -> Vec<Tool> {
    let reads = ToolAnnotations::new().read_only(true).idempotent(true);
    let submits = ToolAnnotations::new().read_only(false);
    vec![
        tool(
            SUBMIT_JOB,
            "Start a tool as a job and return at once with the job's id. For calls that take longer than a minute; \
             `job_result` waits for the end.",
            submits.clone(),
            &json!({
                "tool": { "type": "string", "description": "The tool's name." },
                "parameters": { "type": "object", "description": "What the tool takes, by its own schema." },
                "idempotency_key": {
                    "type": "string",
                    "description": "The same key again is the same job, which is not run twice.",
                },
            }),
            &["tool"],
        ),
        tool(
            SUBMIT_BATCH,
            "Run a tool on many inputs as one batch, and return at once with the batch's id.",
            submits,
            &json!({
                "tool": { "type": "string", "description": "The tool's name." },
                "items": {
                    "type": "array",
                    "items": { "type": "object" },
                    "description": "One object of parameters for each job.",
                },
                "s3": { "type": "string", "description": "Instead of `items`: each object below `s3://bucket/prefix` is a job." },
                "jsonl": { "type": "string", "description": "Instead of `items`: the object `s3://bucket/key` has them, one a line." },
                "parameters": { "type": "object", "description": "Parameters that all jobs share." },
                "tolerate": { "type": "string", "description": "How many jobs may fail, such as `3` or `2%`." },
                "idempotency_key": { "type": "string", "description": "The same key again is the same batch." },
            }),
            &["tool"],
        ),
        tool(
            JOB_STATUS,
            "Tell where a job or a batch stands: its record, without waiting.",
            reads.clone(),
            &json!({ "id": id() }),
            &["id"],
        ),
        tool(
            JOB_RESULT,
            "Wait for a job's end and return its result. If it has not ended in time, call again.",
            reads,
            &json!({
                "id": id(),
                "wait_seconds": {
                    "type": "number",
                    "minimum": 0,
                    "maximum": MCP_WAIT_MAX_MS / 1_000,
                    "description": "How long to wait; as long as a call may take if not given.",
                },
            }),
            &["id"],
        ),
        tool(
            CANCEL_JOB,
            "Ask a job, or a batch with all its jobs, to stop.",
            ToolAnnotations::new().read_only(false).destructive(true).idempotent(true),
            &json!({ "id": id() }),
            &["id"],
        ),
    ]
}

fn id() -> Value {
    json!({ "type": "string", "description": "The id of a job or a batch." })
}

fn tool(
    name: &'static str,
    description: &'static str,
    annotations: ToolAnnotations,
    properties: &Value,
    required: &[&str],
) -> Tool {
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    Tool::new_with_raw(name, Some(description.into()), object(&schema)).with_annotations(annotations)
}
