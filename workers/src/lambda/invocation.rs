use std::time::Duration;

use gantz_core::host::Clock;

use crate::delivery::{Slot, Tenure};

/// A tool of a batch starts only if its timeout ends this long before the invocation does: half of it is for what comes
/// before the tool, the claim, the other half for what comes after. A function's timeout must exceed that of its tools
/// by this.
pub const START_MARGIN_MS: u64 = 3_000;
/// A tool of a batch is stopped when only this is left: recording, publishing, and a change of visibility.
const SETTLE_MS: u64 = START_MARGIN_MS / 2;
/// The batch is answered when only this is left, whatever is not over by then: otherwise Lambda would end the process, and
/// the records that are done would come back with those that are not.
const ANSWER_MS: u64 = 500;
/// Lambda ends the process at the deadline, perhaps a moment late: the lease holds beyond that.
const LEASE_BEYOND_MS: u64 = 2_000;
/// A direct invoke is refused with less time than this, and its tool ends this long before the invocation.
const INVOKE_MIN_MS: u64 = 5_000;
const INVOKE_MARGIN_MS: u64 = 1_000;

/// One invocation of a function, and the time it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's id of it; the same when Lambda repeats an asynchronous one.
    pub request_id: String,
    /// When Lambda ends it, milliseconds since the epoch. `None` if that is not known: leases are then renewed by
    /// heartbeats as in a long-polling worker.
    pub deadline_ms: Option<u64>,
}

impl Invocation {
    /// An invocation as the runtime describes it: a deadline of zero is none.
    pub fn new(request_id: impl Into<String>, deadline_ms: u64) -> Self {
        Self { request_id: request_id.into(), deadline_ms: (deadline_ms > 0).then_some(deadline_ms) }
    }

    /// For how long a record of a batch is the worker's. One that is taken up first `is_all_there_is`: no later
    /// invocation will have more time for it.
    pub(super) fn tenure(&self, is_all_there_is: bool) -> Tenure {
        let Some(deadline_ms) = self.deadline_ms else { return Tenure::Renewed };
        Tenure::Until(Slot {
            run_until_ms: deadline_ms.saturating_sub(START_MARGIN_MS),
            stop_at_ms: deadline_ms.saturating_sub(SETTLE_MS),
            lease_until_ms: deadline_ms + LEASE_BEYOND_MS,
            is_all_there_is,
        })
    }

    /// For how long a direct invoke's job is the worker's. `None` if there is too little time to begin.
    pub(super) fn invoke_tenure(&self, now_ms: u64) -> Option<Tenure> {
        let deadline_ms = self.deadline_ms.filter(|at_ms| at_ms.saturating_sub(now_ms) >= INVOKE_MIN_MS)?;
        Some(Tenure::Until(Slot {
            run_until_ms: deadline_ms - INVOKE_MARGIN_MS,
            // The tool's timeout comes first, unless the claim took long.
            stop_at_ms: deadline_ms - INVOKE_MARGIN_MS * 3 / 4,
            lease_until_ms: deadline_ms + LEASE_BEYOND_MS,
            is_all_there_is: true,
        }))
    }

    /// Returns when the answer can wait no longer.
    pub(super) async fn answer_is_due(&self, clock: &Clock) {
        match self.deadline_ms {
            Some(deadline_ms) => {
                let left_ms = deadline_ms.saturating_sub(ANSWER_MS).saturating_sub(clock.now_ms());
                tokio::time::sleep(Duration::from_millis(left_ms)).await;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantz_testkit::fault_table::{Level, fault};

    #[test]
    fn a_lease_is_set_whatever_time_there_is() {
        let shown = fault(18, Level::Unit);
        let now_ms = 1_700_000_000_000;
        let deadlines = [1, now_ms - 60_000, now_ms, now_ms + 1, now_ms + 5_000, now_ms + 900_000];
        for deadline_ms in deadlines {
            let invocation = Invocation::new("any", deadline_ms);
            let Tenure::Until(slot) = invocation.tenure(true) else { panic!("{deadline_ms} is a deadline") };
            // Nobody takes the job before Lambda has ended this process, and its tool has stopped long before.
            assert!(slot.lease_until_ms > deadline_ms, "{slot:?}");
            assert!(slot.run_until_ms <= slot.stop_at_ms && slot.stop_at_ms <= deadline_ms, "{slot:?}");
        }
        // What is not known is renewed, so that it ends with the process.
        assert_eq!(Invocation::new("any", 0).tenure(true), Tenure::Renewed);
        shown.in_runs(deadlines.len() as u64 + 1, "from past deadlines to 15 minutes, and none");
    }
}
