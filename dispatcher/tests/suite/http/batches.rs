//! Batches: submitted and looked at.

use gantz_core::batch::PlannedShard;
use gantz_core::job::JobStatus;
use gantz_dispatcher::http::HttpSettings;
use gantz_testkit::builders::{NOW_MS, job_id};
use serde_json::json;

use crate::http::app::{App, Ask};

#[tokio::test]
async fn a_batch_is_recorded_and_its_planning_queued() {
    let app = App::new();
    let spec = json!({"tool": "echo", "items": [{"text": "a"}, {"text": "b"}], "tolerate": "10%"});
    let answer = app.call(Ask::post("/batches", &spec).header("idempotency-key", "monday")).await;
    assert_eq!(answer.status, 202);
    insta::assert_json_snapshot!(answer.json());
    assert_eq!(app.depth().await, 1);
    let location = answer.header("location").unwrap().to_owned();
    assert_eq!(app.get(&location).await.json()["batch_id"], answer.json()["batch_id"]);
}

#[tokio::test]
async fn totals_count_children_of_open_shards() {
    let app = App::new();
    let id = job_id("batch-0001");
    app.post("/batches", json!({"tool": "echo", "items": [], "batch_id": id})).await;
    let shard = PlannedShard::new(0, 3);
    app.ports.batches.open_shard(&id, shard.clone()).await.unwrap();
    app.ports.batches.advance(&id, shard, None).await.unwrap();
    app.ports.batches.mark(&id, 0, JobStatus::Succeeded, NOW_MS).await.unwrap();
    app.ports.batches.mark(&id, 1, JobStatus::Failed, NOW_MS).await.unwrap();
    let progress = app.get("/batches/batch-0001").await.json();
    assert_eq!(progress["planned"], 3);
    assert_eq!(progress["by_status"], json!({"SUCCEEDED": 1, "FAILED": 1}));
}

#[tokio::test]
async fn a_door_for_strangers_reads_no_files_for_them() {
    let settings = HttpSettings { local_sources: false, ..HttpSettings::default() };
    let app = App::with(settings, |dispatcher| dispatcher);
    for source in ["jsonl", "files"] {
        let answer = app.post("/batches", json!({"tool": "explore", source: "/etc/*"})).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "invalid"));
        app.assert_untouched(source).await;
    }
    assert_eq!(app.post("/batches", json!({"tool": "explore", "items": []})).await.status, 202);
}
