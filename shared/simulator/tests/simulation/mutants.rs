//! The simulator can fail: whatever promise is broken on purpose, some seed shows it.

use gantz_simulator::world::Mutation;
use gantz_simulator::{Scenario, run};

/// Seeds tried before a broken promise counts as unnoticed.
const SEEDS: u64 = 1_000;

#[test]
fn every_broken_promise_is_noticed() {
    // The seed to begin with, where few of them show it.
    let table: [(Mutation, u64, &[&str]); 10] = [
        (Mutation::AckBeforePublish, 0, &["I4"]),
        (Mutation::UnfencedFinish, 2_500, &["I2"]),
        (Mutation::RewrittenEnd, 0, &["I1"]),
        (Mutation::LostMessage, 0, &["I8"]),
        (Mutation::LostEvent, 0, &["I4"]),
        (Mutation::NoCleanAttemptCheck, 0, &["I3"]),
        (Mutation::UncountedAttempts, 0, &["I7"]),
        (Mutation::CounterInsteadOfSet, 0, &["I6"]),
        (Mutation::AckOnHeldLease, 0, &["I4"]),
        (Mutation::FinishedReadBeforeHash, 0, &["I9"]),
    ];
    for (mutation, first, expected) in table {
        let noticed = (first..first + SEEDS).find_map(|seed| {
            let mut scenario = Scenario::of(seed);
            scenario.settings.mutation = Some(mutation);
            let report = run(&scenario);
            assert!(report.panics.is_empty(), "{mutation:?}, seed {seed}: {:?}", report.panics);
            let violation = report.violations.into_iter().next()?;
            expected.contains(&violation.invariant).then_some((seed, violation))
        });
        let Some((seed, violation)) = noticed else { panic!("{mutation:?} went unnoticed by {SEEDS} seeds") };
        println!("{mutation:?}: seed {seed}, {violation}");
    }
}

/// A bug that panics is no broken promise, and a script's panic is neither.
#[test]
fn a_panic_is_told_apart() {
    use gantz_simulator::run::in_world;
    use gantz_simulator::sweep::why;
    let scenario = Scenario::calm(1, vec![]);
    let report = in_world(&scenario, async |_| {
        let bug = tokio::spawn(async { unreachable!("a bug") });
        assert!(bug.await.is_err());
    });
    assert!(report.violations.is_empty() && !report.is_fine());
    assert!(why(&report).starts_with("PANIC (a bug, not a violation)"), "{}", why(&report));

    use gantz_simulator::JobPlan;
    use gantz_simulator::tool::{ActEnd, Script};
    let job = JobPlan::new("panics-01", "look", Script::always(10, ActEnd::Panic));
    let report = run(&Scenario::calm(1, vec![job]));
    assert!(report.is_fine(), "{}", why(&report));
}
