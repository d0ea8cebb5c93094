//! Faults at random: whatever a seed says.

use gantz_simulator::sweep::{SEED, replay, sweep, tell};
use gantz_simulator::{Scenario, run};
use gantz_testkit::fault_table::{Level, fault};

const AGAIN: &str = "cargo test -p gantz-simulator --test simulation replay -- --ignored --nocapture";

/// Seeds of every run of the tests. `GANTZ_SIM_SEEDS` asks for more, `GANTZ_SIM_FIRST` for others.
const SEEDS: u64 = 2_000;

#[test]
fn no_promise_is_broken() {
    let shown = fault(50, Level::Simulated);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (first, count) = (number("GANTZ_SIM_FIRST").unwrap_or(0), number("GANTZ_SIM_SEEDS").unwrap_or(SEEDS));
    #[expect(clippy::disallowed_methods, reason = "how long the machine takes, not the fleet")]
    let began = std::time::Instant::now();
    let found = sweep(first, count, 2, Scenario::of);
    let figures = found.figures(began.elapsed());
    println!("{figures}");
    found.assert_fine(AGAIN, Scenario::of);
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

#[test]
#[ignore = "for a seed by hand"]
fn replay_one_seed() {
    let seed = std::env::var(SEED).unwrap().parse().unwrap();
    println!("{:#?}", Scenario::of(seed));
    println!("{}", tell(&replay(&Scenario::of(seed))));
}
