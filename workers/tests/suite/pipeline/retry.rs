//! Attempts: which failures are tried again, when, and how often.

use std::sync::atomic::Ordering;

use gantz_core::job::{JobResult, JobStatus};
use gantz_core::outcome::ErrorKind;
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::Fleet;
use crate::mode_tool::What;
use crate::pipeline::faulty_store::FaultyStore;

const PATIENT: (&str, &str) = ("patient", "retry: {max_attempts: 3, first: 400ms, max: 1h}");
const IMPATIENT: (&str, &str) = ("impatient", "retry: {max_attempts: 1}");

#[tokio::test(start_paused = true)]
async fn what_fails_for_the_moment_is_tried_again() {
    let fleet = Fleet::new(&[PATIENT]);
    let id = fleet.submit("patient", json!({"mode": "fail_transient", "times": 2})).await;
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt, row.error), (JobStatus::Succeeded, 3, None));
    assert_eq!(row.result, Some(JobResult::Inline(json!({"attempt": 3}))));
    let history: Vec<_> = row
        .attempts
        .iter()
        .map(|entry| (entry.attempt, entry.counted, entry.error.message.as_str()))
        .collect();
    assert_eq!(history, [(1, true, "attempt 1 got no answer"), (2, true, "attempt 2 got no answer")]);
    for (entry, start) in row.attempts.iter().zip(&fleet.journal.starts()[1..]) {
        assert!(entry.retry_at_ms <= start.at_ms, "no attempt starts before its time");
    }
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_may_say_when_to_try_again() {
    let fleet = Fleet::new(&[PATIENT]);
    let id = fleet.submit("patient", json!({"mode": "retry_after", "ms": 20_000, "times": 1})).await;
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 2));
    let [told] = row.attempts.as_slice() else { unreachable!("{row:#?}") };
    assert_eq!(told.error.kind, ErrorKind::Throttled);
    let waited_ms = fleet.journal.starts()[1].at_ms - told.at_ms;
    // The jitter on top is at most the backoff's ceiling; the rest is the way through the queue.
    assert!((20_000..20_500).contains(&waited_ms), "{waited_ms} ms");
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_good_is_not_tried_again() {
    let fleet = Fleet::new(&[PATIENT]);
    let id = fleet.submit("patient", json!({"mode": "fail_permanent"})).await;
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt, row.attempts.len()), (JobStatus::Failed, 1, 0));
    assert_eq!(row.error.unwrap().message, "attempt 1 found nothing");
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.of(&id), [(1, What::Started), (1, What::Answered)]);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn attempts_run_out_and_the_last_error_stays() {
    let fleet = Fleet::new(&[PATIENT]);
    let id = fleet.submit("patient", json!({"mode": "fail_transient"})).await;
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt, row.attempts.len()), (JobStatus::Failed, 3, 2));
    let error = row.error.unwrap();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unavailable, "attempt 3 got no answer"));
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.starts().len(), 3);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_deferral_is_no_attempt() {
    let fleet = Fleet::new(&[IMPATIENT]);
    let id = fleet.submit("impatient", json!({"mode": "defer", "ms": 5_000, "times": 4})).await;
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    assert_eq!(row.status, JobStatus::Succeeded);
    assert_eq!((row.attempt, row.deferrals, row.attempts_used()), (5, 4, 1));
    assert!(row.attempts.iter().all(|entry| !entry.counted && entry.error.message == "not ready"));
    let starts = fleet.journal.starts();
    assert!(starts.windows(2).all(|pair| pair[1].at_ms - pair[0].at_ms >= 5_000), "{starts:#?}");
    team.stop(Phase::Drain).await;
}

/// An attempt that asked for no more than another moment is not counted because the store was busy when it said so.
#[tokio::test(start_paused = true)]
async fn a_release_outlives_a_passing_fault_of_the_store() {
    let mut fleet = Fleet::new(&[("steady", "retry: {max_attempts: 1}")]);
    FaultyStore::before(&mut fleet).release_faults.store(3, Ordering::Relaxed);
    let id = fleet.submit("steady", json!({"mode": "defer", "times": 1, "ms": 100})).await;
    let team = fleet.start("worker", 1);
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt, row.attempts_used()), (JobStatus::Succeeded, 2, 1));
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}
