//! The job as an MCP task: one record, seen through the tasks extension (SEP-2663).

use gantz_core::job::{JobRecord, JobStatus};
use jiff::Timestamp;
use rmcp::model::{CallToolResult, DetailedTask, JsonObject, Task, TaskPayload, TaskStatus};
use serde_json::Value;

use super::answer;

/// How soon a client may ask again: a twentieth of what an attempt may take, within these bounds.
const POLL_MIN_MS: u64 = 500;
const POLL_MAX_MS: u64 = 5_000;

/// The task that a job is. `timeout_ms` is what one attempt of its tool may take, where that is known.
pub(super) fn of(row: &JobRecord, timeout_ms: Option<u64>, now_ms: u64) -> Task {
    let mut task =
        Task::new(row.id.as_str(), status(row.status), moment(row.created_at_ms), moment(row.updated_at_ms))
            .with_status_message(answer::progress(row))
            .with_poll_interval_ms(poll_interval_ms(row, timeout_ms, now_ms));
    task.ttl_ms = row.expires_at_s.map(|at_s| (at_s * 1_000).saturating_sub(row.created_at_ms));
    task
}

/// The task with what came of it. A tool's own failure is a result; only a cancelled task has none.
pub(super) fn detailed(task: Task, row: &JobRecord, result: Option<CallToolResult>) -> DetailedTask {
    let payload = match (row.status, result) {
        (JobStatus::Cancelled, _) => TaskPayload::Cancelled,
        (_, Some(result)) => TaskPayload::Completed { result: fields(&result) },
        (_, None) => TaskPayload::Working,
    };
    DetailedTask::new(task, payload)
}

fn status(status: JobStatus) -> TaskStatus {
    match status {
        JobStatus::Queued | JobStatus::Running | JobStatus::Waiting => TaskStatus::Working,
        JobStatus::Cancelled => TaskStatus::Cancelled,
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Expired | JobStatus::InDoubt => {
            TaskStatus::Completed
        }
    }
}

/// A job that waits for its next attempt has nothing to tell before that.
fn poll_interval_ms(row: &JobRecord, timeout_ms: Option<u64>, now_ms: u64) -> u64 {
    let usual_ms =
        timeout_ms.map_or(POLL_MAX_MS, |timeout_ms| (timeout_ms / 20).clamp(POLL_MIN_MS, POLL_MAX_MS));
    match (row.status, row.retry_at_ms) {
        (JobStatus::Waiting, Some(at_ms)) => at_ms.saturating_sub(now_ms).max(usual_ms),
        _ => usual_ms,
    }
}

fn fields(result: &CallToolResult) -> JsonObject {
    match serde_json::to_value(result) {
        Ok(Value::Object(fields)) => fields,
        // A result is an object of plain JSON.
        _ => JsonObject::new(),
    }
}

fn moment(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().to_string()
}
