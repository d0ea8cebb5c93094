use super::Ending;
use crate::job::{HistoryEntry, JobRecord, JobStatus};
use crate::limits;
use crate::outcome::{ErrorKind, JobError};
use crate::policy::Effects;

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
    /// What a second run of the tool would do.
    pub effects: Effects,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
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
/// The order of the tests is the protocol's: an ended job first, then the claimer's own write whose answer got lost,
/// then other people's leases, then the reasons to give up.
pub fn claim(row: Option<&JobRecord>, claim: &Claim) -> ClaimVerdict {
    let now_ms = claim.now_ms;
    let row = row.unwrap_or(&claim.first_seen);
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
    if let Some(ending) = reason_to_give_up(row, claim.effects, now_ms) {
        return ClaimVerdict::GiveUp { attempt_seen: row.attempt, ending: Box::new(ending) };
    }
    if row.params_hash != claim.first_seen.params_hash || row.tool != claim.first_seen.tool {
        return ClaimVerdict::Foreign;
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
    };
    if row.last_attempt_crashed() {
        // Whoever ran it could not say so, and from here on the row tells of the next one.
        granted.remember(HistoryEntry {
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

fn reason_to_give_up(row: &JobRecord, effects: Effects, now_ms: u64) -> Option<Ending> {
    if effects == Effects::AtMostOnce && row.last_attempt_crashed() {
        return Some(Ending::in_doubt(
            ErrorKind::WorkerLost,
            format!("attempt {} ended without an answer", row.attempt),
        ));
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

/// Decides on a dead-lettered message, given its job's row. Receives are not attempts: deliveries that were throttled
/// or handed back count as receives, and a job that still may run is put back.
pub fn dead_letter(
    row: Option<&JobRecord>,
    first_seen: &JobRecord,
    effects: Effects,
    now_ms: u64,
) -> DeadLetterVerdict {
    let row = row.unwrap_or(first_seen);
    if row.params_hash != first_seen.params_hash || row.tool != first_seen.tool {
        return DeadLetterVerdict::Foreign;
    }
    if row.is_finished() {
        return DeadLetterVerdict::Finished(Box::new(row.clone()));
    }
    if let (true, Some(lease_until_ms)) = (row.lease_lives(now_ms), row.lease_until_ms) {
        return DeadLetterVerdict::HeldUntil { lease_until_ms };
    }
    let too_old = || {
        let old = now_ms.saturating_sub(row.created_at_ms) > limits::PUT_BACK_MAX_AGE_MS;
        old.then(|| {
            let message = "delivered again and again for days without an attempt that ended";
            Ending::failed(JobError::new(ErrorKind::WorkerLost, message))
        })
    };
    match reason_to_give_up(row, effects, now_ms).or_else(too_old) {
        Some(ending) => DeadLetterVerdict::GiveUp { attempt_seen: row.attempt, ending: Box::new(ending) },
        None => DeadLetterVerdict::PutBack,
    }
}
