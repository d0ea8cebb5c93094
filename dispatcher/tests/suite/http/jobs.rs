//! One job: submitted, looked at, its result fetched.

use gantz_core::job::JobResult;
use gantz_core::lifecycle::Ending;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_testkit::builders::succeeded;
use serde_json::{Value, json};

use crate::http::app::{App, Ask, echo};

#[tokio::test]
async fn a_submission_is_recorded_and_queued() {
    let app = App::new();
    let answer = app.post("/jobs", echo("job-0001")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("location"), Some("/jobs/job-0001"));
    insta::assert_json_snapshot!(answer.json());
    assert_eq!(app.get("/jobs/job-0001").await.json(), answer.json());
    assert_eq!(app.depth().await, 1);
}

#[tokio::test]
async fn every_field_of_a_submission_counts() {
    let app = App::new();
    let spec = json!({
        "tool": "explore", "parameters": {"anything": {"a": [1, {"b": null}]}}, "tenant": "acme", "lane": "fast",
        "idempotency_key": "monday", "deadline": "2023-11-20T12:00:00Z", "delay": "90s", "label": "Monday's",
    });
    let job = app.post("/jobs", spec).await.json();
    let told = ["tenant", "lane", "deadline", "label"].map(|field| job[field].clone());
    assert_eq!(told, [json!("acme"), json!("fast"), json!(1_700_481_600_000_u64), json!("Monday's")]);
}

#[tokio::test]
async fn a_body_may_come_without_a_media_type_or_with_a_character_set() {
    let app = App::new();
    let bare = Ask::post("/jobs", &echo("job-0001")).without("content-type");
    assert_eq!(app.call(bare.clone()).await.status, 202);
    assert_eq!(app.call(bare.header("content-type", "Application/JSON; charset=utf-8")).await.status, 202);
}

#[tokio::test]
async fn a_result_is_the_bare_value_wherever_it_is_kept() {
    let app = App::new();
    let large = json!({"text": "x".repeat(100_000)});
    let reference = app.ports.blobs.put(large.to_string().into_bytes()).await.unwrap();
    let table = [
        ("inline-01", JobResult::Inline(json!([1, "two", null])), json!([1, "two", null])),
        ("inline-02", JobResult::Inline(Value::Null), Value::Null),
        ("large-001", JobResult::Ref(reference), large),
    ];
    for (id, result, expect) in table {
        app.submit(id).await;
        app.finish(id, Ending::succeeded(result)).await;
        let answer = app.get(&format!("/jobs/{id}/result")).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(answer.json(), expect);
    }
}

#[tokio::test]
async fn a_job_without_success_has_no_result() {
    let app = App::new();
    let timeout = JobError::new(ErrorKind::Timeout, "it took 30 s");
    app.submit("queued-01").await;
    app.submit("failed-01").await;
    app.finish("failed-01", Ending::failed(timeout)).await;
    let answers = [
        app.get("/jobs/queued-01/result").await.json(),
        app.get("/jobs/failed-01/result").await.json(),
        app.get("/jobs/unknown-01/result").await.json(),
    ];
    insta::assert_json_snapshot!(answers);
}

#[tokio::test]
async fn a_result_that_is_gone_is_a_fault_of_the_server() {
    let app = App::new();
    app.submit("job-0001").await;
    let gone = JobResult::Ref(format!("blob:{}", "0".repeat(64)));
    app.finish("job-0001", Ending::succeeded(gone)).await;
    let answer = app.get("/jobs/job-0001/result").await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (500, "result_lost"));
}

#[tokio::test]
async fn a_job_that_ended_before_is_answered_at_once() {
    let app = App::new();
    app.submit("job-0001").await;
    app.finish("job-0001", succeeded()).await;
    let answer = app.post("/jobs", echo("job-0001")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (200, None));
    assert_eq!(answer.json()["result"], json!({"ok": true}));
}

#[tokio::test]
async fn the_tools_are_those_of_the_manifest() {
    insta::assert_json_snapshot!(App::new().get("/tools").await.json());
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_a_whole_submission() {
    use gantz_core::ids::{Lane, QueueName};
    use gantz_core::ports::Receive;

    let app = App::new();
    {
        let call = app.post("/jobs", echo("job-0001"));
        tokio::pin!(call);
        tokio::select! {
            biased;
            answer = &mut call => panic!("answered at once: {answer:?}"),
            () = std::future::ready(()) => {}
        }
    }
    let ask = Receive { max: 1, visibility_ms: 1_000, wait_ms: 10_000 };
    let messages = app.ports.queue.receive(&QueueName::Lane(Lane::default_lane()), ask).await.unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(app.get("/jobs/job-0001").await.status, 200);
}
