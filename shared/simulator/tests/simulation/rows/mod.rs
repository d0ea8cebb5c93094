//! The table of faults, row by row: each test begins with the row that it shows.

mod batches;
mod deadlines;
mod deliveries;
mod doors;
mod functions;
mod limits;
mod outages;
mod races;

use gantz_core::ids::JobId;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_simulator::faults::{Faults, Rates};
use gantz_simulator::sweep::{replay, tell};
use gantz_simulator::{JobPlan, Report, Scenario, run};

/// Runs a scenario, whose promises all hold.
#[track_caller]
fn fine(scenario: &Scenario) -> Report {
    let report = run(scenario);
    assert!(report.is_fine(), "{}", tell(&replay(scenario)));
    report
}

/// So many jobs, alike but for their ids.
fn many(jobs: usize, plan: &JobPlan) -> Vec<JobPlan> {
    (0..jobs).map(|n| JobPlan { id: format!("{}-{n:05}", plan.id), ..plan.clone() }).collect()
}

fn row<'a>(report: &'a Report, id: &str) -> &'a JobRecord {
    report.rows.iter().find(|row| row.id.as_str() == id).unwrap()
}

/// The attempts of a job whose tool was started, and when.
fn starts(report: &Report, id: &JobId) -> Vec<(u32, u64)> {
    let place = report.rows.iter().position(|row| row.id == *id).unwrap();
    report.stories[place].starts.clone()
}

#[track_caller]
fn all_succeeded(report: &Report) {
    for row in &report.rows {
        assert_eq!(row.status, JobStatus::Succeeded, "{row:?}");
    }
}

/// Every job's tool was started exactly once.
#[track_caller]
fn all_started_once(report: &Report) {
    for row in &report.rows {
        assert_eq!(starts(report, &row.id).len(), 1, "{row:?}");
    }
}

/// Deliveries of which so many in a thousand come twice, and deletes that do nothing.
fn quirks(duplicates: u64, deletes: u64, entries: u64) -> Faults {
    Faults::random(Rates { duplicates, deletes, entries, ..Rates::default() })
}
