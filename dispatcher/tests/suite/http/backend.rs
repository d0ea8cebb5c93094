//! A backend that fails, or has too much to do.

use std::sync::Arc;

use gantz_core::ports::PortError;
use gantz_dispatcher::http::HttpSettings;
use serde_json::json;

use crate::http::app::{App, Ask, echo};
use crate::http::broken::Broken;

#[tokio::test]
async fn a_failing_store_is_told_with_when_to_come_back() {
    let table = [
        (PortError::Transient("the disk is full".into()), Some("1")),
        (PortError::Throttled("too many requests".into()), Some("1")),
        (PortError::Permanent("no such table".into()), None),
    ];
    for (error, retry_after) in table {
        let broken = error.clone();
        let app = App::with(HttpSettings::default(), |mut dispatcher| {
            dispatcher.ports.jobs = Arc::new(Broken(broken));
            dispatcher
        });
        let asks = [
            Ask::get("/healthz"),
            Ask::get("/jobs"),
            Ask::get("/jobs/job-0001"),
            Ask::get("/jobs/job-0001/result"),
            Ask::new("POST", "/jobs/job-0001/cancel"),
            Ask::post("/jobs", &echo("job-0001")),
            Ask::post("/agent", &echo("job-0001")),
        ];
        for ask in asks {
            let answer = app.call(ask).await;
            assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (503, "unavailable"));
            assert_eq!(answer.header("retry-after"), retry_after);
            assert_eq!(answer.json()["detail"], format!("the backend failed: {error}"));
        }
    }
}

#[tokio::test]
async fn a_failing_queue_accepts_nothing() {
    let app = App::with(HttpSettings::default(), |mut dispatcher| {
        dispatcher.ports.queue = Arc::new(Broken(PortError::Transient("unreachable".into())));
        dispatcher
    });
    let batch = json!({"tool": "echo", "items": [{"text": "a"}]});
    for (target, body) in [("/jobs", echo("job-0001")), ("/batches", batch)] {
        assert_eq!(app.post(target, body).await.problem(), "unavailable");
    }
    assert_eq!(app.get("/jobs").await.json()["jobs"], json!([]));
    assert_eq!(app.get("/healthz").await.json(), json!({"status": "ok"}));
}

#[tokio::test]
async fn a_full_lane_holds_submissions_back() {
    let app = App::with(HttpSettings::default(), |mut dispatcher| {
        dispatcher.backlog_max = 2;
        dispatcher
    });
    app.submit("job-0001").await;
    app.submit("job-0002").await;
    let batch = json!({"tool": "echo", "items": [{"text": "a"}]});
    for (target, body) in [("/jobs", echo("job-0003")), ("/agent", echo("job-0003")), ("/batches", batch)] {
        let answer = app.post(target, body).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (429, "backlog_full"), "{target}");
        assert_eq!(answer.header("retry-after"), Some("10"));
    }
    assert_eq!(app.depth().await, 2);
    // What was accepted before adds nothing, and is told so.
    let again = app.post("/jobs", echo("job-0001")).await;
    assert_eq!((again.status.as_u16(), again.json()["job_id"].clone()), (202, json!("job-0001")));
    // Another lane has room.
    assert_eq!(app.post("/jobs", json!({"tool": "explore"})).await.status, 202);
}
