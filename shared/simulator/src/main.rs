//! Runs as many seeds as are asked for, or one of them again, with its log.
//!
//! `cargo run --release -p gantz-simulator -- --seeds 100000`, and `-- --replay 54`.
#![expect(clippy::print_stdout, reason = "what it found is for people")]

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use gantz_simulator::Scenario;
use gantz_simulator::sweep::{Sweep, replay, sweep, tell};

/// Seeds between two lines of progress.
const STRIDE: u64 = 2_000;

/// The whole fleet in one thread, in paused time, with faults from a seed.
#[derive(Parser)]
struct Arguments {
    /// How many seeds are run.
    #[arg(long, default_value_t = STRIDE)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Threads, each with worlds of its own.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Runs this seed alone, and tells what happens in it.
    #[arg(long, conflicts_with_all = ["seeds", "first", "threads"])]
    replay: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.replay {
        let scenario = Scenario::of(seed);
        let report = replay(&scenario);
        println!("{scenario:#?}\n{}", tell(&report));
        return exit_code(report.is_fine());
    }
    #[expect(clippy::disallowed_methods, reason = "how long the machine takes, not the fleet")]
    let began = Instant::now();
    let mut total = Sweep::default();
    while total.runs < arguments.seeds {
        let count = STRIDE.min(arguments.seeds - total.runs);
        total.merge(sweep(arguments.first + total.runs, count, arguments.threads, Scenario::of));
        println!("{}", total.figures(began.elapsed()));
        if let Some(failed) = total.first_failed(Scenario::of) {
            println!("{failed}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn exit_code(is_fine: bool) -> ExitCode {
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
