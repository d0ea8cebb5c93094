//! A record never harms its neighbours.

use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::ids::params_hash;
use gantz_core::job::{JobStatus, NewJob};
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::Depth;
use gantz_testkit::builders::{job_id, new_job};
use gantz_testkit::fault_table::{Level, fault};
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::{Fleet, dead, lane};

const MALFORMED: &str = r#"{"v": 1, "job_id": "cut off"#;

#[tokio::test(start_paused = true)]
async fn four_of_ten_fail_or_go_back_each_for_its_own_reason_and_six_succeed() {
    let shown = fault(23, Level::Simulated);
    let fleet = Fleet::new(&[("steady", "timeout: 2s, retry: {max_attempts: 1}")]);
    let good = fleet.submit_many(6, "steady", &json!({"mode": "succeed"})).await;
    let panics = fleet.submit("steady", json!({"mode": "panic"})).await;
    let overruns = fleet.submit("steady", json!({"mode": "hang"})).await;
    let unknown = job_id("names-an-unknown-tool");
    fleet.send_raw([MALFORMED.to_owned(), envelope_of_unknown_tool(unknown.as_str())]).await;
    assert_eq!(fleet.depth(&lane()).await.visible, 10);

    let team = fleet.start("worker", 10);
    let stopped = fleet.finished(&overruns).await;
    for id in &good {
        let row = fleet.row(id).await;
        assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
        assert!(row.finished_at_ms < stopped.finished_at_ms, "nobody waited for the slow one");
    }
    for (id, kind, reason) in [
        (&panics, ErrorKind::Panic, "attempt 1 had a bug"),
        (&overruns, ErrorKind::Timeout, "timeout of 2000 ms"),
    ] {
        let row = fleet.row(id).await;
        let error = row.error.unwrap();
        assert_eq!((row.status, row.attempt, error.kind), (JobStatus::Failed, 1, kind));
        assert!(error.message.contains(reason), "{}", error.message);
    }
    // Another worker of the lane may know the tool: its message waits, and no attempt is used.
    fleet.until_depth(&lane(), |depth| depth == Depth { delayed: 1, ..Depth::default() }).await;
    assert_eq!(fleet.store.view().job(&unknown).await.unwrap(), None);
    let notes = fleet.store.view().notes(&unknown).await.unwrap();
    assert!(!notes.is_empty() && notes.iter().all(|note| note.why == "unknown_tool"), "{notes:?}");
    assert_eq!(fleet.events().await.len(), 8);

    let set_aside = fleet.receive_one(&dead()).await;
    assert_eq!(set_aside.body, MALFORMED);
    let reason = set_aside.dead_reason.unwrap();
    assert!(reason.starts_with("the message is no envelope: "), "{reason}");
    assert_eq!(fleet.depth(&dead()).await.visible, 0, "only the malformed one was set aside");
    team.stop(Phase::Drain).await;
    shown.in_runs(1, "four of ten, each for its own reason");
}

fn envelope_of_unknown_tool(id: &str) -> String {
    let parameters = json!({});
    let job = new_job(&job_id(id));
    let hash = params_hash(&job.tenant, "not-here", &parameters);
    let job = NewJob { tool: "not-here".into(), params_hash: hash, ..job };
    Envelope {
        job,
        parameters: Parameters::Inline(parameters),
        put_back: 0,
        not_before_ms: None,
        trace: None,
    }
    .to_body()
    .unwrap()
}
