//! The trace of whoever asks for a job reaches its tool.

use serde_json::{Value, json};

use crate::support::{Dev, Project};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const MANIFEST: &str = r#"
name: traces
version: 1.0.0
tools:
  show:
    description: Say which trace it is called in
    handler: command
    command: {program: sh, args: ["-c", 'echo "$TRACEPARENT"'], output: text}
    parameters: {n: {type: integer}}
"#;

#[tokio::test]
async fn a_job_and_a_batch_are_run_in_their_callers_trace() {
    let project = Project::with(MANIFEST);
    let dev = Dev::start(&project).await;
    let client = reqwest::Client::new();
    let post = async |path: &str, trace: &str, body: Value| {
        let request = client.post(format!("{}{path}", dev.url)).header("traceparent", trace);
        request.json(&body).send().await.expect("an answer")
    };
    let shown = async |id: &str| project.reach(id, "SUCCEEDED").await["result"].clone();

    post("/jobs", TRACE, json!({"tool": "show", "job_id": "of-header"})).await;
    assert_eq!(shown("of-header").await, TRACE);
    let spec = json!({"tool": "show", "job_id": "of-field", "traceparent": OTHER});
    post("/jobs", TRACE, spec).await;
    assert_eq!(shown("of-field").await, OTHER, "what is said of the job goes first");
    post("/jobs", "no trace", json!({"tool": "show", "job_id": "of-nothing"})).await;
    assert_eq!(shown("of-nothing").await, "", "a header that cannot be read is passed over");

    let refused = post("/jobs", TRACE, json!({"tool": "show", "traceparent": "no trace"})).await;
    assert_eq!(refused.status(), 400);
    let refused: Value = refused.json().await.expect("a problem");
    assert!(refused.to_string().contains("/traceparent"), "{refused}");

    post("/batches", TRACE, json!({"tool": "show", "batch_id": "of-batch", "items": [{"n": 1}, {"n": 2}]}))
        .await;
    project.reach("of-batch", "SUCCEEDED").await;
    let children = project.gantz(&["jobs", "--batch", "of-batch", "-o", "jsonl"]).await.json_lines();
    assert_eq!(children.len(), 2);
    for child in children {
        assert_eq!(shown(child["job_id"].as_str().expect("an id")).await, TRACE);
    }
    dev.stop().await;
}
