//! Every call of a job, failing in every way: one at a time, and two.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use gantz_core::job::JobStatus;

use crate::faults::{Fault, Faults, Which};
use crate::fleet::{FleetPlan, Mapping};
use crate::run::{Report, run};
use crate::scenario::{BatchPlan, JobPlan, Scenario};
use crate::sweep::why;
use crate::tool::{Act, ActEnd, Script};

/// The job whose calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One that succeeds.
    Ordinary,
    /// One whose first attempt fails.
    Retried,
    /// Two children of a batch, and the batch.
    Child,
    /// One that may start once.
    AtMostOnce,
    /// One that runs long enough for heartbeats.
    Long,
}

/// Where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// On two long-polling workers.
    Workers,
    /// In a function.
    Functions,
}

/// What came of all of it.
#[derive(Debug, Clone, Default)]
pub struct Exhausted {
    /// Calls when nothing fails.
    pub calls: u64,
    /// Runs with one fault.
    pub singles: usize,
    /// Runs with two.
    pub pairs: usize,
    /// The longest run, in milliseconds.
    pub longest_ms: u64,
    /// Faults whose run was not fine, with the reason.
    pub failed: Vec<(Vec<Forced>, String)>,
}

/// A fault of the `n`th call.
pub type Forced = (u64, Fault);

/// Runs every fault of every call alone, and if `with_pairs` every two of them, on so many threads.
pub fn exhaust(kind: Kind, host: Host, with_pairs: bool, threads: usize) -> Exhausted {
    let calm = one(kind, host, &[]);
    let mut all = Exhausted { calls: calm.calls, ..Exhausted::default() };
    all.add(vec![], &calm);
    let singles: Vec<Vec<Forced>> = every_fault(1, calm.calls).map(|forced| vec![forced]).collect();
    let mut pairs = Vec::new();
    all.singles = singles.len();
    for (forced, end) in run_all(kind, host, &singles, threads) {
        if with_pairs && let Some(first) = forced.first() {
            // What the first fault leads to has calls of its own.
            pairs.extend(every_fault(first.0 + 1, end.calls).map(|second| vec![*first, second]));
        }
        all.add(forced, &end);
    }
    all.pairs = pairs.len();
    for (forced, end) in run_all(kind, host, &pairs, threads) {
        all.add(forced, &end);
    }
    all.failed.sort();
    all
}

fn every_fault(first: u64, last: u64) -> impl Iterator<Item = Forced> {
    (first..=last).flat_map(|nth| Fault::ALL.into_iter().map(move |fault| (nth, fault)))
}

/// The scenario in which exactly these calls fail.
pub fn scenario(kind: Kind, host: Host, forced: &[Forced]) -> Scenario {
    let script =
        |acts: &[(u64, ActEnd)]| Script::new(acts.iter().map(|&(ms, end)| Act { ms, end }).collect());
    let jobs = match kind {
        Kind::Ordinary => vec![JobPlan::new("ordinary", "pay", Script::done(100))],
        Kind::Retried => {
            vec![JobPlan::new("retried-1", "pay", script(&[(50, ActEnd::Transient), (100, ActEnd::Done)]))]
        }
        Kind::AtMostOnce => vec![JobPlan::new("at-most-1", "launch", Script::done(100))],
        Kind::Long => vec![JobPlan::new("long-job-1", "slow", Script::done(15_000))],
        Kind::Child => vec![],
    };
    let mut scenario = Scenario::calm(7, jobs);
    scenario.settings.latency_ms = (5, 5);
    scenario.faults = Faults::forced(forced.iter().map(|&(nth, fault)| (Which::Nth(nth), fault)));
    if kind == Kind::Child {
        scenario.batch = Some(BatchPlan::new("batch-0001", vec![Script::done(100), Script::done(150)]));
    }
    scenario.fleet = match host {
        Host::Workers => FleetPlan::pools(),
        Host::Functions => FleetPlan {
            mapping: Some(Mapping { sandboxes: 1, ..Mapping::default() }),
            ..FleetPlan::functions()
        },
    };
    scenario.fleet.has_planner = kind == Kind::Child;
    scenario
}

/// What is kept of a run.
struct End {
    calls: u64,
    world_ms: u64,
    wrong: Option<String>,
}

fn one(kind: Kind, host: Host, forced: &[Forced]) -> End {
    let report = run(&scenario(kind, host, forced));
    End { calls: report.calls, world_ms: report.world_ms, wrong: wrong(kind, &report) }
}

fn run_all(kind: Kind, host: Host, all: &[Vec<Forced>], threads: usize) -> Vec<(Vec<Forced>, End)> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(all.len())));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some(forced) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let end = one(kind, host, forced);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((forced.clone(), end));
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn wrong(kind: Kind, report: &Report) -> Option<String> {
    if !report.is_fine() {
        return Some(why(report));
    }
    let is_expected = |status| match status {
        JobStatus::Succeeded => true,
        JobStatus::InDoubt => kind == Kind::AtMostOnce,
        _ => false,
    };
    let odd = report.rows.iter().find(|row| !is_expected(row.status));
    odd.map(|row| format!("two faults are no reason for {row:?}"))
}

impl Exhausted {
    fn add(&mut self, forced: Vec<Forced>, end: &End) {
        self.longest_ms = self.longest_ms.max(end.world_ms);
        if let Some(wrong) = &end.wrong {
            self.failed.push((forced, wrong.clone()));
        }
    }
}
