//! What is checked, and the mistakes that are found.

use super::shell::Mutant;
use super::{Bounds, COUNTED_ONCE, FanIn, NOTHING_OPEN, ONE_END, OUTBOX};
use crate::model::check::{breaks, extent, holds};

/// Two planners at once, one of them thought to be dead.
fn two_planners() -> Bounds {
    Bounds {
        at_once: extent(2, 3).into(),
        planners_at_once: 2,
        plan_receives: 2,
        receives: extent(4, 5),
        cancelled: false,
    }
}

/// A planner and its successors, and somebody who cancels.
fn cancelled() -> Bounds {
    Bounds {
        at_once: extent(2, 3).into(),
        planners_at_once: 1,
        plan_receives: 2,
        receives: extent(3, 4),
        cancelled: true,
    }
}

fn check(bounds: Bounds) -> FanIn {
    FanIn { bounds, mutant: None }
}

fn mutant(bounds: Bounds, mutant: Mutant) -> FanIn {
    FanIn { bounds, mutant: Some(mutant) }
}

#[test]
fn a_batch_counts_each_child_once() {
    holds("a batch with two planners", check(two_planners()));
}

#[test]
#[ignore = "takes minutes: run it with --ignored"]
fn a_cancelled_batch_counts_each_child_once() {
    holds("a batch that is cancelled", check(cancelled()));
}

#[test]
fn mistakes_are_found() {
    breaks("a counter instead of a set", mutant(two_planners(), Mutant::CountsWithoutSet), COUNTED_ONCE);
    breaks("a counter instead of a set", mutant(two_planners(), Mutant::CountsWithoutSet), NOTHING_OPEN);
    breaks("totals added again", mutant(two_planners(), Mutant::AddsTotalsAgain), COUNTED_ONCE);
    breaks("an end while it is planned", mutant(two_planners(), Mutant::EndsWhileItIsPlanned), NOTHING_OPEN);
    breaks("an end while it is planned", mutant(two_planners(), Mutant::EndsWhileItIsPlanned), ONE_END);
    breaks(
        "deleted before its shard is closed",
        mutant(two_planners(), Mutant::DeletesBeforeClosing),
        OUTBOX,
    );
    breaks("an end that one child hears of", mutant(two_planners(), Mutant::TellsTheCloserAlone), OUTBOX);
    breaks("a shard noted before it is sent", mutant(two_planners(), Mutant::AdvancesBeforeSending), OUTBOX);
}
