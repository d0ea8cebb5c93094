use super::Ending;
use crate::history::PastAttempt;
use crate::job::{JobRecord, JobStatus};
use crate::limits;
use crate::outcome::{ErrorKind, JobError};

/// All that is known of an attempt that crashed.
const CRASHED: &str = "ended without an answer: its process died, or lost its lease";

/// A worker's wish to run a job.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The row as it was accepted, for a job whose row does not exist yet.
    pub first_seen: JobRecord,
    /// Unique to this delivery: two deliveries of one message are two owners, also within one process.
    pub owner: String,
    /// When the lease ends unless renewed, milliseconds since the epoch.
    pub lease_until_ms: u64,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
    /// The message was received before: the job may have had an attempt. It changes no decision, it tells a store what
    /// to expect.
    pub redelivered: bool,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum ClaimVerdict {
    /// The job is the claimer's until the lease ends. This is the row now.
    Granted(Box<JobRecord>),
    /// The job has ended: publish its event once more, and acknowledge the message.
    Finished(Box<JobRecord>),
    /// Another worker holds it: come back when its lease ends, and never acknowledge.
    HeldUntil {
        /// Milliseconds since the epoch.
        lease_until_ms: u64,
    },
    /// Nobody shall run it any more: end it so, provided that it still stands at this attempt.
    GiveUp {
        /// The attempt that the row stands at.
        attempt_seen: u32,
        /// How it ends.
        ending: Box<Ending>,
    },
    /// The message and the row disagree on what the job is: set the message aside.
    Foreign,
}

/// Decides on a claim, given the job's row.
///
/// The order of the tests is the protocol's: a message that is not of this job first, then an ended job, the claimer's
/// own write whose answer got lost, other people's leases, and the reasons to give up.
pub fn claim(row: Option<&JobRecord>, claim: &Claim) -> ClaimVerdict {
    let now_ms = claim.now_ms;
    let row = row.unwrap_or(&claim.first_seen);
    if row.is_foreign_to(&claim.first_seen) {
        return ClaimVerdict::Foreign;
    }
    if row.is_finished() {
        return ClaimVerdict::Finished(Box::new(row.clone()));
    }
    if row.lease_lives(now_ms) {
        return match row.lease_until_ms {
            Some(lease_until_ms) if row.owner.as_deref() != Some(&claim.owner) => {
                ClaimVerdict::HeldUntil { lease_until_ms }
            }
            _ => ClaimVerdict::Granted(Box::new(row.clone())),
        };
    }
    if let Some(ending) = reason_to_give_up(row, now_ms) {
        return ClaimVerdict::GiveUp { attempt_seen: row.attempt, ending: Box::new(ending) };
    }
    let mut granted = JobRecord {
        status: JobStatus::Running,
        attempt: row.attempt + 1,
        owner: Some(claim.owner.clone()),
        lease_until_ms: Some(claim.lease_until_ms),
        retry_at_ms: None,
        started_at_ms: Some(now_ms),
        updated_at_ms: row.next_update_ms(now_ms),
        ..row.clone()
    }
    .entered();
    if row.last_attempt_crashed() {
        // Whoever ran it could not say so, and from here on the row tells of the next one.
        granted.remember(PastAttempt {
            at_ms: now_ms,
            started_at_ms: row.started_at_ms,
            attempt: row.attempt,
            counted: true,
            error: JobError::new(ErrorKind::WorkerLost, CRASHED),
            retry_at_ms: now_ms,
        });
    }
    ClaimVerdict::Granted(Box::new(granted))
}

fn reason_to_give_up(row: &JobRecord, now_ms: u64) -> Option<Ending> {
    if row.is_in_doubt() {
        return Some(Ending::lost_in_doubt(row));
    }
    if row.cancel_requested_at_ms.is_some() {
        return Some(Ending::cancelled("cancelled while it ran; its worker did not answer"));
    }
    if row.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms) {
        return Some(Ending::expired("the deadline passed before the next attempt"));
    }
    if row.attempts_used() >= row.max_attempts {
        return Some(Ending::failed(exhausted(row)));
    }
    None
}

fn exhausted(row: &JobRecord) -> JobError {
    match &row.error {
        Some(error) if !row.last_attempt_crashed() => error.clone(),
        _ => JobError::new(
            ErrorKind::WorkerLost,
            format!(
                "attempt {} {CRASHED}; {} of {} attempts used",
                row.attempt,
                row.attempts_used(),
                row.max_attempts
            ),
        ),
    }
}

/// What becomes of a job whose message was dead-lettered.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum DeadLetterVerdict {
    /// The job has ended: publish its event once more, and delete the message.
    Finished(Box<JobRecord>),
    /// A worker holds it: look again when its lease ends.
    HeldUntil {
        /// Milliseconds since the epoch.
        lease_until_ms: u64,
    },
    /// It never ran out of attempts: send its message to its lane again.
    PutBack,
    /// End it so, provided that it still stands at this attempt.
    GiveUp {
        /// The attempt that the row stands at.
        attempt_seen: u32,
        /// How it ends.
        ending: Box<Ending>,
    },
    /// The message and the row disagree on what the job is: leave the message to people.
    Foreign,
}

/// Decides on a dead-lettered message that was put back `put_back` times before, given its job's row. Receives are not
/// attempts: deliveries that were throttled or handed back count as receives, and a job that still may run is put back.
pub fn dead_letter(
    row: Option<&JobRecord>,
    first_seen: &JobRecord,
    put_back: u32,
    now_ms: u64,
) -> DeadLetterVerdict {
    let row = row.unwrap_or(first_seen);
    if row.is_foreign_to(first_seen) {
        return DeadLetterVerdict::Foreign;
    }
    if row.is_finished() {
        return DeadLetterVerdict::Finished(Box::new(row.clone()));
    }
    if let (true, Some(lease_until_ms)) = (row.lease_lives(now_ms), row.lease_until_ms) {
        return DeadLetterVerdict::HeldUntil { lease_until_ms };
    }
    let undeliverable = || {
        let message =
            format!("delivered {} times without an attempt that ended", put_back_receives(put_back));
        (put_back >= limits::PUT_BACK_MAX)
            .then(|| Ending::failed(JobError::new(ErrorKind::Undeliverable, message)))
    };
    match reason_to_give_up(row, now_ms).or_else(undeliverable) {
        Some(ending) => DeadLetterVerdict::GiveUp { attempt_seen: row.attempt, ending: Box::new(ending) },
        None => DeadLetterVerdict::PutBack,
    }
}

fn put_back_receives(put_back: u32) -> u32 {
    (put_back + 1).saturating_mul(limits::MAX_RECEIVES)
}
