use super::Ending;
use crate::history::PastAttempt;
use crate::ids::JobId;
use crate::job::{JobRecord, JobStatus};
use crate::outcome::JobError;

/// Proof of a granted claim: what a worker shows to write to the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The job.
    pub id: JobId,
    /// The fencing token.
    pub attempt: u32,
    /// The owner that claimed it.
    pub owner: String,
}

impl Held {
    fn stands(&self, row: &JobRecord) -> bool {
        row.attempt == self.attempt && !row.is_finished()
    }
}

/// What came of a heartbeat.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum HeartbeatVerdict {
    /// The lease is renewed. This is the row now; it says whether somebody asked to cancel.
    Renewed(Box<JobRecord>),
    /// The job is no longer the caller's: stop, and write nothing.
    Lost,
}

/// Decides on a heartbeat.
pub fn heartbeat(row: Option<&JobRecord>, held: &Held, lease_until_ms: u64, now_ms: u64) -> HeartbeatVerdict {
    match row {
        Some(row) if held.stands(row) && row.owner.as_ref() == Some(&held.owner) => {
            HeartbeatVerdict::Renewed(Box::new(JobRecord {
                lease_until_ms: Some(lease_until_ms),
                updated_at_ms: row.next_update_ms(now_ms),
                ..row.clone()
            }))
        }
        _ => HeartbeatVerdict::Lost,
    }
}

/// What came of finishing a job.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum FinishVerdict {
    /// The job has ended as asked. This is the row now.
    Committed(Box<JobRecord>),
    /// The caller's own earlier write ended it; its answer got lost.
    Already(Box<JobRecord>),
    /// Somebody else ended it: publish that end, and acknowledge.
    Otherwise(Box<JobRecord>),
    /// A later attempt has the job: discard the outcome, and do not acknowledge.
    FencedOut,
}

/// Decides on the end of an attempt that ends the job.
pub fn finish(row: Option<&JobRecord>, held: &Held, ending: &Ending, now_ms: u64) -> FinishVerdict {
    let Some(row) = row else { return FinishVerdict::FencedOut };
    if held.stands(row) {
        return FinishVerdict::Committed(Box::new(ending.apply(row, Some(&held.owner), now_ms)));
    }
    if !row.is_finished() {
        return FinishVerdict::FencedOut;
    }
    let row = Box::new(row.clone());
    if row.finished_by.as_ref() == Some(&held.owner) {
        FinishVerdict::Already(row)
    } else {
        FinishVerdict::Otherwise(row)
    }
}

/// The end of an attempt that does not end the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// When the next attempt is due, milliseconds since the epoch.
    pub retry_at_ms: u64,
    /// Whether the attempt counts towards `max_attempts`.
    pub counted: bool,
    /// Why the attempt ended.
    pub error: JobError,
}

/// What came of releasing a job.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum ReleaseVerdict {
    /// The job waits for its next attempt. This is the row now.
    Released(Box<JobRecord>),
    /// Somebody asked to cancel: finish it as cancelled instead.
    CancelAsked,
    /// The job has ended: publish that end, and acknowledge.
    Finished(Box<JobRecord>),
    /// A later attempt has the job: do nothing, and do not acknowledge.
    FencedOut,
}

/// Decides on the end of an attempt that does not end the job.
pub fn release(row: Option<&JobRecord>, held: &Held, release: &Release, now_ms: u64) -> ReleaseVerdict {
    let Some(row) = row else { return ReleaseVerdict::FencedOut };
    if row.is_finished() {
        return ReleaseVerdict::Finished(Box::new(row.clone()));
    }
    if !held.stands(row) {
        return ReleaseVerdict::FencedOut;
    }
    if row.clean_attempt == held.attempt {
        // Our own release, whose answer got lost.
        return ReleaseVerdict::Released(Box::new(row.clone()));
    }
    if row.cancel_requested_at_ms.is_some() {
        return ReleaseVerdict::CancelAsked;
    }
    let mut released = JobRecord {
        status: JobStatus::Waiting,
        clean_attempt: held.attempt,
        deferrals: row.deferrals + u32::from(!release.counted),
        owner: None,
        lease_until_ms: None,
        retry_at_ms: Some(release.retry_at_ms),
        error: Some(release.error.clone()),
        updated_at_ms: row.next_update_ms(now_ms),
        ..row.clone()
    }
    .entered();
    released.remember(PastAttempt {
        at_ms: now_ms,
        started_at_ms: row.started_at_ms,
        attempt: held.attempt,
        counted: release.counted,
        error: release.error.clone(),
        retry_at_ms: release.retry_at_ms,
    });
    ReleaseVerdict::Released(Box::new(released))
}
