//! What is checked, and the mistakes that are found.

use gantz_core::policy::Effects::{AtMostOnce, Keyed};

use super::mutant::Mutant;
use super::properties::{ATTEMPTS, FENCE, IN_DOUBT, LEASES, NO_LATE_START, ONCE, ONE_END, ONE_EVENT, OUTBOX};
use super::{Bounds, Clocks, JobModel};
use crate::model::check::{breaks, extent, holds};

/// Three deliveries at once of a message that is there, three attempts, clocks that differ by anything.
fn deliveries() -> Bounds {
    let receives = extent(3, 4);
    Bounds {
        at_once: 3,
        receives,
        dead_receives: 0,
        receives_in_all: receives,
        submissions: 0,
        messages: 1,
        attempts: 3,
        late_writes: false,
    }
}

/// As [`deliveries`], and a write may arrive after anything else.
fn late_writes() -> Bounds {
    Bounds { at_once: 2, attempts: 2, late_writes: true, ..deliveries() }
}

/// A caller that repeats itself, and so two messages.
fn submissions() -> Bounds {
    Bounds { at_once: 2, receives: 2, submissions: 2, messages: 2, attempts: 2, ..deliveries() }
}

/// A queue that gives up on a message after two receives, and a handler of those that puts one back.
fn dead_letters() -> Bounds {
    Bounds {
        at_once: 2,
        receives: 2,
        dead_receives: 2,
        receives_in_all: extent(4, 5),
        messages: 2,
        attempts: 2,
        ..deliveries()
    }
}

#[test]
fn a_keyed_tool() {
    holds("a keyed tool", JobModel::new(Keyed, Clocks::Apart, deliveries()));
}

#[test]
fn an_at_most_once_tool() {
    holds("an at-most-once tool", JobModel::new(AtMostOnce, Clocks::Apart, deliveries()));
}

#[test]
fn a_child_of_a_batch() {
    holds("a child of a batch", JobModel::new(Keyed, Clocks::Apart, deliveries()).child());
}

#[test]
fn clocks_that_agree() {
    holds("clocks that agree", JobModel::new(Keyed, Clocks::Agree, deliveries()));
    holds("clocks that agree, at most once", JobModel::new(AtMostOnce, Clocks::Agree, deliveries()));
}

#[test]
fn a_deadline() {
    let bounds = Bounds { at_once: 2, attempts: 2, ..deliveries() };
    holds("a deadline", JobModel::new(Keyed, Clocks::Apart, bounds).with_deadline());
    holds("a deadline, at most once", JobModel::new(AtMostOnce, Clocks::Apart, bounds).with_deadline());
}

#[test]
fn writes_that_arrive_late() {
    holds("late writes", JobModel::new(Keyed, Clocks::Apart, late_writes()));
    holds("late writes, at most once", JobModel::new(AtMostOnce, Clocks::Apart, late_writes()));
}

#[test]
fn a_caller_that_repeats_itself() {
    holds("submissions", JobModel::new(Keyed, Clocks::Apart, submissions()));
}

#[test]
fn letters_that_die() {
    holds("dead letters", JobModel::new(Keyed, Clocks::Apart, dead_letters()));
    holds("dead letters, at most once", JobModel::new(AtMostOnce, Clocks::Apart, dead_letters()));
}

#[test]
fn mistakes_are_found() {
    use Mutant::*;
    let keyed = |mutant| JobModel::new(Keyed, Clocks::Apart, deliveries()).with(mutant);
    let once = |mutant| JobModel::new(AtMostOnce, Clocks::Apart, deliveries()).with(mutant);
    let agree = |mutant| JobModel::new(Keyed, Clocks::Agree, deliveries()).with(mutant);
    let submitted = |mutant| JobModel::new(Keyed, Clocks::Apart, submissions()).with(mutant);
    let dead = |mutant| JobModel::new(Keyed, Clocks::Apart, dead_letters()).with(mutant);
    breaks("deleting the message of a held job", keyed(DeletesWhileHeld), OUTBOX);
    breaks("ending a job without the fence", keyed(EndsWithoutFence), FENCE);
    breaks("ending a job again", keyed(EndsAgain), ONE_END);
    breaks("ending a job again", keyed(EndsAgain), ONE_EVENT);
    breaks("deleting before the event", keyed(DeletesBeforeEvent), OUTBOX);
    breaks("deleting before the mark", keyed(DeletesBeforeMark).child(), OUTBOX);
    breaks("claiming after a crash", once(ClaimsAfterCrash), ONCE);
    breaks("cancelling after a crash", once(CancelsAfterCrash), IN_DOUBT);
    breaks("claiming a held job", agree(ClaimsHeldJobs), LEASES);
    breaks("ending a held job", agree(EndsHeldJobs), LEASES);
    breaks("ending a held job", agree(EndsHeldJobs), NO_LATE_START);
    breaks("claiming for ever", keyed(ClaimsForEver), ATTEMPTS);
    breaks("answering before sending", submitted(AnswersBeforeSending), OUTBOX);
    breaks("sending only once", submitted(SendsOnlyOnce), OUTBOX);
    breaks("dropping dead letters", dead(DropsDeadLetters), OUTBOX);
}
