//! A job whose deadline has passed is not worth doing.

use gantz_core::envelope::Envelope;
use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::limits;
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::Depth;
use gantz_core::spec::{Instant, JobSpec, Span};
use gantz_workers::Phase;
use serde_json::{Value, json};

use crate::fleet::{Fleet, lane};
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

/// As a queue of AWS delivers it that delays no message by more than a quarter of an hour.
#[tokio::test(start_paused = true)]
async fn a_message_that_comes_before_its_job_is_due_goes_back_at_no_cost() {
    const DELAY_MS: u64 = 60_000;
    let fleet = Fleet::new(&[STEADY]);
    let id = submit(&fleet, json!({"mode": "succeed"}), 2 * DELAY_MS).await;
    let message = fleet.receive_one(&lane()).await;
    let mut envelope = Envelope::parse(&message.body).unwrap();
    let due_ms = fleet.now_ms() + DELAY_MS;
    envelope.not_before_ms = Some(due_ms);
    fleet.send_raw([envelope.to_body().unwrap()]).await;
    fleet.ports.queue.delete(&lane(), vec![message.receipt]).await.unwrap();
    let row = fleet.row(&id).await;
    let team = fleet.start("worker", 4);

    fleet.until_depth(&lane(), |depth| depth.delayed == 1).await;
    assert_eq!(fleet.row(&id).await, row, "nothing is written before it is due");
    fleet.pass(DELAY_MS - 1_000).await;
    assert_eq!(fleet.journal.of(&id), []);
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt, row.deferrals), (JobStatus::Succeeded, 1, 0));
    assert!(row.started_at_ms.unwrap() >= due_ms);
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

/// On one machine a message is delayed for as long as its job.
#[tokio::test(start_paused = true)]
async fn a_delay_of_days_is_one_delivery() {
    let fleet = Fleet::new(&[STEADY]);
    let delay = Some(Span::Text("9d".into()));
    let spec = JobSpec { delay, ..JobSpec::new("steady", json!({"mode": "succeed"})) };
    let id = fleet.submit_spec(spec).await;
    let row = fleet.row(&id).await;
    assert_eq!(row.deadline_ms, Some(row.created_at_ms + limits::DEADLINE_MAX_AHEAD_MS));
    assert_eq!(fleet.depth(&lane()).await, Depth { delayed: 1, ..Depth::default() });
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
