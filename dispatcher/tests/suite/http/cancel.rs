//! Cancelling jobs and batches by id.

use gantz_core::batch::PlanningEnd;
use gantz_testkit::builders::{NOW_MS, job_id, succeeded};
use serde_json::{Value, json};

use crate::http::app::{App, Ask};

#[tokio::test]
async fn a_job_ends_or_is_asked_to() {
    let app = App::new();
    for id in ["queued-01", "running-1", "ended-001"] {
        app.submit(id).await;
    }
    app.claim("running-1").await;
    app.finish("ended-001", succeeded()).await;
    let table = [
        ("queued-01", 200, "CANCELLED"),
        ("queued-01", 200, "CANCELLED"),
        ("running-1", 202, "RUNNING"),
        ("ended-001", 200, "SUCCEEDED"),
    ];
    for (id, code, status) in table {
        let answer = cancel(&app, id).await;
        assert_eq!((answer.0, &answer.1["status"]), (code, &json!(status)), "{id}");
    }
    assert_eq!(cancel(&app, "running-1").await.1["cancel_requested_at"], json!(NOW_MS));
}

#[tokio::test]
async fn a_batch_is_asked_to_and_what_is_unknown_is_not_found() {
    let app = App::new();
    app.post("/batches", json!({"tool": "echo", "items": [], "batch_id": "batch-0001"})).await;
    let (code, batch) = cancel(&app, "batch-0001").await;
    assert_eq!((code, &batch["cancel_requested_at"]), (202, &json!(NOW_MS)));
    // One message to plan it, one to cancel its children.
    assert_eq!(app.depth().await, 2);
    app.ports.batches.end_planning(&job_id("batch-0001"), PlanningEnd::default(), NOW_MS).await.unwrap();
    assert_eq!(cancel(&app, "batch-0001").await.0, 200);
    assert_eq!(app.depth().await, 2);
    assert_eq!(cancel(&app, "nobody-01").await.0, 404);
}

async fn cancel(app: &App, id: &str) -> (u16, Value) {
    let answer = app.call(Ask::new("POST", &format!("/jobs/{id}/cancel"))).await;
    (answer.status.as_u16(), answer.json())
}
