//! Leases: kept while the worker lives, and worth nothing once another has the job.

use gantz_testkit::fault_table::{Level, fault};
use std::sync::atomic::Ordering;

use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{ClaimVerdict, FinishVerdict};
use gantz_core::limits::LEASE_MS;
use gantz_core::ports::Depth;
use gantz_testkit::builders::{held, succeeded};
use gantz_workers::Phase;
use serde_json::{Value, json};

use crate::fleet::{Fleet, lane};
use crate::mode_tool::What;
use crate::pipeline::faulty_store::FaultyStore;

const LONG: (&str, &str) = ("long", "timeout: 1h");

#[tokio::test(start_paused = true)]
async fn a_job_of_many_leases_is_run_once() {
    let fleet = Fleet::new(&[LONG]);
    let id = fleet.submit("long", json!({"mode": "sleep", "ms": 4 * LEASE_MS})).await;
    let teams = [fleet.start("one", 2), fleet.start("other", 2)];
    let started = fleet.journal.until(&id, 1, What::Started).await;

    for leases in 1..4 {
        fleet.pass(started.at_ms + leases * LEASE_MS + 1 - fleet.now_ms()).await;
        let rival = fleet.rival_claim(fleet.row(&id).await, fleet.now_ms());
        let verdict = fleet.ports.jobs.claim(rival).await.unwrap();
        assert!(matches!(verdict, ClaimVerdict::HeldUntil { .. }), "{verdict:?}");
        assert_eq!(
            fleet.depth(&lane()).await,
            Depth { in_flight: 1, ..Depth::default() },
            "nor is its message free"
        );
    }
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.starts().len(), 1);
    for team in teams {
        team.stop(Phase::Drain).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_of_forty_minutes_is_run_once() {
    const MINUTES_40_MS: u64 = 40 * 60 * 1000;
    let fleet = Fleet::new(&[LONG]);
    let id = fleet.submit("long", json!({"mode": "sleep", "ms": MINUTES_40_MS})).await;
    let team = fleet.start("one", 1);
    fleet.metronome.slow_down(250);
    fleet.pass(MINUTES_40_MS).await;
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
    assert!(row.finished_at_ms.unwrap() - row.started_at_ms.unwrap() >= MINUTES_40_MS, "{row:?}");
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.starts().len(), 1);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn the_finish_of_a_worker_that_was_fenced_out_is_discarded() {
    let shown = fault(16, Level::Simulated);
    let fleet = Fleet::new(&[LONG]);
    let (team, rivals) = overtaken(&fleet, json!({"mode": "sleep", "ms": 5_000})).await;
    fleet.journal.until(&rivals.id, 1, What::Answered).await;
    fleet.pass(1_000).await;
    assert_eq!(fleet.row(&rivals.id).await, rivals);
    assert_eq!(fleet.events().await.len(), 0);
    assert_eq!(fleet.depth(&lane()).await.in_flight, 1, "its message is not acknowledged");

    let verdict = fleet.ports.jobs.finish(&held(&rivals), succeeded(), fleet.now_ms()).await.unwrap();
    let FinishVerdict::Committed(rivals_end) = verdict else { unreachable!("{verdict:?}") };
    fleet.all_is_settled().await;
    assert_eq!(fleet.row(&rivals.id).await, *rivals_end);
    team.stop(Phase::Drain).await;
    shown.in_runs(1, "the later attempt stands");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_learns_of_its_loss_stops_its_tool() {
    let fleet = Fleet::new(&[LONG]);
    let (team, rivals) = overtaken(&fleet, json!({"mode": "hang", "times": 1})).await;
    fleet.journal.until(&rivals.id, 1, What::Dropped).await;
    fleet.pass(1_000).await;
    assert_eq!(fleet.row(&rivals.id).await, rivals);
    assert_eq!(fleet.depth(&lane()).await.in_flight, 1, "its message is not acknowledged");

    // The rival dies without a word, so the job comes back to the worker when the rival's lease has ended.
    let row = fleet.finished(&rivals.id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 3));
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

/// The store does not answer, not even with an error. The worker knows when its lease ends all the same.
#[tokio::test(start_paused = true)]
async fn a_worker_whose_heartbeats_hang_stops_its_tool_when_the_lease_ends() {
    let mut fleet = Fleet::new(&[LONG]);
    let store = FaultyStore::before(&mut fleet);
    store.heartbeats_hang.store(true, Ordering::Relaxed);
    let id = fleet.submit("long", json!({"mode": "hang", "times": 1})).await;
    let team = fleet.start("worker", 1);
    fleet.journal.until(&id, 1, What::Started).await;
    let lease_until_ms = fleet.row(&id).await.lease_until_ms.unwrap();
    fleet.journal.until(&id, 1, What::Dropped).await;
    let late_ms = fleet.now_ms().saturating_sub(lease_until_ms);
    assert!(late_ms < 100, "{late_ms} ms after the lease ended");

    store.heartbeats_hang.store(false, Ordering::Relaxed);
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 2));
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

/// A worker whose job was given to a rival that believes its lease to be over, and the rival's row.
async fn overtaken(fleet: &Fleet, parameters: Value) -> (crate::fleet::Team, JobRecord) {
    let id = fleet.submit("long", parameters).await;
    let team = fleet.start("worker", 2);
    fleet.journal.until(&id, 1, What::Started).await;
    let later_ms = fleet.now_ms() + LEASE_MS + 1;
    let rival = fleet.rival_claim(fleet.row(&id).await, later_ms);
    let verdict = fleet.ports.jobs.claim(rival).await.unwrap();
    let ClaimVerdict::Granted(row) = verdict else { unreachable!("{verdict:?}") };
    assert_eq!(row.attempt, 2);
    (team, *row)
}
