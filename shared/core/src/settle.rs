//! From the end of one attempt to what becomes of the job: the one place where attempts are weighed.

use serde_json::Value;

use crate::job::JobRecord;
use crate::lifecycle::{Ending, Release};
use crate::limits;
use crate::outcome::{Effect, ErrorKind, Failure, JobError, Outcome, Retry};
use crate::policy::{Effects, RetryPolicy};

const HANDED_BACK: &str = "handed back: the worker shut down";

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptEnd {
    /// The tool answered.
    Answered(Outcome),
    /// The tool was stopped after its timeout, in milliseconds.
    TimedOut(u64),
    /// The tool panicked with this message.
    Panicked(String),
    /// The tool was stopped because somebody asked to cancel the job.
    CancelSeen,
    /// The tool was stopped because the job's deadline passed.
    DeadlinePassed,
    /// The tool was stopped because the worker shuts down.
    ShutDown,
    /// The tool was never started, for this reason: what it needs could not be had for the moment.
    NotStarted(String),
}

/// What becomes of the job.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Settlement {
    /// It succeeded with this value.
    Succeed(Value),
    /// It ends without success.
    End(Ending),
    /// It waits for another attempt.
    Release(Release),
}

/// Settles an attempt: `row` is the job as claimed, `random` drives the jitter of a retry.
pub fn settle(end: AttemptEnd, row: &JobRecord, retry: &RetryPolicy, now_ms: u64, random: u64) -> Settlement {
    let once = row.effects == Effects::AtMostOnce;
    match end {
        AttemptEnd::Answered(Outcome::Done(value)) => Settlement::Succeed(value),
        AttemptEnd::Answered(Outcome::Cancelled) | AttemptEnd::CancelSeen => {
            Settlement::End(Ending::cancelled("cancelled while it ran"))
        }
        AttemptEnd::Answered(Outcome::Deferred { delay_ms, why }) => defer(row, once, delay_ms, why, now_ms),
        AttemptEnd::Answered(Outcome::Failed(failure)) if once && failure.effect == Effect::InDoubt => {
            Settlement::End(Ending::in_doubt(failure.kind, failure.message))
        }
        AttemptEnd::Answered(Outcome::Failed(failure)) if once && failure.kind.leaves_doubt() => {
            in_doubt(failure.kind, &failure.message)
        }
        AttemptEnd::Answered(Outcome::Failed(failure)) if once => {
            Settlement::End(Ending::failed(JobError::new(failure.kind, failure.message)))
        }
        AttemptEnd::Answered(Outcome::Failed(failure)) => fail(row, retry, failure, now_ms, random),
        AttemptEnd::TimedOut(timeout_ms) if once => {
            in_doubt(ErrorKind::Timeout, &format!("stopped after its timeout of {timeout_ms} ms"))
        }
        AttemptEnd::TimedOut(timeout_ms) => {
            let message = format!("stopped after its timeout of {timeout_ms} ms");
            fail(row, retry, backoff(ErrorKind::Timeout, message), now_ms, random)
        }
        AttemptEnd::Panicked(message) if once => in_doubt(ErrorKind::Panic, &format!("panicked: {message}")),
        AttemptEnd::Panicked(message) => {
            fail(row, retry, backoff(ErrorKind::Panic, format!("panicked: {message}")), now_ms, random)
        }
        AttemptEnd::DeadlinePassed if once => {
            in_doubt(ErrorKind::DeadlinePassed, "stopped when its deadline passed")
        }
        AttemptEnd::DeadlinePassed => Settlement::End(Ending::expired("the deadline passed while it ran")),
        AttemptEnd::ShutDown if once => in_doubt(ErrorKind::WorkerLost, "stopped when its worker shut down"),
        AttemptEnd::ShutDown if row.deferrals >= limits::DEFERRALS_MAX => {
            // From here on it costs an attempt: a job that no worker lives long enough for must end, too.
            fail(row, retry, backoff(ErrorKind::Unavailable, HANDED_BACK.into()), now_ms, random)
        }
        AttemptEnd::ShutDown => {
            let error = JobError::new(ErrorKind::Unavailable, HANDED_BACK);
            Settlement::Release(Release { retry_at_ms: now_ms, counted: false, error })
        }
        // It had no effect, so a tool that must not run twice may still run once.
        AttemptEnd::NotStarted(why) => put_off(row, not_started_retry_ms(row), why, now_ms),
    }
}

/// Doubles with each time that the job was put off: what its attempts need may be gone for hours.
fn not_started_retry_ms(row: &JobRecord) -> u64 {
    let doublings = row.deferrals.min(16);
    (limits::NOT_STARTED_RETRY_MS << doublings).min(limits::NOT_STARTED_RETRY_MAX_MS)
}

fn backoff(kind: ErrorKind, message: String) -> Failure {
    Failure::new(kind, message, Retry::Backoff)
}

fn in_doubt(kind: ErrorKind, what: &str) -> Settlement {
    Settlement::End(Ending::in_doubt(kind, format!("{what}; its effect may or may not have happened")))
}

fn fail(row: &JobRecord, policy: &RetryPolicy, failure: Failure, now_ms: u64, random: u64) -> Settlement {
    let error = JobError::new(failure.kind, failure.message);
    let retry_after_ms = match failure.retry {
        Retry::Never => return Settlement::End(Ending::failed(error)),
        Retry::Backoff => None,
        Retry::After(ms) => Some(ms),
    };
    if row.attempts_used() >= row.max_attempts {
        return Settlement::End(Ending::failed(error));
    }
    let delay_ms = policy.delay_ms(row.attempts_used(), retry_after_ms, random);
    release(row, now_ms.saturating_add(delay_ms), true, error)
}

fn defer(row: &JobRecord, once: bool, delay_ms: u64, why: String, now_ms: u64) -> Settlement {
    if once {
        let why = format!("an at-most-once tool cannot run again, but asked to: {why}");
        return Settlement::End(Ending::failed(JobError::new(ErrorKind::ToolError, why)));
    }
    put_off(row, delay_ms, why, now_ms)
}

/// Without counting the attempt, but not for ever.
fn put_off(row: &JobRecord, delay_ms: u64, why: String, now_ms: u64) -> Settlement {
    if row.deferrals >= limits::DEFERRALS_MAX {
        let why = format!("deferred {} times, the last time because: {why}", row.deferrals);
        return Settlement::End(Ending::failed(JobError::new(ErrorKind::ToolError, why)));
    }
    let retry_at_ms = now_ms.saturating_add(delay_ms.min(limits::POSTPONE_MAX_MS));
    release(row, retry_at_ms, false, JobError::new(ErrorKind::Unavailable, why))
}

/// A retry that would come after the deadline is not worth waiting for.
fn release(row: &JobRecord, retry_at_ms: u64, counted: bool, error: JobError) -> Settlement {
    match row.deadline_ms {
        Some(deadline_ms) if retry_at_ms >= deadline_ms => Settlement::End(Ending::expired(format!(
            "the deadline comes before the next attempt; the last one ended with: {}",
            error.message
        ))),
        _ => Settlement::Release(Release { retry_at_ms, counted, error }),
    }
}
