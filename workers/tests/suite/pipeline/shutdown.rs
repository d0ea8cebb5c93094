//! A worker that is told to stop.

use futures_util::FutureExt as _;
use gantz_core::job::JobStatus;
use gantz_core::ports::{Postponed, Receive};
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::{Fleet, lane};
use crate::mode_tool::What;

const STEADY: (&str, &str) = ("steady", "timeout: 1h, retry: {max_attempts: 1}");
const ONCE: (&str, &str) = ("once", "timeout: 1h, effects: at_most_once");

#[tokio::test(start_paused = true)]
async fn drain_lets_running_tools_finish_and_starts_no_more() {
    let fleet = Fleet::new(&[STEADY]);
    let slow = json!({"mode": "sleep", "ms": 5_000});
    let running = [fleet.submit("steady", slow.clone()).await, fleet.submit("steady", slow.clone()).await];
    let queued = fleet.submit("steady", slow).await;
    let team = fleet.start("first", 2);
    fleet.journal.until_started(2).await;

    team.stop(Phase::Drain).await;
    for id in &running {
        assert_eq!(fleet.row(id).await.status, JobStatus::Succeeded);
    }
    assert_eq!(fleet.row(&queued).await.status, JobStatus::Queued);
    assert_eq!(fleet.depth(&lane()).await.visible, 1, "it waits for another worker");

    let team = fleet.start("second", 2);
    assert_eq!(fleet.finished(&queued).await.attempt, 1);
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn abort_hands_running_jobs_back_uncounted() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "hang", "times": 1})).await;
    let team = fleet.start("first", 2);
    fleet.journal.until(&id, 1, What::Started).await;

    team.stop(Phase::Abort).await;
    let row = fleet.row(&id).await;
    assert_eq!((row.status, row.attempt, row.deferrals), (JobStatus::Waiting, 1, 1));
    assert_eq!(fleet.journal.of(&id), [(1, What::Started), (1, What::Dropped)]);

    let handed_back_ms = fleet.now_ms();
    let team = fleet.start("second", 2);
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt, row.attempts_used()), (JobStatus::Succeeded, 2, 1));
    assert!(row.finished_at_ms.unwrap() - handed_back_ms < 1_000, "no lease had to end first");
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn abort_leaves_an_at_most_once_job_in_doubt() {
    let fleet = Fleet::new(&[ONCE]);
    let id = fleet.submit("once", json!({"mode": "hang"})).await;
    let team = fleet.start("first", 2);
    fleet.journal.until(&id, 1, What::Started).await;
    team.stop(Phase::Abort).await;

    let row = fleet.row(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::InDoubt, 1));
    let team = fleet.start("second", 2);
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.starts().len(), 1);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_worker_asked_for_and_did_not_wait_for_is_free_at_once() {
    let fleet = Fleet::new(&[STEADY]);
    fleet.submit("steady", json!({"mode": "succeed"})).await;
    let (lane, queue) = (lane(), &fleet.ports.queue);
    let ask = Receive { max: 10, visibility_ms: 60_000, wait_ms: 20_000 };
    let mut asked = 1;
    // Asked, and gone before the answer, as a worker is that is told to stop while it receives.
    while let Some(received) = queue.receive(&lane, ask).now_or_never() {
        // The store was faster.
        let message = received.unwrap().remove(0);
        queue.postpone(&lane, &message.receipt, 0, Postponed::HandedBack).await.unwrap();
        asked += 1;
    }
    let message = fleet.receive_one(&lane).await;
    assert_eq!(message.receives, asked + 1, "it had been taken");
}
