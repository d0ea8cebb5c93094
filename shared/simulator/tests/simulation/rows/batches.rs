//! Fan-out and fan-in.

use gantz_core::batch::Tolerance;
use gantz_core::job::JobStatus;
use gantz_simulator::Scenario;
use gantz_simulator::faults::{Fault, Faults, Which};
use gantz_simulator::scenario::{BatchPlan, Mode, RECOVERY_BOUND_MS};
use gantz_simulator::tool::{ActEnd, Script};
use gantz_testkit::fault_table::{Level, fault};

use super::{fine, quirks};

/// Every mark in turn is applied and its answer lost, applied twice, lands late, or dies with its process.
#[test]
fn a_child_that_ends_twice_is_counted_once() {
    let shown = fault(42, Level::Simulated);
    let mut runs = 0;
    for nth in 1..=6 {
        for fault in [Fault::Lost, Fault::Twice, Fault::Stalled, Fault::CrashAfter] {
            let mut scenario = Scenario::calm(nth, vec![]);
            scenario.batch = Some(BatchPlan::new("batch-0001", vec![Script::done(50); 4]));
            scenario.faults = Faults::forced([(Which::Named("mark", nth), fault)]);
            fine(&scenario);
            runs += 1;
        }
    }
    for seed in 0..50 {
        let mut scenario = Scenario::calm(seed, vec![]);
        scenario.batch = Some(BatchPlan::new("batch-0001", vec![Script::done(50); 6]));
        scenario.faults = quirks(1_000, 700, 0);
        scenario.mode = Mode::Liveness { faults_ms: 60_000, bound_ms: RECOVERY_BOUND_MS };
        fine(&scenario);
        runs += 1;
    }
    shown.in_runs(runs, "counts exact, one end, one event after duplicates are removed");
}

#[test]
fn a_batch_ends_whatever_becomes_of_its_children() {
    let shown = fault(44, Level::Simulated);
    let mut ends = std::collections::BTreeSet::new();
    let mut runs = 0;
    for seed in 0..40 {
        for cancel_at_ms in [None, Some(seed * 100)] {
            let mut scenario = Scenario::calm(seed, vec![]);
            let children = vec![
                Script::done(50),
                Script::always(50, ActEnd::Permanent),
                Script::always(50, ActEnd::Panic),
                Script::always(10, ActEnd::Hang),
                Script::always(50, ActEnd::After(9_000)),
            ];
            scenario.batch = Some(BatchPlan {
                tolerate: Tolerance::Count(4),
                deadline_ms: Some(12_000),
                cancel_at_ms,
                ..BatchPlan::new("batch-0001", children)
            });
            let report = fine(&scenario);
            ends.extend(report.rows.iter().map(|row| row.status));
            runs += 1;
        }
    }
    for status in [JobStatus::Succeeded, JobStatus::Failed, JobStatus::Cancelled, JobStatus::Expired] {
        assert!(ends.contains(&status), "no child is {status:?}: {ends:?}");
    }
    shown.in_runs(runs, "5 children each: done, failed, panicked, hung until their deadline, cancelled");
}
