//! The synchronous call.

use std::time::Duration;

use gantz_core::job::JobResult;
use gantz_core::lifecycle::Ending;
use gantz_testkit::builders::failed;
use serde_json::json;
use tokio::time::Instant;

use crate::http::app::{App, Ask, echo};

#[tokio::test]
async fn the_answer_is_the_bare_result() {
    let app = App::new();
    app.submit("job-0001").await;
    let began = Instant::now();
    let call = app.post("/agent", echo("job-0001"));
    let done = Ending::succeeded(JobResult::Inline(json!({"text": "hello"})));
    let (answer, ()) = tokio::join!(call, app.finish("job-0001", done));
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"text": "hello"})));
    assert_eq!(answer.header("content-location"), Some("/jobs/job-0001/result"));
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_failure_says_of_what_kind_it_is() {
    let app = App::new();
    app.submit("job-0001").await;
    app.finish("job-0001", failed()).await;
    let answer = app.post("/agent", echo("job-0001")).await;
    assert_eq!(answer.status, 500);
    insta::assert_json_snapshot!(answer.json());
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_goes_on_as_a_job() {
    let app = App::new();
    let began = Instant::now();
    let answer = app.call(Ask::post("/agent", &echo("job-0001")).header("gantz-remaining-ms", "8000")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (504, Some("/jobs/job-0001")));
    insta::assert_json_snapshot!(answer.json());
    assert_eq!(began.elapsed().as_secs(), 7);
    assert_eq!(app.get("/jobs/job-0001").await.json()["status"], "QUEUED");
}

#[tokio::test(start_paused = true)]
async fn the_callers_time_only_shortens_the_servers() {
    let app = App::new();
    let began = Instant::now();
    let ask = Ask::post("/agent", &echo("job-0001")).header("gantz-remaining-ms", "900000");
    assert_eq!(app.call(ask).await.problem(), "timeout");
    assert_eq!(began.elapsed().as_secs(), 25);
}

#[tokio::test]
async fn too_little_time_begins_nothing() {
    let app = App::new();
    for remaining in ["4999", "0"] {
        let ask = Ask::post("/agent", &echo("job-0001")).header("gantz-remaining-ms", remaining);
        let answer = app.call(ask).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.json()["title"], "Insufficient time remaining");
        app.assert_untouched(remaining).await;
    }
}
