//! A breaker spares a dependency that is down, and costs jobs nothing but time.

use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::ports::{BreakerState, Depth};
use gantz_core::spec::{Instant, JobSpec};
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::{Fleet, PATIENCE, dead, lane};

const OPEN_MS: u64 = 5_000;
/// How long after the breaker opened a busy machine may notice.
const NOTICED_MS: u64 = 1_000;
const MIN_CALLS: usize = 4;
const JOBS: usize = 24;
const GUARDED: (&str, &str) = (
    "guarded",
    "breaker: {failure_ratio: 0.5, minimum: 4, window: 60s, open: 5s}, retry: {max_attempts: 10, first: 50ms}",
);

#[tokio::test(start_paused = true)]
async fn it_opens_waits_probes_one_by_one_and_closes() {
    let fleet = Fleet::new(&[GUARDED]);
    let jobs = submit(&fleet).await;
    // One at a time, so that the breaker has heard of every failure before the next call.
    let careful = fleet.start("careful", 1);
    fleet.journal.until_started(MIN_CALLS).await;
    until_open(&fleet).await;
    let opened_ms = fleet.now_ms();
    careful.stop(Phase::Drain).await;

    // Another process, with room for all of them at once, which has to ask the fleet.
    let eager = fleet.start("eager", 64);
    fleet.pass(OPEN_MS - NOTICED_MS).await;
    assert_eq!(fleet.journal.starts().len(), MIN_CALLS, "no call while it is open");
    for id in &jobs {
        let row = fleet.row(id).await;
        assert_eq!(row.attempt as usize, starts_of(&fleet, id), "waiting burns no attempt");
        assert_eq!(row.status == JobStatus::Queued, row.attempt == 0, "{row:#?}");
        let notes = fleet.store.view().notes(id).await.unwrap();
        assert!(notes.iter().any(|note| note.why == "breaker_open"), "{notes:?}");
    }

    // It half-opens twice to a dependency that is still down.
    fleet.journal.until_started(MIN_CALLS + 2).await;
    until_open(&fleet).await;
    fleet.journal.set_dependency(true);
    fleet.all_is_settled().await;
    let starts = fleet.journal.starts();
    let probes: Vec<u64> = starts[MIN_CALLS..=MIN_CALLS + 2].iter().map(|start| start.at_ms).collect();
    assert!(probes[0] - opened_ms >= OPEN_MS - NOTICED_MS, "{probes:?}");
    assert!(
        probes.windows(2).all(|pair| pair[1] - pair[0] >= OPEN_MS),
        "a failed probe keeps it open: {probes:?}"
    );
    for id in &jobs {
        let row = fleet.row(id).await;
        assert_eq!(row.status, JobStatus::Succeeded);
        assert_eq!(row.attempt as usize, starts_of(&fleet, id));
    }
    assert_eq!(starts.len(), JOBS + MIN_CALLS + 2, "every failure was tried again, and no success");
    assert_eq!(fleet.ports.limits.breaker("guarded").await.unwrap(), BreakerState::Closed);
    assert_eq!(fleet.depth(&dead()).await, Depth::default());
    eager.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn the_whole_fleet_sends_one_probe() {
    let fleet = Fleet::new(&[GUARDED]);
    // Long enough for the others to come while a probe is out.
    fleet.submit_many(JOBS, "guarded", &json!({"mode": "depend", "ms": 1_000})).await;
    fleet.ports.limits.trip("guarded", fleet.now_ms() + OPEN_MS).await.unwrap();
    let teams =
        [("one", 1), ("two", 1), ("three", 64)].map(|(name, concurrency)| fleet.start(name, concurrency));
    fleet.pass(5 * OPEN_MS).await;
    let starts = fleet.journal.starts();
    assert!((2..=4).contains(&starts.len()), "{starts:#?}");
    assert!(starts.windows(2).all(|pair| pair[1].at_ms - pair[0].at_ms >= OPEN_MS), "{starts:#?}");
    for team in teams {
        team.stop(Phase::Drain).await;
    }
}

/// A probe that takes longer than the breaker stays open is still the only one.
#[tokio::test(start_paused = true)]
async fn a_slow_probe_is_waited_for() {
    let fleet = Fleet::new(&[GUARDED]);
    fleet.submit_many(JOBS, "guarded", &json!({"mode": "depend", "ms": 4 * OPEN_MS})).await;
    fleet.ports.limits.trip("guarded", fleet.now_ms() + OPEN_MS).await.unwrap();
    let teams = ["one", "two"].map(|name| fleet.start(name, 8));
    fleet.journal.until_started(1).await;
    fleet.pass(3 * OPEN_MS).await;
    assert_eq!(fleet.journal.starts().len(), 1, "one probe for the whole fleet");
    for team in teams {
        team.stop(Phase::Abort).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_not_needed_leaves_the_way_free_for_the_next() {
    let fleet = Fleet::new(&[GUARDED]);
    fleet.journal.set_dependency(true);
    let jobs = submit(&fleet).await;
    fleet.ports.limits.trip("guarded", fleet.now_ms() + OPEN_MS).await.unwrap();
    let team = fleet.start("worker", 1);
    fleet.until_depth(&lane(), |depth| depth.delayed == jobs.len() as u64).await;
    // The depth runs a commit ahead of the notes.
    fleet.pass(50).await;
    // All but the last to come back are cancelled, so that the first probe finds nothing to do.
    let mut due = Vec::new();
    for id in jobs {
        due.push((fleet.store.view().notes(&id).await.unwrap()[0].until_ms, id));
    }
    let (last_due_ms, last) = due.iter().max().unwrap();
    for (_, id) in due.iter().filter(|(_, id)| id != last) {
        let _verdict = fleet.dispatcher.cancel(id).await.unwrap();
    }

    fleet.all_is_settled().await;
    assert_eq!(fleet.row(last).await.status, JobStatus::Succeeded);
    let waited_ms = fleet.journal.starts()[0].at_ms - last_due_ms;
    assert!(waited_ms < 500, "{waited_ms} ms");
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_will_not_run_does_not_wait_for_a_breaker() {
    let fleet = Fleet::new(&[GUARDED]);
    fleet.ports.limits.trip("guarded", fleet.now_ms() + 3_600_000).await.unwrap();
    let spec = JobSpec::new("guarded", json!({"mode": "depend"}));
    let deadline = Some(Instant::Millis(fleet.now_ms() + 60_000));
    let expires = fleet.submit_spec(JobSpec { deadline, ..spec.clone() }).await;
    let cancelled = fleet.submit_spec(spec).await;
    let _verdict = fleet.dispatcher.cancel(&cancelled).await.unwrap();
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&expires).await;
    assert_eq!(row.status, JobStatus::Expired);
    let late_ms = row.finished_at_ms.unwrap() - row.deadline_ms.unwrap();
    assert!(late_ms < 1_000, "{late_ms} ms");
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.starts(), []);
    team.stop(Phase::Drain).await;
}

async fn submit(fleet: &Fleet) -> Vec<JobId> {
    fleet.submit_many(JOBS, "guarded", &json!({"mode": "depend"})).await
}

/// Returns once the fleet knows that the breaker is open for some time to come.
async fn until_open(fleet: &Fleet) {
    let open = |state| matches!(state, BreakerState::OpenUntil { until_ms } if until_ms > fleet.now_ms());
    let opening = async {
        while !open(fleet.ports.limits.breaker("guarded").await.unwrap()) {
            fleet.pass(1).await;
        }
    };
    tokio::time::timeout(PATIENCE, opening).await.unwrap();
}

fn starts_of(fleet: &Fleet, id: &JobId) -> usize {
    fleet.journal.starts().iter().filter(|start| start.job == *id).count()
}
