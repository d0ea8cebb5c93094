//! Doing a job again.

use gantz_core::envelope::Parameters;
use gantz_core::lifecycle::Ending;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_testkit::builders::succeeded;
use serde_json::json;

use crate::http::app::App;

fn failed() -> Ending {
    let parameters = json!({"text": "hello", "times": 1, "options": {}});
    Ending::failed(JobError::new(ErrorKind::Timeout, "it took 30 s"))
        .keeping(Some(Parameters::Inline(parameters)))
}

#[tokio::test]
async fn a_failed_job_is_submitted_again_once() {
    let app = App::new();
    app.submit("failed-01").await;
    app.finish("failed-01", failed()).await;
    let queued = app.depth().await;

    let first = app.post("/jobs/failed-01/retry", json!({})).await;
    let row = first.json();
    assert_eq!(
        (first.status.as_u16(), &row["status"], &row["retry_of"]),
        (202, &json!("QUEUED"), &json!("failed-01"))
    );
    assert_eq!(first.header("location").unwrap(), format!("/jobs/{}", row["job_id"].as_str().unwrap()));
    assert_eq!(app.depth().await, queued + 1);
    assert_eq!(app.post("/jobs/failed-01/retry", json!({})).await.json(), row);
    assert_eq!(app.get("/jobs").await.json()["jobs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn large_parameters_come_from_their_blob() {
    let app = App::new();
    let parameters = json!({"text": "x".repeat(5_000), "times": 2});
    let reference = app.ports.blobs.put(parameters.to_string().into_bytes()).await.unwrap();
    app.submit("failed-01").await;
    app.finish("failed-01", failed().keeping(Some(Parameters::Ref(reference)))).await;
    app.submit("failed-02").await;
    app.finish("failed-02", failed().keeping(Some(Parameters::Ref(format!("blob:{}", "0".repeat(64))))))
        .await;

    assert_eq!(app.post("/jobs/failed-01/retry", json!({})).await.status, 202);
    let lost = app.post("/jobs/failed-02/retry", json!({})).await;
    assert_eq!(lost.status, 503, "{}", lost.json());
}

#[tokio::test]
async fn what_is_not_retried_says_why() {
    let app = App::new();
    for id in ["queued-01", "success-1", "nothing-1", "doubted-1"] {
        app.submit(id).await;
    }
    app.finish("success-1", succeeded()).await;
    app.finish("nothing-1", failed().keeping(None)).await;
    let in_doubt = Ending::in_doubt(ErrorKind::Timeout, "stopped");
    app.finish("doubted-1", in_doubt.keeping(failed().parameters().cloned())).await;
    let mut told = Vec::new();
    for id in ["queued-01", "success-1", "nothing-1", "doubted-1", "unknown-1"] {
        let answer = app.post(&format!("/jobs/{id}/retry"), json!({})).await.json();
        told.push(format!("{} {}", answer["status"], answer["detail"].as_str().unwrap()));
    }
    let answer = app.post("/jobs/doubted-1/retry?even_if_it_ran=maybe", json!({})).await.json();
    told.push(format!("{} {}", answer["status"], answer["detail"].as_str().unwrap()));
    insta::assert_snapshot!(told.join("\n"));
    let answer = app.post("/jobs/doubted-1/retry?even_if_it_ran=true", json!({})).await;
    assert_eq!(answer.status, 202);
}
