//! What was received too often is no failure by itself.

use std::sync::Arc;

use gantz_core::ids::Lane;
use gantz_core::job::JobStatus;
use gantz_core::lifecycle::ClaimVerdict;
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::Depth;
use gantz_embedded::Settings;
use gantz_workers::{Phase, Stop, Switch, dead_letters};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::fleet::{Fleet, dead, duplicate, lane};

const SETTINGS: Settings = Settings { max_receives: 3 };
const STEADY: (&str, &str) = ("steady", "retry: {max_attempts: 1}");

#[tokio::test(start_paused = true)]
async fn a_job_that_never_ran_is_put_back_and_succeeds() {
    let fleet = Fleet::with(&[STEADY], SETTINGS);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    fleet.wear_out().await;
    let switch = Switch::default();
    let handler = handle(&fleet, switch.stop());
    let team = fleet.start("worker", 2);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
    fleet.all_is_settled().await;
    assert_eq!(fleet.depth(&dead()).await, Depth::default());
    stop(switch, handler).await;
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_attempts_are_spent_fails_with_the_reason() {
    let fleet = Fleet::with(&[STEADY], SETTINGS);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let rival = fleet.rival_claim(fleet.row(&id).await, fleet.now_ms());
    let verdict = fleet.ports.jobs.claim(rival).await.unwrap();
    assert!(matches!(verdict, ClaimVerdict::Granted(_)), "{verdict:?}");
    // The rival dies without a word. Its lease still lives when the handler looks for the first time.
    fleet.wear_out().await;
    let switch = Switch::default();
    let handler = handle(&fleet, switch.stop());

    let row = fleet.finished(&id).await;
    let error = row.error.unwrap();
    assert_eq!((row.status, row.attempt, error.kind), (JobStatus::Failed, 1, ErrorKind::WorkerLost));
    assert!(error.message.ends_with("1 of 1 attempts used"), "{}", error.message);
    stop(switch, handler).await;
    fleet.all_is_settled().await;
    assert_eq!(fleet.depth(&dead()).await, Depth::default());
    assert_eq!(fleet.journal.of(&id), []);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_has_ended_is_told_once_more_and_its_message_goes() {
    let fleet = Fleet::with(&[STEADY], SETTINGS);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let _verdict = fleet.dispatcher.cancel(&id).await.unwrap();
    fleet.wear_out().await;
    assert_eq!(fleet.events().await.len(), 0);
    let switch = Switch::default();
    let handler = handle(&fleet, switch.stop());
    fleet.until_depth(&dead(), |depth| depth == Depth::default()).await;
    fleet.all_is_settled().await;
    stop(switch, handler).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_of_its_job_stays_for_people() {
    let fleet = Fleet::with(&[STEADY], SETTINGS);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let row = fleet.row(&id).await;
    // The same id, but other parameters; and a body that is no envelope at all.
    let mut foreign = row.clone();
    foreign.params_hash = "f".repeat(64);
    fleet.receive_one(&lane()).await;
    fleet.send_raw([duplicate(&foreign, json!({"mode": "panic"})), "?".to_owned()]).await;
    let team = fleet.start("worker", 2);
    fleet.until_depth(&dead(), |depth| depth.visible == 2).await;
    team.stop(Phase::Drain).await;

    let switch = Switch::default();
    let handler = handle(&fleet, switch.stop());
    fleet.until_depth(&dead(), |depth| depth.delayed == 2).await;
    fleet.pass(60_000).await;
    assert_eq!(fleet.depth(&dead()).await, Depth { delayed: 2, ..Depth::default() });
    assert_eq!(fleet.row(&id).await, row, "the row of the job is untouched");
    assert_eq!(fleet.journal.starts(), []);
    stop(switch, handler).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_row_cannot_be_read_stays_for_people_and_harms_no_other() {
    let fleet = Fleet::with(&[STEADY], SETTINGS);
    let damaged = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let healthy = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let database = rusqlite::Connection::open(fleet.store.path().join("gantz.db")).unwrap();
    let spoilt = database.execute("UPDATE jobs SET status = 'ASLEEP' WHERE id = ?1", [damaged.as_str()]);
    assert_eq!(spoilt, Ok(1));
    let switch = Switch::default();
    let handler = handle(&fleet, switch.stop());
    let team = fleet.start("worker", 2);

    assert_eq!(fleet.finished(&healthy).await.status, JobStatus::Succeeded);
    fleet.until_depth(&dead(), |depth| depth.delayed == 1).await;
    fleet.drained().await;
    let letters = fleet.store.view().dead_letters(&lane(), 10).await.unwrap();
    assert!(letters[0].reason.contains("`ASLEEP` is no status"), "{letters:?}");
    assert_eq!(fleet.journal.of(&damaged), []);
    stop(switch, handler).await;
    team.stop(Phase::Drain).await;
}

fn handle(fleet: &Fleet, stop: Stop) -> JoinHandle<()> {
    let worker = fleet.worker("dead-letters");
    tokio::spawn(async move { dead_letters::serve(&Arc::clone(&worker), &Lane::default_lane(), &stop).await })
}

async fn stop(switch: Switch, handler: JoinHandle<()>) {
    switch.set(Phase::Drain);
    handler.await.unwrap();
}
