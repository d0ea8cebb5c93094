//! Batches: submitted and looked at.

use std::path::Path;

use gantz_core::batch::PlannedShard;
use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::lifecycle::Ending;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_dispatcher::http::HttpSettings;
use gantz_dispatcher::plan::work_off;
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
async fn the_first_failures_are_told_with_what_they_were_planned_from() {
    let app = App::new();
    let id = job_id("batch-0001");
    let mut items = vec![json!({"text": "a"}); 450];
    items[1] = json!({"txt": "b"});
    items[449] = json!(7);
    app.post("/batches", json!({"tool": "echo", "items": items, "batch_id": id})).await;
    work_off(&app.dispatcher, Path::new("")).await.unwrap();
    let late = JobId::child(&id, 200);
    app.finish(late.as_str(), Ending::failed(JobError::new(ErrorKind::Timeout, "it took 30 s"))).await;
    app.ports.batches.mark(&id, 200, JobStatus::Failed, NOW_MS).await.unwrap();
    let report = app.get("/batches/batch-0001").await.json();
    assert_eq!((&report["total"], &report["failures_total"]), (&json!(450), &json!(3)));
    let failures = report["failures"].as_array().unwrap();
    let told: Vec<_> =
        failures.iter().map(|child| (&child["index"], &child["input"], &child["kind"])).collect();
    assert_eq!(told[0], (&json!(1), &json!({"txt": "b"}), &json!("invalid")));
    assert_eq!(told[1], (&json!(200), &json!({"text": "a"}), &json!("timeout")));
    assert_eq!((told.len(), told[2].0, told[2].2), (3, &json!(449), &json!("invalid")));
    assert_eq!(failures[1]["message"], "it took 30 s");
    assert_eq!(app.get("/batches").await.json()["batches"][0].get("failures"), None);
}

#[tokio::test]
async fn a_door_for_strangers_reads_no_files_for_them() {
    let settings = HttpSettings { local_sources: false, ..HttpSettings::default() };
    let app = App::with(settings, |dispatcher| dispatcher);
    for (source, place, part) in [
        ("jsonl", "/etc/passwd", "names files"),
        ("files", "/etc/*", "names files"),
        ("jsonl", "s3://acme/lines.jsonl", "has no S3"),
        ("jsonl", "s3://acme", "expected `s3://bucket/key`"),
    ] {
        let answer = app.post("/batches", json!({"tool": "explore", source: place})).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "invalid"));
        let told = answer.json().to_string();
        assert!(told.contains(&format!("/{source}")) && told.contains(part), "{told}");
        app.assert_untouched(source).await;
    }
    assert_eq!(app.post("/batches", json!({"tool": "explore", "items": []})).await.status, 202);
}
