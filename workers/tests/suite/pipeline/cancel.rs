//! Cancelling a job, wherever it stands.

use gantz_core::job::JobStatus;
use gantz_core::lifecycle::{CancelVerdict, ClaimVerdict};
use gantz_core::outcome::ErrorKind;
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::{Fleet, lane};
use crate::mode_tool::What;

const STEADY: (&str, &str) = ("steady", "timeout: 1h, retry: {max_attempts: 3, first: 1h, max: 2h}");

#[tokio::test(start_paused = true)]
async fn a_queued_job_ends_at_once_and_its_tool_never_starts() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let verdict = fleet.dispatcher.cancel(&id).await.unwrap();
    assert!(matches!(verdict, CancelVerdict::Ended(row) if row.status == JobStatus::Cancelled));
    assert_eq!(fleet.depth(&lane()).await.visible, 1, "its message is still there");

    let team = fleet.start("worker", 4);
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.of(&id), []);
    assert_eq!(fleet.row(&id).await.attempt, 0);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_running_tool_is_dropped_promptly() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "hang"})).await;
    let team = fleet.start("worker", 4);
    fleet.journal.until(&id, 1, What::Started).await;
    fleet.pass(3_000).await;

    let asked_ms = fleet.now_ms();
    assert!(matches!(fleet.dispatcher.cancel(&id).await.unwrap(), CancelVerdict::Requested(_)));
    let dropped = fleet.journal.until(&id, 1, What::Dropped).await;
    assert!(dropped.at_ms - asked_ms < 100, "no heartbeat had to bring the news");
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.error.unwrap().kind), (JobStatus::Cancelled, ErrorKind::Cancelled));
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_between_two_attempts_ends_at_once() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "retry_after", "ms": 30_000, "times": 1})).await;
    let team = fleet.start("worker", 4);
    fleet.until(&id, |row| row.status == JobStatus::Waiting).await;

    assert!(matches!(fleet.dispatcher.cancel(&id).await.unwrap(), CancelVerdict::Ended(_)));
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.starts().len(), 1);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_finished_job_stays_as_it_is() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let team = fleet.start("worker", 4);
    let row = fleet.finished(&id).await;

    let verdict = fleet.dispatcher.cancel(&id).await.unwrap();
    assert_eq!(verdict, CancelVerdict::Finished(Box::new(row.clone())));
    fleet.all_is_settled().await;
    assert_eq!(fleet.row(&id).await, row);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_just_before_a_failure_wins_over_the_retry() {
    let fleet = Fleet::new(&[STEADY]);
    // Too short for the worker to look for requests while it runs: only the release meets this one.
    let id = fleet.submit("steady", json!({"mode": "fail_transient", "ms": 15})).await;
    let team = fleet.start("worker", 4);
    fleet.journal.until(&id, 1, What::Started).await;
    assert!(matches!(fleet.dispatcher.cancel(&id).await.unwrap(), CancelVerdict::Requested(_)));

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Cancelled, 1));
    assert_eq!(row.error.unwrap().message, "cancelled between two attempts");
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_dead_worker_never_saw_is_met_by_the_next_delivery() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let rival = fleet.rival_claim(fleet.row(&id).await, fleet.now_ms());
    let verdict = fleet.ports.jobs.claim(rival).await.unwrap();
    assert!(matches!(verdict, ClaimVerdict::Granted(_)), "{verdict:?}");
    assert!(matches!(fleet.dispatcher.cancel(&id).await.unwrap(), CancelVerdict::Requested(_)));

    let team = fleet.start("worker", 4);
    assert_eq!(fleet.finished(&id).await.status, JobStatus::Cancelled);
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.of(&id), []);
    team.stop(Phase::Drain).await;
}
