//! One delivery of a message: for how long it is the worker's, and what becomes of it.

use gantz_core::ids::QueueName;
use gantz_core::limits::LEASE_MS;
use gantz_core::ports::{Message, Postponed};

use crate::stop::Stop;

/// A message that was received, and may be worked on.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Where it was received.
    pub queue: &'a QueueName,
    /// The message.
    pub message: &'a Message,
    /// For how long it is the worker's.
    pub tenure: Tenure,
    /// When to stop earlier.
    pub stop: &'a Stop,
}

/// For how long a delivery, and the job it brings, are the worker's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenure {
    /// As long as its tool runs: heartbeats renew the lease and keep the message invisible.
    Renewed,
    /// Until a moment that is known beforehand, as the process is stopped or frozen then. The lease covers all of it, so
    /// there are no heartbeats.
    Until(Slot),
}

/// The time there is for a job where there is no more. All moments are milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// A tool starts only if its timeout ends by then.
    pub run_until_ms: u64,
    /// A tool that runs nevertheless is stopped then, and its job handed back: recording that takes time, too.
    pub stop_at_ms: u64,
    /// When the lease ends: not before the process is sure to have stopped.
    pub lease_until_ms: u64,
    /// Whether there will never be more time than this. A tool that needs more then starts nevertheless, with its
    /// timeout cut to what there is: its job fails with that reason, instead of going round for ever.
    pub is_all_there_is: bool,
}

impl Slot {
    /// Less than this is not worth starting anything for.
    const RUN_MIN_MS: u64 = 1_000;
}

impl Tenure {
    /// When a lease ends that is taken now.
    pub(crate) fn lease_until_ms(&self, now_ms: u64) -> u64 {
        match self {
            Self::Renewed => now_ms + LEASE_MS,
            Self::Until(slot) => slot.lease_until_ms,
        }
    }

    /// The timeout of a tool that would start now and has this timeout of its own. `None` if it shall not start.
    pub(crate) fn timeout_ms(&self, own_ms: u64, now_ms: u64) -> Option<u64> {
        let Self::Until(slot) = self else { return Some(own_ms) };
        let left_ms = slot.run_until_ms.saturating_sub(now_ms);
        if own_ms <= left_ms {
            return Some(own_ms);
        }
        (slot.is_all_there_is && left_ms >= Slot::RUN_MIN_MS).then_some(left_ms)
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Disposition {
    /// Its job has ended, and the world knows: delete it.
    Acknowledge,
    /// It comes back.
    Postpone {
        /// Milliseconds from now.
        delay_ms: u64,
        /// Why.
        why: Postponed,
    },
    /// No delivery of it can ever succeed: set it aside, with the reason.
    Quarantine(String),
    /// Another delivery has the job: let this one's visibility run out.
    Leave,
}

impl Disposition {
    /// Back at once, unharmed.
    pub(crate) const HAND_BACK: Self = Self::Postpone { delay_ms: 0, why: Postponed::HandedBack };

    /// A stable name, for logs: why, where a message comes back.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledged",
            Self::Postpone { why, .. } => why.as_str(),
            Self::Quarantine(_) => "quarantined",
            Self::Leave => "left",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_starts_only_if_its_time_fits() {
        let check = |is_all_there_is, own_ms, now_ms, expected: Option<u64>| {
            let slot =
                Slot { run_until_ms: 10_000, stop_at_ms: 11_000, lease_until_ms: 15_000, is_all_there_is };
            assert_eq!(Tenure::Until(slot).timeout_ms(own_ms, now_ms), expected, "{own_ms} at {now_ms}");
        };
        for is_all_there_is in [false, true] {
            check(is_all_there_is, 4_000, 1_000, Some(4_000));
            check(is_all_there_is, 4_000, 6_000, Some(4_000));
            // Nothing starts in the last second, unless it needs no more.
            check(is_all_there_is, 4_000, 9_001, None);
            check(is_all_there_is, 500, 9_500, Some(500));
            check(is_all_there_is, 500, 10_000, None);
            check(is_all_there_is, 500, 20_000, None);
        }
        check(false, 4_000, 6_001, None);
        check(true, 4_000, 6_001, Some(3_999));
        check(true, 4_000, 9_000, Some(1_000));
        assert_eq!(Tenure::Renewed.timeout_ms(4_000, 9_000), Some(4_000));
    }
}
