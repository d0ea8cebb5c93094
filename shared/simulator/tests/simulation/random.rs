//! Faults at random: whatever a seed says.

use gantz_simulator::sweep::{replay, sweep};
use gantz_simulator::{Scenario, run};
use gantz_testkit::fault_table::{Level, fault};

/// Seeds of every run of the tests; the package's own command runs more.
const SEEDS: u64 = 2_000;

#[test]
fn no_promise_is_broken() {
    let shown = fault(50, Level::Simulated);
    #[expect(clippy::disallowed_methods, reason = "how long the machine takes, not the fleet")]
    let began = std::time::Instant::now();
    let found = sweep(0, SEEDS, 2, Scenario::of);
    let figures = found.figures(began.elapsed());
    println!("{figures}");
    if let Some(failed) = found.first_failed(Scenario::of) {
        panic!("{failed}");
    }
    shown.in_runs(found.runs, figures);
}

#[test]
fn a_seed_decides_everything() {
    for seed in 0..50 {
        let [first, second] = [(); 2].map(|()| replay(&Scenario::of(seed)));
        assert_eq!(first.log, second.log, "seed {seed}");
        assert_eq!(first.digest, run(&Scenario::of(seed)).digest, "seed {seed}, with and without a log");
    }
}
