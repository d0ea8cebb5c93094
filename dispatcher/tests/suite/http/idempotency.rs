//! The same submission again: the same job. Another one under its id: a conflict that changes nothing.

use serde_json::json;
use tokio::task::JoinSet;

use crate::http::app::{App, Ask, answer, echo};

#[tokio::test]
async fn a_key_in_the_header_or_in_the_body_is_the_same_key() {
    let app = App::new();
    let plain = json!({"tool": "echo", "parameters": {"text": "hello"}});
    let mut keyed = plain.clone();
    keyed["idempotency_key"] = json!("monday");
    let asks = [
        Ask::post("/jobs", &keyed),
        Ask::post("/jobs", &plain).header("idempotency-key", "monday"),
        Ask::post("/jobs", &plain).header("idempotency-key", "\"monday\""),
        Ask::post("/jobs", &keyed).header("idempotency-key", "monday"),
    ];
    let mut ids = Vec::new();
    for ask in asks {
        let answer = app.call(ask).await;
        assert_eq!(answer.status, 202);
        ids.push(answer.json()["job_id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.get("/jobs").await.json()["jobs"].as_array().unwrap().len(), 1);
}

/// Parameters count as they were submitted, so that a manifest with another default makes no conflict of a repetition.
#[tokio::test]
async fn defaults_written_out_are_another_submission() {
    let app = App::new();
    app.submit("job-0001").await;
    let spelt_out =
        json!({"tool": "echo", "parameters": {"times": 1.0, "text": "hello"}, "job_id": "job-0001"});
    assert_eq!(app.post("/jobs", spelt_out).await.problem(), "conflict");
}

#[tokio::test]
async fn a_conflict_leaves_the_row_as_it_is() {
    let app = App::new();
    app.submit("job-0001").await;
    let before = app.get("/jobs/job-0001").await.json();
    let others = [
        json!({"tool": "echo", "parameters": {"text": "bye"}, "job_id": "job-0001"}),
        json!({"tool": "explore", "parameters": {}, "job_id": "job-0001"}),
        json!({"tool": "echo", "parameters": {"text": "hello"}, "job_id": "job-0001", "tenant": "other"}),
    ];
    for other in others {
        let answer = app.post("/jobs", other.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (409, "conflict"), "{other}");
    }
    assert_eq!(app.get("/jobs/job-0001").await.json(), before);
    assert_eq!(app.depth().await, 1);
}

#[tokio::test]
async fn a_thousand_submissions_under_one_key_are_one_job() {
    let app = App::new();
    let ask = Ask::post("/jobs", &json!({"tool": "echo", "parameters": {"text": "hello"}}))
        .header("idempotency-key", "monday");
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        calls.spawn(answer(app.router.clone(), ask.clone()));
    }
    let mut ids: Vec<String> = Vec::new();
    while let Some(answer) = calls.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 202);
        ids.push(answer.json()["job_id"].as_str().unwrap().to_owned());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.get("/jobs").await.json()["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_is_recorded_once_and_conflicts_with_another() {
    let app = App::new();
    let batch = json!({"tool": "echo", "items": [{"text": "a"}], "batch_id": "batch-0001"});
    let first = app.post("/batches", batch.clone()).await;
    assert_eq!((first.status.as_u16(), first.header("location")), (202, Some("/batches/batch-0001")));
    assert_eq!(app.post("/batches", batch.clone()).await.json(), first.json());
    let others =
        [json!({"items": [{"text": "b"}]}), json!({"parameters": {"times": 2}}), json!({"tenant": "other"})];
    for change in others {
        let mut other = batch.clone();
        other.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(app.post("/batches", other.clone()).await.problem(), "conflict", "{other}");
    }
    assert_eq!(app.get("/batches").await.json()["batches"], json!([first.json()]));
    assert_eq!(app.post("/jobs", echo("job-0001")).await.status, 202);
}
