use super::Ending;
use crate::job::JobRecord;

/// What came of asking to cancel.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum CancelVerdict {
    /// Nobody held it, and it ended at once: `CANCELLED`, or `IN_DOUBT` where its tool must not run twice and its last
    /// attempt ended without a word. This is the row now.
    Ended(Box<JobRecord>),
    /// It runs, and its worker will see the request. This is the row now.
    Requested(Box<JobRecord>),
    /// It had ended before.
    Finished(Box<JobRecord>),
    /// There is no such job.
    Unknown,
}

/// Decides on a request to cancel. An idle job ends; a running one is asked to. A job that was accepted but whose
/// message is still queued ends too: the message finds a finished job, publishes its end and goes.
pub fn cancel(row: Option<&JobRecord>, now_ms: u64) -> CancelVerdict {
    let Some(row) = row else { return CancelVerdict::Unknown };
    if row.is_finished() {
        return CancelVerdict::Finished(Box::new(row.clone()));
    }
    if row.lease_lives(now_ms) {
        let cancel_requested_at_ms = row.cancel_requested_at_ms.or(Some(now_ms));
        return CancelVerdict::Requested(Box::new(JobRecord {
            cancel_requested_at_ms,
            updated_at_ms: row.next_update_ms(now_ms),
            ..row.clone()
        }));
    }
    let ending = Ending::cancelled("cancelled before its next attempt");
    CancelVerdict::Ended(Box::new(ending.apply_idle(row, now_ms)))
}

/// What came of giving up on a job.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum GiveUpVerdict {
    /// The job ended as asked, or in doubt, as with [`CancelVerdict::Ended`]. This is the row now.
    Committed(Box<JobRecord>),
    /// It had ended before: publish that end, and acknowledge.
    Finished(Box<JobRecord>),
    /// It moved on in the meantime: leave it alone, and do not acknowledge.
    MovedOn,
}

/// Decides on ending a job that nobody runs, as seen at `attempt_seen`. `first_seen` stands in for a row that does not
/// exist yet.
pub fn give_up(
    row: Option<&JobRecord>,
    first_seen: &JobRecord,
    attempt_seen: u32,
    ending: &Ending,
    now_ms: u64,
) -> GiveUpVerdict {
    let row = row.unwrap_or(first_seen);
    if row.is_finished() {
        GiveUpVerdict::Finished(Box::new(row.clone()))
    } else if row.lease_lives(now_ms) || row.attempt != attempt_seen {
        GiveUpVerdict::MovedOn
    } else {
        GiveUpVerdict::Committed(Box::new(ending.apply_idle(row, now_ms)))
    }
}
