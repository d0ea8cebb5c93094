//! Lanes that are paused.

use gantz_core::ids::Lane;
use gantz_core::job::JobStatus;
use gantz_core::pause::{UNTIL_RESUMED_MS, pause, resume};
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::{Fleet, lane};

const STEADY: (&str, &str) = ("steady", "timeout: 1h, retry: {max_attempts: 1}");
const MINUTE_MS: u64 = 60_000;
/// A pause holds after so long, everywhere.
const SEEN_FOR_MS: u64 = 2_000;

async fn pause_until(fleet: &Fleet, until_ms: u64) {
    pause(&*fleet.ports.limits, &Lane::default_lane(), until_ms).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_in_a_paused_lane_until_it_is_resumed() {
    let fleet = Fleet::new(&[STEADY]);
    let running = fleet.submit("steady", json!({"mode": "sleep", "ms": 10_000})).await;
    let team = fleet.start("worker", 4);
    fleet.journal.until_started(1).await;
    pause_until(&fleet, UNTIL_RESUMED_MS).await;
    fleet.pass(SEEN_FOR_MS).await;
    // While a poll is under way, as at any other time.
    let queued = fleet.submit("steady", json!({"mode": "succeed"})).await;
    fleet.pass(MINUTE_MS).await;
    assert_eq!(fleet.row(&running).await.status, JobStatus::Succeeded, "what runs, ends");
    let row = fleet.row(&queued).await;
    assert_eq!((row.status, row.attempt, row.deferrals), (JobStatus::Queued, 0, 0));
    assert_eq!(fleet.depth(&lane()).await.visible, 1);
    resume(&*fleet.ports.limits, &Lane::default_lane()).await.unwrap();
    let resumed_ms = fleet.now_ms();
    let row = fleet.finished(&queued).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
    assert!(row.finished_at_ms.unwrap() - resumed_ms <= SEEN_FOR_MS + 1_000, "{row:?}");
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_for_a_time_ends_by_itself_and_may_be_made_shorter() {
    let fleet = Fleet::new(&[STEADY]);
    pause_until(&fleet, fleet.now_ms() + 10 * MINUTE_MS).await;
    let until_ms = fleet.now_ms() + MINUTE_MS;
    pause_until(&fleet, until_ms).await;
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let team = fleet.start("worker", 4);
    fleet.pass(MINUTE_MS).await;
    let row = fleet.finished(&id).await;
    let late_ms = row.finished_at_ms.unwrap() - until_ms;
    assert!(late_ms <= SEEN_FOR_MS + 1_000, "{late_ms} ms after the pause had ended");
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_in_a_paused_lane_stops_when_told_to() {
    let fleet = Fleet::new(&[STEADY]);
    pause_until(&fleet, UNTIL_RESUMED_MS).await;
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let team = fleet.start("worker", 4);
    fleet.pass(MINUTE_MS).await;
    team.stop(Phase::Drain).await;
    assert_eq!(fleet.row(&id).await.status, JobStatus::Queued);
}
