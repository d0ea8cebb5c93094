//! Waiting for the end, in real time where a job ends early, in paused time where none does.

use gantz_core::batch::PlanningEnd;
use std::time::Duration;

use gantz_testkit::builders::{NOW_MS, job_id, succeeded};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http::app::{Answer, App, Ask, echo};

/// Far below the 25 s that the calls would wait.
const EARLY: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_look_that_waits_returns_when_the_job_ends() {
    let app = App::new();
    app.submit("job-0001").await;
    let began = Instant::now();
    let (answer, ()) = tokio::join!(app.get("/jobs/job-0001?wait=25"), app.finish("job-0001", succeeded()));
    assert_eq!(answer.json()["status"], "SUCCEEDED");
    assert!(began.elapsed() < EARLY);
}

#[tokio::test]
async fn a_submission_that_waits_returns_when_the_job_ends() {
    let app = App::new();
    app.submit("job-0001").await;
    let began = Instant::now();
    let ask = Ask::post("/jobs", &echo("job-0001")).header("prefer", "respond-async, wait=20");
    let (answer, ()) = tokio::join!(app.call(ask), app.finish("job-0001", succeeded()));
    assert_eq!(status(&answer), (200, json!("SUCCEEDED")));
    assert_eq!(answer.header("preference-applied"), Some("wait=20"));
    assert!(began.elapsed() < EARLY);
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_waits_returns_when_time_is_up() {
    let app = App::new();
    let began = Instant::now();
    let answer = app.call(Ask::post("/jobs", &echo("job-0001")).header("prefer", "wait=7")).await;
    assert_eq!(status(&answer), (202, json!("QUEUED")));
    assert_eq!(answer.header("preference-applied"), Some("wait=7"));
    assert_eq!(answer.header("location"), Some("/jobs/job-0001"));
    assert_eq!(began.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_look_waits_no_longer_than_allowed() {
    let app = App::new();
    app.submit("job-0001").await;
    let began = Instant::now();
    let answer = app.get("/jobs/job-0001?wait=86400").await;
    assert_eq!(status(&answer), (200, json!("QUEUED")));
    assert_eq!(began.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn preferences_that_say_nothing_are_ignored() {
    let app = App::new();
    let began = Instant::now();
    for prefer in ["wait=soon", "wait=", "return=minimal", "wait=0", ",,;=,", "wait"] {
        let answer = app.call(Ask::post("/jobs", &echo("job-0001")).header("prefer", prefer)).await;
        assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (202, None), "{prefer}");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_waited_for_until_it_ends_or_time_is_up() {
    let app = App::new();
    app.post("/batches", json!({"tool": "echo", "items": [{"text": "a"}], "batch_id": "batch-0001"})).await;
    let began = Instant::now();
    assert_eq!(status(&app.get("/batches/batch-0001?wait=3").await), (200, json!("RUNNING")));
    assert_eq!(began.elapsed().as_secs(), 3);
    // Nothing was planned, so the end of planning is the end of it.
    app.ports.batches.end_planning(&job_id("batch-0001"), PlanningEnd::default(), NOW_MS).await.unwrap();
    assert_eq!(status(&app.get("/batches/batch-0001?wait=25").await), (200, json!("SUCCEEDED")));
    assert_eq!(began.elapsed().as_secs(), 3);
}

fn status(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json()["status"].clone())
}
