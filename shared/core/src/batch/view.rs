//! What everybody sees of a batch, whoever asks and wherever it is kept.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{BatchProgress, BatchRecord, Counts, Tolerance};
use crate::ids::{JobId, Lane, Tenant};
use crate::job::{JobRecord, JobStatus};
use crate::outcome::ErrorKind;

/// A batch as the command, the API and the events show it. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchView {
    /// The batch.
    pub batch_id: JobId,
    /// The tool every child calls.
    pub tool: String,
    /// Whose batch it is.
    pub tenant: Tenant,
    /// The lane its children are sent to.
    pub lane: Lane,
    /// `RUNNING`, or how it ended.
    pub status: JobStatus,
    /// How many children it has; none while that is not known.
    pub total: Option<u32>,
    /// Children planned so far.
    pub planned: u32,
    /// Children that have ended, by how; `SUCCEEDED` is always there.
    pub by_status: BTreeMap<&'static str, u32>,
    /// How many children may fail.
    pub tolerate: Tolerance,
    /// When it was accepted.
    pub started_at: u64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<u64>,
    /// When its children are no longer worth doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// When somebody asked to cancel it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at: Option<u64>,
    /// Why planning stopped early, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planning_error: Option<String>,
    /// The batch whose children without success this one does again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// How many of them it does not, as they may have done what must not happen twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u32>,
}

impl BatchView {
    /// The view of a record whose children ended so.
    fn new(batch: &BatchRecord, totals: &Counts) -> Self {
        let counts = [
            (JobStatus::Succeeded, totals.succeeded),
            (JobStatus::Failed, totals.failed),
            (JobStatus::Cancelled, totals.cancelled),
            (JobStatus::Expired, totals.expired),
            (JobStatus::InDoubt, totals.in_doubt),
        ];
        let shown = |(status, count): &(JobStatus, u32)| *count > 0 || *status == JobStatus::Succeeded;
        Self {
            batch_id: batch.id.clone(),
            tool: batch.tool.clone(),
            tenant: batch.tenant.clone(),
            lane: batch.lane.clone(),
            status: batch.status,
            total: batch.planning_done.then_some(batch.planned),
            planned: batch.planned,
            by_status: counts.into_iter().filter(shown).map(|(status, n)| (status.as_str(), n)).collect(),
            tolerate: batch.tolerate,
            started_at: batch.created_at_ms,
            finished_at: batch.finished_at_ms,
            deadline: batch.deadline_ms,
            cancel_requested_at: batch.cancel_requested_at_ms,
            planning_error: batch.planning_error.clone(),
            retry_of: batch.retry_of.clone(),
            left_out: batch.retry_of.is_some().then_some(batch.left_out),
        }
    }
}

impl From<&BatchProgress> for BatchView {
    fn from(progress: &BatchProgress) -> Self {
        Self::new(&progress.batch, &progress.totals)
    }
}

/// Children of shards that are not complete are not counted: reading these is what [`BatchProgress`] is for.
impl From<&BatchRecord> for BatchView {
    fn from(batch: &BatchRecord) -> Self {
        Self::new(batch, &batch.counts)
    }
}

/// A batch together with what failed in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BatchReport {
    /// The batch.
    #[serde(flatten)]
    pub batch: BatchView,
    /// The first children that ended without success, in the order of their index; at most
    /// [`limits::FAILURES_SHOWN_MAX`](crate::limits::FAILURES_SHOWN_MAX).
    pub failures: Vec<FailedChild>,
    /// How many there are.
    pub failures_total: u32,
}

/// A child that ended without success.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailedChild {
    /// The job.
    pub job_id: JobId,
    /// Its place in the batch.
    pub index: Option<u32>,
    /// The item that it was planned from.
    pub input: Value,
    /// What a person calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How it ended.
    pub status: JobStatus,
    /// Why, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ErrorKind>,
    /// Why, for people.
    pub message: String,
}

impl FailedChild {
    /// The child of that row, planned from `input`; where that is null, what the child is called stands for it.
    pub fn new(child: &JobRecord, input: Value) -> Self {
        Self {
            job_id: child.id.clone(),
            index: child.index,
            input: if input.is_null() { json!(child.label) } else { input },
            label: child.label.clone(),
            status: child.status,
            kind: child.error.as_ref().map(|error| error.kind),
            message: child.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
        }
    }
}
