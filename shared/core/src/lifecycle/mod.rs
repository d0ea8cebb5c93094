//! The job protocol: every change of a job's row, as a pure decision.
//!
//! Each function takes the row as it is and says what the row becomes, or why it does not change. A store applies the
//! answer in one conditional write, so that the condition and the change cannot be torn apart; where the condition
//! fails, the same function reads the old row and says what that means.
//!
//! | step | function | condition |
//! |---|---|---|
//! | accept | [`accept()`] | no row |
//! | claim | [`claim()`] | not finished, no cancel asked, no live lease, attempts left, deadline ahead, same hash |
//! | heartbeat | [`heartbeat()`] | the attempt and the owner are mine, not finished |
//! | finish | [`finish()`] | the attempt is mine, not finished |
//! | release | [`release()`] | the attempt is mine, not finished, no cancel asked |
//! | cancel | [`cancel()`] | not finished; it ends at once if nobody holds it |
//! | give up | [`give_up()`] | not finished, no live lease, the attempt is the one seen |
//! | keep | [`keep()`] | finished without success, no parameters yet |
//!
//! [`dead_letter`] decides what becomes of a job whose message the queue has given up on.

mod accept;
mod cancel;
mod claim;
mod finish;
mod keep;

pub use accept::{AcceptVerdict, accept};
pub use cancel::{CancelVerdict, GiveUpVerdict, cancel, give_up};
pub use claim::{Claim, ClaimVerdict, DeadLetterVerdict, claim, dead_letter};
pub use finish::{
    FinishVerdict, HeartbeatVerdict, Held, Release, ReleaseVerdict, finish, heartbeat, release,
};

pub use keep::{KeepVerdict, keep, lacks_parameters};

use crate::envelope::Parameters;
use crate::job::{JobRecord, JobResult, JobStatus, NewJob, expires_at_s};
use crate::outcome::{ErrorKind, JobError};

/// What a decision changes.
pub trait Verdict {
    /// The row to write, if the decision changes it. A verdict on the caller's own earlier write gives the row again,
    /// and writing it again changes nothing.
    fn row_to_write(&self) -> Option<&JobRecord>;
}

impl Verdict for ClaimVerdict {
    fn row_to_write(&self) -> Option<&JobRecord> {
        if let Self::Granted(row) = self { Some(row) } else { None }
    }
}

impl Verdict for HeartbeatVerdict {
    fn row_to_write(&self) -> Option<&JobRecord> {
        if let Self::Renewed(row) = self { Some(row) } else { None }
    }
}

impl Verdict for FinishVerdict {
    fn row_to_write(&self) -> Option<&JobRecord> {
        if let Self::Committed(row) = self { Some(row) } else { None }
    }
}

impl Verdict for ReleaseVerdict {
    fn row_to_write(&self) -> Option<&JobRecord> {
        if let Self::Released(row) = self { Some(row) } else { None }
    }
}

impl Verdict for CancelVerdict {
    fn row_to_write(&self) -> Option<&JobRecord> {
        if let Self::Ended(row) | Self::Requested(row) = self { Some(row) } else { None }
    }
}

impl Verdict for GiveUpVerdict {
    fn row_to_write(&self) -> Option<&JobRecord> {
        if let Self::Committed(row) = self { Some(row) } else { None }
    }
}

impl Verdict for KeepVerdict {
    fn row_to_write(&self) -> Option<&JobRecord> {
        if let Self::Kept(row) = self { Some(row) } else { None }
    }
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    status: JobStatus,
    result: Option<JobResult>,
    error: Option<JobError>,
    parameters: Option<Parameters>,
}

impl Ending {
    /// `SUCCEEDED`, with its result.
    pub fn succeeded(result: JobResult) -> Self {
        Self { status: JobStatus::Succeeded, result: Some(result), error: None, parameters: None }
    }

    /// `FAILED`, with the reason.
    pub fn failed(error: JobError) -> Self {
        Self::without_success(JobStatus::Failed, error)
    }

    /// `CANCELLED`.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::without_success(JobStatus::Cancelled, JobError::new(ErrorKind::Cancelled, message))
    }

    /// `EXPIRED`: the deadline passed.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::without_success(JobStatus::Expired, JobError::new(ErrorKind::DeadlinePassed, message))
    }

    /// `IN_DOUBT`: an at-most-once tool was started and nobody knows how it ended; `kind` says what cut it off.
    pub fn in_doubt(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::without_success(JobStatus::InDoubt, JobError::new(kind, message))
    }

    fn without_success(status: JobStatus, error: JobError) -> Self {
        Self { status, result: None, error: Some(error), parameters: None }
    }

    /// The same, with the parameters to be kept for whoever does the job again.
    #[must_use]
    pub fn keeping(self, parameters: Option<Parameters>) -> Self {
        Self { parameters, ..self }
    }

    /// The terminal status.
    pub fn status(&self) -> JobStatus {
        self.status
    }

    /// What it produced, if it succeeded.
    pub fn result(&self) -> Option<&JobResult> {
        self.result.as_ref()
    }

    /// Why, unless it succeeded.
    pub fn error(&self) -> Option<&JobError> {
        self.error.as_ref()
    }

    /// The parameters to be kept.
    pub fn parameters(&self) -> Option<&Parameters> {
        self.parameters.as_ref()
    }

    /// The row of a job that ends as it is recorded.
    pub(crate) fn at_once(&self, job: NewJob) -> JobRecord {
        let created_at_ms = job.created_at_ms;
        self.apply(&JobRecord::queued(job), None, created_at_ms)
    }

    /// How a job that nobody holds ends: so, or in doubt if its tool must not run twice and may have run.
    fn apply_idle(&self, row: &JobRecord, now_ms: u64) -> JobRecord {
        let doubt = row.is_in_doubt().then(|| Self::lost_in_doubt(row).keeping(self.parameters.clone()));
        doubt.as_ref().unwrap_or(self).apply(row, None, now_ms)
    }

    fn lost_in_doubt(row: &JobRecord) -> Self {
        Self::in_doubt(ErrorKind::WorkerLost, format!("attempt {} ended without an answer", row.attempt))
    }

    fn apply(&self, row: &JobRecord, finished_by: Option<&str>, now_ms: u64) -> JobRecord {
        // The clock may have been set back, or be another machine's: no job ends before it began.
        let finished_at_ms = now_ms.max(row.updated_at_ms);
        JobRecord {
            status: self.status,
            result: self.result.clone(),
            error: self.error.clone(),
            parameters: self.parameters.clone(),
            finished_by: finished_by.map(str::to_owned),
            owner: None,
            lease_until_ms: None,
            retry_at_ms: None,
            updated_at_ms: row.next_update_ms(now_ms),
            finished_at_ms: Some(finished_at_ms),
            expires_at_s: Some(expires_at_s(finished_at_ms)),
            ..row.clone()
        }
        .entered()
    }
}
