//! A job whose deadline has passed is not worth doing.

use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::outcome::ErrorKind;
use gantz_core::spec::{Instant, JobSpec};
use gantz_workers::Phase;
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::mode_tool::What;

const STEADY: (&str, &str) = ("steady", "timeout: 1h, retry: {max_attempts: 3, first: 100ms}");

async fn submit(fleet: &Fleet, parameters: Value, ahead_ms: u64) -> JobId {
    let deadline = Some(Instant::Millis(fleet.now_ms() + ahead_ms));
    fleet.submit_spec(JobSpec { deadline, ..JobSpec::new("steady", parameters) }).await
}

#[tokio::test(start_paused = true)]
async fn passed_in_the_queue() {
    let fleet = Fleet::new(&[STEADY]);
    let id = submit(&fleet, json!({"mode": "succeed"}), 1_000).await;
    fleet.pass(1_000).await;
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Expired, 0));
    assert_eq!(row.error.unwrap().kind, ErrorKind::DeadlinePassed);
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.of(&id), []);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn passed_while_running() {
    let fleet = Fleet::new(&[STEADY]);
    let id = submit(&fleet, json!({"mode": "hang"}), 2_000).await;
    let deadline_ms = fleet.now_ms() + 2_000;
    let team = fleet.start("worker", 4);

    let dropped = fleet.journal.until(&id, 1, What::Dropped).await;
    assert!((deadline_ms - 100..deadline_ms + 100).contains(&dropped.at_ms), "{dropped:?}");
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Expired, 1));
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.starts().len(), 1);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn sooner_than_the_next_attempt() {
    let fleet = Fleet::new(&[STEADY]);
    let id = submit(&fleet, json!({"mode": "retry_after", "ms": 60_000}), 30_000).await;
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Expired, 1));
    assert!(row.finished_at_ms.unwrap() < row.deadline_ms.unwrap(), "nobody waits for nothing");
    let message = row.error.unwrap().message;
    assert!(message.ends_with("attempt 1 was told to wait"), "{message}");
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}
