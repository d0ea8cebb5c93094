//! An invocation's time: what it is enough for, and what holds beyond it.

use gantz_core::job::JobStatus;
use gantz_core::limits::LEASE_MS;
use gantz_core::ports::Depth;
use gantz_testkit::fault_table::{Level, fault};
use gantz_workers::lambda::Invocation;
use gantz_workers::{Delivery, Disposition, Slot, Switch, Tenure};
use serde_json::json;

use crate::fleet::{Fleet, lane};
use crate::lambda::sandbox::{MINUTE_MS, answer, event, failures, invocation, receive, worker};
use crate::mode_tool::What;

const STEADY: (&str, &str) = ("steady", "timeout: 30s, retry: {max_attempts: 1}");
const ONCE: (&str, &str) = ("once", "timeout: 30s, effects: at_most_once");

#[tokio::test(start_paused = true)]
async fn with_too_little_time_nothing_starts_and_all_go_back_at_once() {
    let shown = fault(18, Level::Simulated);
    let fleet = Fleet::new(&[STEADY, ONCE]);
    fleet.submit_many(2, "steady", &json!({"mode": "succeed"})).await;
    fleet.submit("once", json!({"mode": "succeed"})).await;
    let before = fleet.rows().await;
    let function = worker(&fleet);
    for remaining_ms in [3_900, 1_000] {
        let batch = receive(&fleet, &lane()).await;
        assert_eq!(batch.len(), 3);
        let answered = answer(&function, event(&lane(), &batch), &invocation(&fleet, remaining_ms)).await;
        assert_eq!(answered, failures(&batch));
        assert_eq!(fleet.rows().await, before, "no attempt, and no write");
        assert_eq!(fleet.journal.starts(), []);
        assert_eq!(fleet.depth(&lane()).await, Depth { visible: 3, ..Depth::default() });
    }
    // The deadline has passed: there is no time even to hand them back.
    let batch = receive(&fleet, &lane()).await;
    let answered = answer(&function, event(&lane(), &batch), &Invocation::new("late", 1)).await;
    assert_eq!(answered, failures(&batch));
    assert_eq!((fleet.rows().await, fleet.journal.starts()), (before, vec![]));
    shown.in_runs(1, "nothing starts");
}

#[tokio::test(start_paused = true)]
async fn a_lease_holds_beyond_the_invocation_without_a_heartbeat() {
    let fleet = Fleet::new(&[("steady", "timeout: 50s")]);
    let id = fleet.submit("steady", json!({"mode": "sleep", "ms": 45_000})).await;
    let batch = receive(&fleet, &lane()).await;
    let (function, invocation) = (worker(&fleet), invocation(&fleet, MINUTE_MS));
    let looking = async {
        fleet.journal.until(&id, 1, What::Started).await;
        let claimed = fleet.row(&id).await;
        fleet.pass(40_000).await;
        (claimed, fleet.row(&id).await)
    };
    let (answered, (claimed, later)) =
        tokio::join!(answer(&function, event(&lane(), &batch), &invocation), looking);
    assert_eq!(answered, r#"{"batchItemFailures":[]}"#);
    assert_eq!(claimed.lease_until_ms, invocation.deadline_ms.map(|at_ms| at_ms + 2_000));
    assert_eq!(later, claimed, "nothing was written while it ran");
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_the_lease_is_renewed() {
    let shown = fault(18, Level::Simulated);
    let fleet = Fleet::new(&[("steady", "timeout: 10m")]);
    let id = fleet.submit("steady", json!({"mode": "sleep", "ms": 3 * LEASE_MS})).await;
    let batch = receive(&fleet, &lane()).await;
    let (function, timeless) = (worker(&fleet), Invocation::new("timeless", 0));
    let looking = async {
        fleet.journal.until(&id, 1, What::Started).await;
        fleet.pass(2 * LEASE_MS).await;
        fleet.row(&id).await.lease_lives(fleet.now_ms())
    };
    let (answered, lives) = tokio::join!(answer(&function, event(&lane(), &batch), &timeless), looking);
    assert_eq!(answered, r#"{"batchItemFailures":[]}"#);
    assert!(lives, "nobody else may claim it meanwhile");
    assert_eq!(fleet.row(&id).await.attempt, 1);
    shown.in_runs(1, "a lease all the same");
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_needs_more_than_there_ever_is_fails_with_that_reason() {
    let fleet = Fleet::new(&[STEADY]);
    let quick = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let slow = fleet.submit("steady", json!({"mode": "hang"})).await;
    let batch = receive(&fleet, &lane()).await;
    let answered = answer(&worker(&fleet), event(&lane(), &batch), &invocation(&fleet, 10_000)).await;
    assert_eq!(answered, r#"{"batchItemFailures":[]}"#);
    assert_eq!(fleet.row(&quick).await.status, JobStatus::Succeeded);
    let row = fleet.row(&slow).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Failed, 1));
    assert!(row.error.unwrap().message.contains("stopped after its timeout of 7000 ms"));
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_runs_when_the_time_is_up_is_handed_back_uncounted() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "hang", "times": 1})).await;
    let message = fleet.receive_one(&lane()).await;
    let now_ms = fleet.now_ms();
    // As if the claim had taken most of the time.
    let slot = Slot {
        run_until_ms: now_ms + 30_000,
        stop_at_ms: now_ms + 2_000,
        lease_until_ms: now_ms + 40_000,
        is_all_there_is: false,
    };
    let (queue, stop) = (lane(), Switch::default().stop());
    let delivery = Delivery { queue: &queue, message: &message, tenure: Tenure::Until(slot), stop: &stop };
    let disposition = fleet.new_worker("sandbox").process(&delivery).await;
    assert!(matches!(disposition, Disposition::Postpone { delay_ms: 0, .. }), "{disposition:?}");
    let row = fleet.row(&id).await;
    assert_eq!((row.status, row.attempt, row.attempts_used()), (JobStatus::Waiting, 1, 0));
    assert_eq!(fleet.journal.of(&id), [(1, What::Started), (1, What::Dropped)]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_cancelled_stops_within_seconds() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "hang"})).await;
    let batch = receive(&fleet, &lane()).await;
    let (function, invocation) = (worker(&fleet), invocation(&fleet, MINUTE_MS));
    let cancelling = async {
        fleet.journal.until(&id, 1, What::Started).await;
        fleet.pass(1_000).await;
        let _verdict = fleet.dispatcher.cancel(&id).await.unwrap();
        fleet.now_ms()
    };
    let (answered, asked_ms) =
        tokio::join!(answer(&function, event(&lane(), &batch), &invocation), cancelling);
    assert_eq!(answered, r#"{"batchItemFailures":[]}"#);
    let row = fleet.row(&id).await;
    assert_eq!(row.status, JobStatus::Cancelled);
    assert!(row.finished_at_ms.unwrap() - asked_ms < 4_000);
}
