//! Many seeds, on as many threads as wanted, and one of them again, with a log.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::run::{Report, run};
use crate::scenario::{Mode, Scenario};

/// Tells what happens in the seed that is put behind it.
const AGAIN: &str = "cargo run -p gantz-simulator -- --replay";
/// Lines of a log that are printed at most, from its end.
const LOG_LINES: usize = 400;

/// What came of many runs.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// Runs.
    pub runs: u64,
    /// Those of them that had to come to an end.
    pub liveness_runs: u64,
    /// Calls of ports.
    pub calls: u64,
    /// Calls that something happened to.
    pub faults: u64,
    /// Jobs, children among them.
    pub jobs: u64,
    /// Milliseconds of simulated time.
    pub world_ms: u64,
    /// The longest recovery, in milliseconds, and its seed.
    pub longest_recovery: (u64, u64),
    /// Seeds whose run was not fine, with the reason.
    pub failed: Vec<(u64, String)>,
}

/// Runs every seed of `first..first + count`, on so many threads.
pub fn sweep(first: u64, count: u64, threads: usize, scenario: impl Fn(u64) -> Scenario + Sync) -> Sweep {
    let (next, total) = (AtomicU64::new(first), Mutex::new(Sweep::default()));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = Sweep::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let scenario = scenario(seed);
                    own.add(seed, &scenario, &run(&scenario));
                }
                total.lock().unwrap_or_else(PoisonError::into_inner).merge(own);
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Sweep {
    fn add(&mut self, seed: u64, scenario: &Scenario, report: &Report) {
        self.runs += 1;
        self.calls += report.calls;
        self.faults += report.faults;
        self.jobs += report.rows.len() as u64;
        self.world_ms += report.world_ms;
        if matches!(scenario.mode, Mode::Liveness { .. }) {
            self.liveness_runs += 1;
            self.longest_recovery = self.longest_recovery.max((report.recovery_ms, seed));
        }
        if !report.is_fine() {
            self.failed.push((seed, why(report)));
        }
    }

    /// Adds what came of others.
    pub fn merge(&mut self, other: Self) {
        self.runs += other.runs;
        self.liveness_runs += other.liveness_runs;
        self.calls += other.calls;
        self.faults += other.faults;
        self.jobs += other.jobs;
        self.world_ms += other.world_ms;
        self.longest_recovery = self.longest_recovery.max(other.longest_recovery);
        self.failed.extend(other.failed);
        self.failed.sort_unstable();
    }

    /// The figures, for people.
    pub fn figures(&self, elapsed: Duration) -> String {
        let per_second = self.runs as f64 / elapsed.as_secs_f64().max(0.001);
        format!(
            "{} seeds in {:.1} s ({per_second:.0}/s), {} of them with an end; {} jobs, {} calls, {} faults, {} h simulated; \
             longest recovery {:.1} s (seed {}); {} not fine",
            self.runs,
            elapsed.as_secs_f64(),
            self.liveness_runs,
            self.jobs,
            self.calls,
            self.faults,
            self.world_ms / 3_600_000,
            self.longest_recovery.0 as f64 / 1_000.0,
            self.longest_recovery.1,
            self.failed.len(),
        )
    }

    /// Says of the first run that was not fine how to see it again, and what happened in it.
    pub fn first_failed(&self, scenario: impl Fn(u64) -> Scenario) -> Option<String> {
        let (seed, why) = self.failed.first()?;
        let log = tell(&replay(&scenario(*seed)));
        let (failed, runs) = (self.failed.len(), self.runs);
        let short =
            |(seed, why): &(u64, String)| format!("{seed}: {}", why.chars().take(160).collect::<String>());
        let others: Vec<String> = self.failed.iter().skip(1).take(20).map(short).collect();
        Some(format!(
            "{failed} of {runs} runs were not fine; the first: seed {seed}\n{why}\n\nAgain: {AGAIN} {seed}\n\
             Others:\n{}\n\n{log}",
            others.join("\n")
        ))
    }
}

/// The same run again, written down.
pub fn replay(scenario: &Scenario) -> Report {
    let mut scenario = scenario.clone();
    scenario.settings.is_logged = true;
    run(&scenario)
}

/// A report for people: what was wrong, and what happened before.
pub fn tell(report: &Report) -> String {
    let mut text = format!("{}\n", why(report));
    let skipped = report.log.len().saturating_sub(LOG_LINES);
    if skipped > 0 {
        writeln!(text, "… {skipped} lines before").unwrap();
    }
    for line in report.log.iter().skip(skipped) {
        writeln!(text, "{line}").unwrap();
    }
    let (calls, faults, ms) = (report.calls, report.faults, report.world_ms);
    writeln!(
        text,
        "{calls} calls, {faults} of them with a fault, {ms} ms, recovery {} ms",
        report.recovery_ms
    )
    .unwrap();
    text
}

/// What was wrong: a panic is told apart from a broken promise.
pub fn why(report: &Report) -> String {
    let panics = report.panics.iter().map(|panic| format!("PANIC (a bug, not a violation): {panic}"));
    let violations = report.violations.iter().map(|violation| format!("VIOLATION of {violation}"));
    let all: Vec<String> = panics.chain(violations).collect();
    if all.is_empty() { "fine".into() } else { all.join("\n") }
}
