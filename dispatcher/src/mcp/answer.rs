//! From a job's row to what an agent is told: pure, but for the result that may be in a blob.

use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::limits::MCP_RESULT_MAX_BYTES;
use gantz_core::outcome::JobError;
use rmcp::model::{CallToolResult, ContentBlock, ResultType};
use serde_json::{Map, Value, json};

/// A tool's result in MCP's own words: what it calls its content, and nothing else.
const CONTENT: &str = "content";
const OF_A_RESULT: [&str; 4] = [CONTENT, "structuredContent", "isError", "_meta"];

/// The answer of a job that succeeded with `value`.
pub(super) fn success(value: Value) -> CallToolResult {
    match value {
        Value::Object(fields) => {
            as_it_is(&fields).unwrap_or_else(|| CallToolResult::structured(fields.into()))
        }
        Value::String(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
        value => CallToolResult::success(vec![ContentBlock::text(value.to_string())]),
    }
}

/// A result that a tool wrote for MCP, such as one with an image.
fn as_it_is(fields: &Map<String, Value>) -> Option<CallToolResult> {
    let is_mcp = fields.get(CONTENT)?.is_array() && fields.keys().all(|name| OF_A_RESULT.contains(&&**name));
    if !is_mcp {
        return None;
    }
    let mut result: CallToolResult = serde_json::from_value(fields.clone().into()).ok()?;
    result.is_error.get_or_insert(false);
    result.result_type = Some(ResultType::COMPLETE);
    Some(result)
}

/// The answer of a job that ended without success.
pub(super) fn failure(row: &JobRecord) -> CallToolResult {
    let status = row.status.as_str();
    let (kind, message) = match &row.error {
        Some(JobError { kind, message, .. }) => (json!(kind), message.clone()),
        None => (json!(status.to_lowercase()), format!("the job is {status}")),
    };
    error(&message, json!({ "kind": kind, "message": message, "job_id": row.id, "status": status }))
}

/// The answer while the job goes on, to a client that cannot be given a task.
pub(super) fn not_yet(row: &JobRecord) -> CallToolResult {
    let (id, status) = (&row.id, row.status.as_str());
    let message =
        format!("the job is {status} and goes on; call `job_result` with the id `{id}` to wait for it");
    error(&message, json!({ "kind": "not_ended", "message": message, "job_id": id, "status": status }))
}

/// The answer of a job whose result is more than an agent can read.
pub(super) fn too_large(row: &JobRecord, bytes: usize) -> CallToolResult {
    let message = format!(
        "the job succeeded, but its result has {bytes} bytes and at most {MCP_RESULT_MAX_BYTES} are answered here; \
         `GET /jobs/{0}/result` or `gantz result {0}` has it",
        row.id
    );
    error(
        &message,
        json!({ "kind": "result_too_large", "message": message, "job_id": row.id, "status": row.status }),
    )
}

/// An answer that tells an agent what went wrong, and programs the same in fields.
pub(super) fn error(message: &str, fields: Value) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(message)]);
    result.structured_content = Some(fields);
    result
}

/// What a job does at the moment, for people.
pub(super) fn progress(row: &JobRecord) -> String {
    match row.status {
        JobStatus::Queued => "queued".into(),
        JobStatus::Running => format!("attempt {} of {} runs", row.attempts_used().max(1), row.max_attempts),
        JobStatus::Waiting => match &row.error {
            Some(error) => format!("waits for its next attempt: {}", error.message),
            None => "waits for its next attempt".into(),
        },
        ended => ended.as_str().to_lowercase().replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_become_what_agents_read() {
        for (value, text, structured) in [
            (json!("plain"), "plain", None),
            (json!(7), "7", None),
            (json!([1, 2]), "[1,2]", None),
            (json!({"rows": 2}), r#"{"rows":2}"#, Some(json!({"rows": 2}))),
            (json!({"content": "a page"}), r#"{"content":"a page"}"#, Some(json!({"content": "a page"}))),
            (json!({"content": [{"type": "text", "text": "hi"}]}), "hi", None),
            (json!({"content": [1]}), r#"{"content":[1]}"#, Some(json!({"content": [1]}))),
        ] {
            let result = success(value.clone());
            let told = result.content[0].as_text().map(|content| content.text.as_str());
            assert_eq!(
                (told, result.structured_content, result.is_error),
                (Some(text), structured, Some(false)),
                "{value}"
            );
        }
    }

    #[test]
    fn a_tool_may_say_that_it_failed_in_mcps_words() {
        let value =
            json!({"content": [{"type": "image", "data": "aGk=", "mimeType": "image/png"}], "isError": true});
        let result = success(value.clone());
        assert_eq!((result.is_error, result.result_type.as_ref()), (Some(true), Some(&ResultType::COMPLETE)));
        assert_eq!(serde_json::to_value(&result).unwrap()["content"], value["content"]);
    }
}
