//! A record never harms its neighbours, and the answer lists exactly those that come back.

use gantz_testkit::fault_table::{Level, fault};
use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::job::JobStatus;
use gantz_core::limits::INLINE_RESULT_MAX_BYTES;
use gantz_core::ports::{BlobError, BlobStore, Depth};
use serde_json::{Value, json};

use crate::fleet::{Fleet, dead, lane};
use crate::lambda::sandbox::{
    MINUTE_MS, answer, delete_the_rest, event, failures, invocation, place, receive, receive_later, worker,
};
use crate::mode_tool::What;

const STEADY: (&str, &str) = ("steady", "timeout: 2s, retry: {max_attempts: 2}");

#[tokio::test(start_paused = true)]
async fn three_of_ten_come_back_and_seven_succeed() {
    let fleet = Fleet::new(&[STEADY]);
    let good = fleet.submit_many(7, "steady", &json!({"mode": "succeed"})).await;
    let bad = [
        fleet.submit("steady", json!({"mode": "fail_transient"})).await,
        fleet.submit("steady", json!({"mode": "panic"})).await,
        fleet.submit("steady", json!({"mode": "hang"})).await,
    ];
    let function = worker(&fleet);

    let batch = receive(&fleet, &lane()).await;
    assert_eq!(batch.len(), 10);
    let began_ms = fleet.now_ms();
    let answered = answer(&function, event(&lane(), &batch), &invocation(&fleet, MINUTE_MS)).await;
    let mut places = bad.each_ref().map(|id| place(&batch, id));
    places.sort_unstable();
    assert_eq!(answered, failures(places.map(|place| &batch[place])));
    assert!(fleet.now_ms() - began_ms < 3_000, "the slow one takes as long as its timeout, no longer");
    for id in &good {
        let row = fleet.row(id).await;
        assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
    }
    for id in &bad {
        let row = fleet.row(id).await;
        assert_eq!((row.status, row.attempt, row.clean_attempt), (JobStatus::Waiting, 1, 1));
    }
    delete_the_rest(&fleet, &lane(), &batch, &answered).await;

    // Each comes back when its next attempt is due, and that is its last.
    let batch = receive_later(&fleet, &lane(), 3).await;
    let answered = answer(&function, event(&lane(), &batch), &invocation(&fleet, MINUTE_MS)).await;
    assert_eq!(answered, r#"{"batchItemFailures":[]}"#);
    delete_the_rest(&fleet, &lane(), &batch, &answered).await;
    for (id, reason) in
        bad.iter().zip(["attempt 2 got no answer", "attempt 2 had a bug", "timeout of 2000 ms"])
    {
        let row = fleet.row(id).await;
        let error = row.error.unwrap();
        assert_eq!((row.status, row.attempt), (JobStatus::Failed, 2));
        assert!(error.message.contains(reason), "{}", error.message);
    }
    fleet.all_is_settled().await;
}

#[tokio::test(start_paused = true)]
async fn what_no_worker_can_read_is_set_aside_and_not_reported() {
    let fleet = Fleet::new(&[STEADY]);
    fleet.send_raw([r#"{"v": 1, "job_id": "cut off"#.to_owned()]).await;
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let batch = receive(&fleet, &lane()).await;
    let answered = answer(&worker(&fleet), event(&lane(), &batch), &invocation(&fleet, MINUTE_MS)).await;
    assert_eq!(answered, r#"{"batchItemFailures":[]}"#);
    assert_eq!(fleet.row(&id).await.status, JobStatus::Succeeded);
    assert_eq!(fleet.depth(&dead()).await.visible, 1);
    assert_eq!(fleet.depth(&lane()).await.in_flight, 1, "Lambda deletes the other one");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_job_has_ended_goes_without_another_run() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let batch = receive(&fleet, &lane()).await;
    let function = worker(&fleet);
    for _ in 0..2 {
        let answered = answer(&function, event(&lane(), &batch), &invocation(&fleet, MINUTE_MS)).await;
        assert_eq!(answered, r#"{"batchItemFailures":[]}"#);
    }
    assert_eq!(fleet.journal.of(&id), [(1, What::Started), (1, What::Answered)]);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_is_slowed_down_is_no_write() {
    let fleet = Fleet::new(&[("steady", "rate_limit: {rate: 1/m, burst: 1}")]);
    fleet.submit_many(2, "steady", &json!({"mode": "succeed"})).await;
    let batch = receive(&fleet, &lane()).await;
    let function = worker(&fleet);
    let answered = answer(&function, event(&lane(), &batch), &invocation(&fleet, MINUTE_MS)).await;
    let rows = fleet.rows().await;
    let waiting: Vec<_> = rows.iter().filter(|row| row.status != JobStatus::Succeeded).collect();
    assert_eq!((waiting.len(), waiting[0].status, waiting[0].attempt), (1, JobStatus::Queued, 0));
    assert_eq!(answered, failures([&batch[place(&batch, &waiting[0].id)]]));
    assert_eq!(fleet.depth(&lane()).await.delayed, 1);
}

/// A store that never answers, or has a bug.
struct Broken {
    panics: bool,
}

#[async_trait]
impl BlobStore for Broken {
    async fn put(&self, _: Vec<u8>) -> Result<String, BlobError> {
        assert!(!self.panics, "the adapter has a bug");
        std::future::pending().await
    }

    async fn get(&self, reference: &str, _: usize) -> Result<Vec<u8>, BlobError> {
        Err(BlobError::NotFound(reference.to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn neighbours_of_a_record_that_never_ends_are_acknowledged() {
    for panics in [false, true] {
        let mut fleet = Fleet::new(&[STEADY]);
        fleet.ports.blobs = Arc::new(Broken { panics });
        let good = fleet.submit("steady", json!({"mode": "succeed"})).await;
        let big = json!({"mode": "big_result", "bytes": INLINE_RESULT_MAX_BYTES + 1});
        let stuck = fleet.submit("steady", big).await;
        let batch = receive(&fleet, &lane()).await;
        let deadline_ms = fleet.now_ms() + MINUTE_MS;
        let answered = answer(&worker(&fleet), event(&lane(), &batch), &invocation(&fleet, MINUTE_MS)).await;

        assert!(fleet.now_ms() < deadline_ms, "the answer comes before Lambda ends the process");
        assert_eq!(answered, failures([&batch[place(&batch, &stuck)]]), "panics: {panics}");
        assert_eq!(fleet.row(&good).await.status, JobStatus::Succeeded);
        let row = fleet.row(&stuck).await;
        assert_eq!((row.status, row.lease_until_ms), (JobStatus::Running, Some(deadline_ms + 2_000)));
        let depth = Depth { in_flight: 2, ..Depth::default() };
        assert_eq!(fleet.depth(&lane()).await, depth, "it waits for the lease to end");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invocation_is_measured_once_and_before_its_answer() {
    let shown = fault(34, Level::Simulated);
    let fleet = Fleet::new(&[STEADY]);
    fleet.submit_many(2, "steady", &json!({"mode": "succeed"})).await;
    fleet.submit("steady", json!({"mode": "fail_transient"})).await;
    let batch = receive(&fleet, &lane()).await;
    let function = worker(&fleet);
    answer(&function, event(&lane(), &batch), &invocation(&fleet, MINUTE_MS)).await;

    let lines: Vec<Value> =
        function.metrics().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |metric: &str, dimension: &str, value: &str| {
        let line = lines.iter().find(|line| line.get(metric).is_some() && line[dimension] == value);
        line.map(|line| line[metric].clone())
    };
    assert_eq!(of("ToolExecutions", "Success", "True"), Some(json!(2)));
    assert_eq!(of("ToolExecutions", "Success", "False"), Some(json!(1)));
    assert_eq!(of("ToolExecutionTime", "ToolName", "steady").unwrap().as_array().unwrap().len(), 3);
    assert_eq!(of("JobsFinished", "Status", "SUCCEEDED"), Some(json!(2)));
    assert_eq!(of("Deferred", "Why", "retry"), Some(json!(1)));
    let plain = lines.iter().find(|line| line.get("QueueDelay").is_some()).unwrap();
    assert_eq!(plain["BatchItemFailures"], json!(1));
    assert_eq!(plain["Attempts"], json!([1, 1]));
    assert_eq!(plain["_aws"]["CloudWatchMetrics"][0]["Namespace"], json!("Gantz/MCP"));
    assert_eq!(function.metrics(), [] as [String; 0]);
    shown.in_runs(1, "metrics out before the answer");
}
