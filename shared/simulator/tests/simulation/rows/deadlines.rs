//! Deadlines, and rows whose time is up.

use std::sync::Arc;
use std::time::Duration;

use gantz_core::admit::Origin;
use gantz_core::job::JobRecord;
use gantz_core::job::JobStatus;
use gantz_core::limits::RETENTION_MS;
use gantz_core::ports::JobQueue;
use gantz_core::ports::{JobStore, NewMessage};
use gantz_core::spec::JobSpec;
use gantz_dispatcher::Submitted;
use gantz_simulator::callers::job_id;
use gantz_simulator::fleet::{self, FleetPlan, dispatcher, lane};
use gantz_simulator::run::{in_world, settled};
use gantz_simulator::scenario::{Mode, RECOVERY_BOUND_MS};
use gantz_simulator::tool::{ActEnd, Script};
use gantz_simulator::{JobPlan, Process, Scenario};
use gantz_testkit::fault_table::{Level, fault};
use serde_json::json;

use super::{row, starts};

#[test]
fn a_deadline_ends_a_job_in_the_queue_and_one_that_runs() {
    let shown = fault(46, Level::Simulated);
    for seed in 0..20 {
        let queued = JobPlan {
            deadline_ms: Some(4_000),
            delay_ms: 10_000,
            ..JobPlan::new("queued-1", "pay", Script::done(10))
        };
        let running = JobPlan {
            deadline_ms: Some(4_000),
            ..JobPlan::new("running-1", "pay", Script::always(10, ActEnd::Hang))
        };
        let scenario = Scenario::calm(seed, vec![queued, running]);
        let mut aborted = vec![];
        let report = in_world(&scenario, async |world| {
            fleet::start(&world, &scenario.fleet);
            gantz_simulator::run::play(&world, &scenario).await;
            aborted = world.with(|state| state.aborted.clone());
        });
        assert!(report.is_fine(), "{:?}", report.violations);
        for (id, started) in [("queued-1", 0), ("running-1", 1)] {
            let row = row(&report, id);
            assert_eq!(row.status, JobStatus::Expired);
            assert_eq!(starts(&report, &row.id).len(), started);
        }
        assert_eq!(aborted, [job_id("running-1")], "its tool was stopped");
    }
    shown.in_runs(20, "one job never started, the other's tool was stopped");
}

/// Longer than a queue delays a message, and longer than a message may stay invisible.
#[test]
fn a_job_delayed_for_days_runs_when_it_is_due() {
    const DELAY_MS: u64 = 30 * 60 * 60 * 1_000;
    for (seed, fleet) in [FleetPlan::pools(), FleetPlan::functions()].into_iter().enumerate() {
        let job = JobPlan { delay_ms: DELAY_MS, ..JobPlan::new("delayed-1", "pay", Script::done(10)) };
        let mode = Mode::Liveness { faults_ms: DELAY_MS, bound_ms: RECOVERY_BOUND_MS };
        let report = super::fine(&Scenario { fleet, mode, ..Scenario::calm(seed as u64, vec![job]) });
        let row = row(&report, "delayed-1");
        assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
        assert!(row.started_at_ms.unwrap() >= row.created_at_ms + DELAY_MS, "{row:?}");
        assert_eq!(starts(&report, &row.id).len(), 1);
    }
}

/// The row is deleted 48 hours after its time. Until its time a repetition finds the job; after it nobody sees it, and the
/// same id is a new job.
#[test]
fn a_row_that_outlives_its_time_is_not_seen() {
    let shown = fault(47, Level::Simulated);
    let scenario = Scenario::calm(1, vec![]);
    let report = in_world(&scenario, async |world| {
        fleet::start(&world, &scenario.fleet);
        let front = Process::start(&world, "front", 0);
        let first = submit(&front).await;
        assert!(first.created);
        let body = world.with(|state| {
            let messages: Vec<_> = state.messages(&lane());
            messages[0].body.clone()
        });
        settled(&world, &scenario).await;
        let end = front.get(&first.record.id).await.unwrap().unwrap();
        assert_eq!(end.status, JobStatus::Succeeded);

        pass(RETENTION_MS - 3_600_000).await;
        let again = submit(&front).await;
        assert_eq!((again.created, again.record.status), (false, JobStatus::Succeeded), "still the same job");
        front.send(&lane(), vec![NewMessage::of(body.clone())]).await.unwrap();
        settled(&world, &scenario).await;

        pass(2 * 3_600_000).await;
        assert_eq!(front.get(&first.record.id).await.unwrap(), None, "its time is up, its row is there");
        assert!(world.with(|state| state.rows.contains_key(&first.record.id)));
        // A message that comes this late still finds the end.
        front.send(&lane(), vec![NewMessage::of(body)]).await.unwrap();
        settled(&world, &scenario).await;
        assert_eq!(world.with(|state| state.observer.story(&first.record.id).starts.len()), 1);

        let anew = submit(&front).await;
        assert!(anew.created, "a new job");
        settled(&world, &scenario).await;
    });
    assert!(report.is_fine(), "{:?}", report.violations);
    shown.in_runs(1, "found until 7 d, unseen after it, while the row is there; the id is free again");
}

async fn submit(front: &Process) -> Submitted<JobRecord> {
    let mut spec = JobSpec::new("pay", json!({ "n": 1 }));
    spec.job_id = Some("same-job-1".into());
    let origin = Origin { source: "test", occurrence: None };
    let submitted = dispatcher(front).submit(spec, &origin).await.unwrap();
    Arc::clone(front.world()).with(|state| state.observer.accepted(&submitted.record.id));
    submitted
}

async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
