//! Gantz's own tools, for clients without tasks.

use gantz_core::job::JobResult;
use gantz_core::lifecycle::Ending;
use serde_json::{Value, json};

use super::{Client, Era, MODERN, text};
use crate::http::app::App;

fn id_of(fields: Option<Value>, name: &str) -> String {
    fields.unwrap()[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_job_is_submitted_looked_at_and_waited_for() {
    let app = App::new();
    let client = Client::patient(&app, Era::Legacy, 20).await;
    let asked = json!({"tool": "explore", "parameters": {"path": "x"}, "idempotency_key": "one"});
    let id = id_of(client.call("submit_job", asked.clone()).await.structured_content, "job_id");
    assert_eq!(id_of(client.call("submit_job", asked).await.structured_content, "job_id"), id);
    let row = client.call("job_status", json!({"id": id})).await;
    assert_eq!((row.is_error, &row.structured_content.unwrap()["status"]), (Some(false), &json!("QUEUED")));
    let result = client.call("job_result", json!({"id": id, "wait_seconds": 0.01})).await;
    assert_eq!(result.structured_content.unwrap()["kind"], "not_ended");
    app.finish(&id, Ending::succeeded(JobResult::Inline(json!("done")))).await;
    assert_eq!(text(&client.call("job_result", json!({"id": id})).await), "done");
    let row = client.call("cancel_job", json!({"id": id})).await.structured_content.unwrap();
    assert_eq!(row["status"], "SUCCEEDED", "too late, and told so");
}

#[tokio::test]
async fn a_batch_is_submitted_looked_at_and_cancelled() {
    let app = App::new();
    let client = Client::patient(&app, MODERN, 20).await;
    let asked = json!({"tool": "echo", "items": [{"text": "a"}, {"text": "b"}], "tolerate": "50%"});
    let id = id_of(client.call("submit_batch", asked).await.structured_content, "batch_id");
    let batch = client.call("job_result", json!({"id": id})).await.structured_content.unwrap();
    assert_eq!((&batch["status"], &batch["tolerate"]), (&json!("RUNNING"), &json!("50%")));
    let batch = client.call("cancel_job", json!({"id": id})).await.structured_content.unwrap();
    assert!(batch["cancel_requested_at"].is_u64(), "{batch}");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let app = App::new();
    let client = Client::patient(&app, MODERN, 20).await;
    let mut told = Vec::new();
    for (tool, arguments) in [
        ("submit_job", json!({})),
        ("submit_job", json!({"tool": "eco"})),
        ("submit_job", json!({"tool": "echo", "parameters": {"text": 7}})),
        ("submit_job", json!({"tool": "echo", "params": {}})),
        ("submit_batch", json!({"tool": "echo"})),
        ("submit_batch", json!({"tool": "echo", "files": "/etc"})),
        ("submit_batch", json!({"tool": "echo", "items": [1], "tenant": "other"})),
        ("job_status", json!({"id": "nobodys-job"})),
        ("job_result", json!({"id": "no id", "wait_seconds": "x"})),
        ("cancel_job", json!({"id": "no id"})),
    ] {
        let result = client.call(tool, arguments.clone()).await;
        assert_eq!(result.is_error, Some(true), "{tool} {arguments}");
        told.push(format!(
            "{tool} {arguments}\n    {} {}",
            result.structured_content.clone().unwrap()["kind"],
            text(&result)
        ));
    }
    insta::assert_snapshot!(told.join("\n"));
    app.assert_untouched("what was refused").await;
}
