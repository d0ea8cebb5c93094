//! `retry`.

use serde_json::json;

use crate::support::Project;

const TOOLS: &str = r#"
name: trial
version: 1.0.0
tools:
  open:
    description: Fail until a file is there
    handler: command
    command: {program: sh, args: ["-c", "test -e \"$1\" && echo 7 || exit 65", "open", "{gate}"]}
    parameters: {gate: {type: string, required: true}}
  keyed:
    description: Fail until a file is there, then tell the key
    handler: command
    command: {program: sh, args: ["-c", "test -e \"$1\" && echo \"\\\"$GANTZ_IDEMPOTENCY_KEY\\\"\" || exit 65", "keyed", "{gate}"]}
    parameters: {gate: {type: string, required: true}}
  once:
    description: Fail, and never again
    handler: command
    command: {program: sh, args: ["-c", "exit 65"]}
    effects: at_most_once
"#;

#[tokio::test]
async fn a_failed_job_succeeds_again() {
    let project = Project::with(TOOLS);
    project.gantz(&["run", "open", "--gate", "gate", "--job-id", "first-one"]).await.failed(1);
    project.open("gate");
    let ran = project.gantz(&["retry", "first-one", "--wait", "-o", "json"]).await;
    ran.ok();
    let row = ran.json();
    assert_eq!((&row["status"], &row["retry_of"]), (&json!("SUCCEEDED"), &json!("first-one")));
    // The new job is the one that stands for it, however often it is asked for.
    let ran = project.gantz(&["retry", "first-one"]).await;
    assert_eq!(ran.ok().trim(), row["job_id"].as_str().expect("an id"));
    let old = project.status("first-one").await.expect("a row");
    assert_eq!((&old["status"], &old["parameters"]), (&json!("FAILED"), &json!({"gate": "gate"})));
}

#[tokio::test]
async fn without_a_worker_it_says_so() {
    let project = Project::with(TOOLS);
    project.gantz(&["run", "open", "--gate", "gate", "--job-id", "first-one"]).await.failed(1);
    let ran = project.gantz(&["retry", "first-one"]).await;
    assert_eq!(ran.failed(0), "nobody works on it: start `gantz worker`, or `gantz dev`\n");
}

#[tokio::test]
async fn what_may_have_run_is_asked_for_by_name() {
    let project = Project::with(TOOLS);
    project.gantz(&["run", "once", "--job-id", "only-once"]).await.failed(1);
    let ran = project.gantz(&["retry", "only-once", "--wait"]).await;
    assert!(ran.refused(1).contains("may have done what it does"), "{ran}");
    project.gantz(&["retry", "only-once", "--even-if-it-ran", "--wait"]).await.failed(1);
    let ran = project.gantz(&["jobs", "-o", "jsonl"]).await;
    assert_eq!(ran.json_lines().len(), 2, "{ran}");
    let ran = project.gantz(&["retry", "nobodys-job"]).await;
    assert!(ran.refused(1).contains("there is no job and no batch `nobodys-job`"), "{ran}");
}

#[tokio::test]
async fn a_batch_is_done_again_where_it_did_not_succeed() {
    let project = Project::with(TOOLS);
    project.open("first");
    project.write("lines.jsonl", "{\"gate\": \"first\"}\n{\"gate\": \"second\"}\n{\"gate\": \"third\"}\n");
    let ran = project.gantz(&["batch", "open", "--jsonl", "lines.jsonl", "--id", "batch-one"]).await;
    ran.failed(1);
    project.open("second");
    project.open("third");
    let ran = project.gantz(&["retry", "batch-one", "--wait", "-o", "json"]).await;
    ran.ok();
    let batch = ran.json();
    let told = ["status", "total", "retry_of", "left_out"].map(|name| &batch[name]);
    assert_eq!(told, [&json!("SUCCEEDED"), &json!(2), &json!("batch-one"), &json!(0)]);
    let ran = project.gantz(&["retry", "batch-one"]).await;
    assert_eq!(ran.ok().trim(), batch["batch_id"].as_str().expect("an id"));
    let again = project.gantz(&["retry", batch["batch_id"].as_str().expect("an id")]).await;
    assert!(again.refused(1).contains("all its children have SUCCEEDED"), "{again}");
}

#[tokio::test]
async fn a_batch_leaves_out_what_may_have_happened_and_tells() {
    let project = Project::with(TOOLS);
    project.write("lines.jsonl", "{}\n{}\n");
    project.gantz(&["batch", "once", "--jsonl", "lines.jsonl", "--id", "batch-one"]).await.failed(1);
    let ran = project.gantz(&["retry", "batch-one", "--wait"]).await;
    assert!(ran.ok().contains("2 jobs of batch-one left out"), "{ran}");
    let ran = project.gantz(&["retry", "batch-one", "--even-if-it-ran"]).await;
    assert!(ran.refused(1).contains("was retried before"), "{ran}");
}

#[tokio::test]
async fn a_provider_sees_the_key_of_the_first_job() {
    let project = Project::with(TOOLS);
    project.gantz(&["run", "keyed", "--gate", "gate", "--job-id", "first-one"]).await.failed(1);
    project.open("gate");
    let ran = project.gantz(&["retry", "first-one", "--wait", "-o", "json"]).await;
    ran.ok();
    assert_eq!(ran.json()["result"], "first-one");
}
