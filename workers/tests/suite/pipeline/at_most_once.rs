//! A tool whose second run would do harm is started once, whatever happens.

use gantz_core::ids::JobId;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::{Fleet, machine};
use crate::mode_tool::What;

const ONCE: (&str, &str) =
    ("once", "effects: at_most_once, timeout: 2s, retry: {max_attempts: 5, first: 100ms}");

#[test]
fn a_crash_leaves_it_in_doubt() {
    let (site, id) = machine(async {
        let fleet = Fleet::new(&[ONCE]);
        let id = fleet.submit("once", json!({"mode": "hang"})).await;
        let _running = fleet.start("first", 2);
        fleet.journal.until(&id, 1, What::Started).await;
        (fleet.site(), id)
    });
    machine(async {
        let fleet = Fleet::open(site);
        let row = work_off(&fleet, &id).await;
        assert_eq!((row.status, row.attempt), (JobStatus::InDoubt, 1));
        assert!(row.error.unwrap().message.contains("attempt 1 ended without an answer"));
    });
}

#[tokio::test(start_paused = true)]
async fn an_end_without_an_answer_leaves_it_in_doubt() {
    for (mode, reason) in [("hang", "its timeout of 2000 ms"), ("panic", "attempt 1 had a bug")] {
        let fleet = Fleet::new(&[ONCE]);
        let id = fleet.submit("once", json!({ "mode": mode })).await;
        let row = work_off(&fleet, &id).await;
        assert_eq!((row.status, row.attempt), (JobStatus::InDoubt, 1), "{mode}");
        let message = row.error.unwrap().message;
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_was_answered_is_a_failure_and_no_reason_to_try_again() {
    for mode in ["fail_transient", "fail_permanent", "defer"] {
        let fleet = Fleet::new(&[ONCE]);
        let id = fleet.submit("once", json!({ "mode": mode })).await;
        let row = work_off(&fleet, &id).await;
        assert_eq!((row.status, row.attempt), (JobStatus::Failed, 1), "{mode}");
    }
}

/// Runs the job to its end, and as long again; the tool started once.
async fn work_off(fleet: &Fleet, id: &JobId) -> JobRecord {
    let team = fleet.start("worker", 2);
    let row = fleet.finished(id).await;
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.starts().len(), 1);
    team.stop(Phase::Drain).await;
    row
}
