//! An attempt has its time, and no more.

use gantz_core::job::JobStatus;
use gantz_core::outcome::ErrorKind;
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::Fleet;
use crate::mode_tool::What;

#[tokio::test(start_paused = true)]
async fn a_tool_that_overruns_is_stopped_and_tried_again() {
    let fleet = Fleet::new(&[("timed", "timeout: 3s, retry: {max_attempts: 2, first: 100ms}")]);
    let id = fleet.submit("timed", json!({"mode": "hang", "times": 1})).await;
    let team = fleet.start("worker", 1);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 2));
    assert_eq!(row.attempts[0].error.kind, ErrorKind::Timeout);
    let calls = fleet.journal.of(&id);
    assert_eq!(
        calls[..2],
        [(1, What::Started), (1, What::Dropped)],
        "the first is gone before the second starts"
    );
    let ran_ms = row.attempts[0].at_ms - fleet.journal.starts()[0].at_ms;
    assert!((3_000..3_100).contains(&ran_ms), "{ran_ms} ms");
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_whole_time() {
    let fleet = Fleet::new(&[("timed", "timeout: 40s, retry: {max_attempts: 2, first: 100ms}")]);
    let id = fleet.submit("timed", json!({"mode": "sleep", "ms": 39_000})).await;
    let team = fleet.start("worker", 1);
    assert_eq!(fleet.finished(&id).await.status, JobStatus::Succeeded);
    assert_eq!(fleet.journal.of(&id), [(1, What::Started), (1, What::Answered)]);
    team.stop(Phase::Drain).await;
}
