//! Completion events: what Gantz tells the world when a job ends.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::batch::{BatchRecord, BatchView};
use crate::ids::JobId;
use crate::job::{JobRecord, JobResult, JobStatus};
use crate::refuse::is_refusal;

/// The `source` of every event.
pub const SOURCE: &str = "gantz";

/// An event, in the terms of EventBridge's `PutEvents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The job or batch that ended. Delivery is at least once: consumers drop a second event of the same job.
    pub job_id: JobId,
    /// `Gantz Job Succeeded`, `Gantz Job Rejected`, `Gantz Batch Failed` and so on.
    pub detail_type: String,
    /// The event's content.
    pub detail: Value,
    /// When the job ended, milliseconds since the epoch.
    pub time_ms: u64,
}

/// The event of a job's end; none for a job that has not ended, and none for a batch's child, whose batch speaks for it,
/// unless the batch asked for [`child_events`](JobRecord::child_events).
pub fn completion(row: &JobRecord) -> Option<Event> {
    if row.parent.is_some() && !row.child_events {
        return None;
    }
    let mut detail = Map::new();
    detail.insert("job_id".into(), json!(row.id));
    detail.insert("tool".into(), json!(row.tool));
    detail.insert("tenant".into(), json!(row.tenant));
    detail.insert("status".into(), json!(row.status));
    detail.insert("attempt".into(), json!(row.attempt));
    if let Some(parent) = &row.parent {
        detail.insert("parent".into(), json!(parent));
        detail.insert("index".into(), json!(row.index));
    }
    match &row.result {
        Some(JobResult::Inline(value)) => detail.insert("result".into(), value.clone()),
        Some(JobResult::Ref(reference)) => detail.insert("result_ref".into(), json!(reference)),
        None => None,
    };
    if let Some(error) = &row.error {
        detail.insert("error".into(), json!(error));
    }
    Some(Event {
        job_id: row.id.clone(),
        detail_type: format!(
            "Gantz Job {}",
            if is_refusal(row) { "Rejected" } else { ending_in_words(row.status)? }
        ),
        detail: Value::Object(detail),
        time_ms: row.finished_at_ms?,
    })
}

/// The event of a batch's end; none for a batch that has not ended.
pub fn batch_completion(batch: &BatchRecord) -> Option<Event> {
    Some(Event {
        job_id: batch.id.clone(),
        detail_type: format!("Gantz Batch {}", ending_in_words(batch.status)?),
        // All shards are complete.
        detail: json!(BatchView::from(batch)),
        time_ms: batch.finished_at_ms?,
    })
}

fn ending_in_words(status: JobStatus) -> Option<&'static str> {
    match status {
        JobStatus::Succeeded => Some("Succeeded"),
        JobStatus::Failed => Some("Failed"),
        JobStatus::Cancelled => Some("Cancelled"),
        JobStatus::Expired => Some("Expired"),
        JobStatus::InDoubt => Some("In Doubt"),
        JobStatus::Queued | JobStatus::Running | JobStatus::Waiting => None,
    }
}
