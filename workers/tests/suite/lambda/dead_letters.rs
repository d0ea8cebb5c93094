//! A batch of dead letters: put back, finished, or left to people.

use gantz_core::ids::{JobId, Lane, QueueName};
use gantz_core::job::JobStatus;
use gantz_core::lifecycle::ClaimVerdict;
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::Depth;
use gantz_embedded::Settings;
use gantz_workers::lambda::Duty;
use serde_json::json;

use crate::fleet::{Fleet, dead, lane};
use crate::lambda::sandbox::{
    MINUTE_MS, answer, delete_the_rest, event, failures, function, invocation, place, receive, receive_later,
};

const SETTINGS: Settings = Settings { max_receives: 3 };
const STEADY: (&str, &str) = ("steady", "retry: {max_attempts: 1}");

/// A job whose worker died without a word, with its only attempt.
async fn crashed(fleet: &Fleet) -> JobId {
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let rival = fleet.rival_claim(fleet.row(&id).await, fleet.now_ms());
    let verdict = fleet.ports.jobs.claim(rival).await.unwrap();
    assert!(matches!(verdict, ClaimVerdict::Granted(_)), "{verdict:?}");
    id
}

#[tokio::test(start_paused = true)]
async fn each_goes_where_it_belongs() {
    let fleet = Fleet::with(&[STEADY], SETTINGS);
    let spent = crashed(&fleet).await;
    fleet.wear_out().await;
    let held = receive(&fleet, &dead()).await;
    let dead_letters = function(&fleet, Duty::DeadLetters);
    let answered = answer(&dead_letters, event(&dead(), &held), &invocation(&fleet, MINUTE_MS)).await;
    assert_eq!(answered, failures(&held), "a worker still holds it");
    assert_eq!(fleet.row(&spent).await.status, JobStatus::Running);

    // The lease ends, and two more arrive: one that was throttled and never ran, one that nobody can read.
    let mut batch = receive_later(&fleet, &dead(), 1).await;
    let throttled = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let message = fleet.receive_one(&lane()).await;
    fleet.ports.queue.quarantine(&lane(), &message, "received too often").await.unwrap();
    fleet.send_raw(["?".to_owned()]).await;
    let message = fleet.receive_one(&lane()).await;
    fleet.ports.queue.quarantine(&lane(), &message, "no envelope").await.unwrap();

    batch.extend(receive_later(&fleet, &dead(), 2).await);
    assert_eq!(batch.len(), 3);
    let answered = answer(&dead_letters, event(&dead(), &batch), &invocation(&fleet, MINUTE_MS)).await;
    let unreadable = batch.iter().find(|message| message.body == "?").unwrap();
    assert_eq!(answered, failures([]));
    delete_the_rest(&fleet, &dead(), &batch, &answered).await;

    let row = fleet.row(&spent).await;
    let error = row.error.unwrap();
    assert_eq!((row.status, row.attempt, error.kind), (JobStatus::Failed, 1, ErrorKind::WorkerLost));
    assert_eq!(fleet.events().await[spent.as_str()], ["Gantz Job Failed"]);
    let row = fleet.row(&throttled).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Queued, 0), "it was put back, not failed");
    let again = receive(&fleet, &lane()).await;
    assert_eq!((again.len(), place(&again, &throttled)), (1, 0));

    assert_eq!(fleet.depth(&dead()).await, Depth::default());
    let parked = fleet.receive_one(&QueueName::Parked(Lane::default_lane())).await;
    assert_eq!(parked.body, unreadable.body, "what nobody can read is kept for people");
    assert!(parked.dead_reason.is_some());
}
