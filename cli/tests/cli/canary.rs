//! Parameters and results are in rows and events, and in no log.

use serde_json::json;

use crate::support::{Dev, Project};

const CANARY: &str = "c4n4ry-7d1f";
const MANIFEST: &str = r#"
name: canary
version: 1.0.0
defaults:
  retry: {max_attempts: 2, first: 1ms, max: 5ms}
tools:
  echo:
    description: Say it again
    handler: command
    command: {program: cat}
    parameters: {text: {type: string, required: true}}
  hush:
    description: Fail without a word
    handler: command
    command: {program: sh, args: ["-c", "exit 75", "hush", "{text}"]}
    parameters: {text: {type: string, required: true}}
  slow:
    description: Take longer than it may
    handler: command
    timeout: 100ms
    command: {program: sleep, args: ["30"]}
    parameters: {text: {type: string, required: true}}
  fetch:
    description: Ask where nobody listens
    handler: http.request
    http: {url: "http://127.0.0.1:1/{text}", headers: {X-Text: "{text}"}, allow_hosts: ["127.0.0.1:1"]}
    parameters: {text: {type: string, required: true}}
"#;

#[tokio::test]
async fn logs_hold_no_parameter_and_no_result() {
    let project = Project::with(MANIFEST);
    let mut command = project.command(&["dev", "--port", "0"]);
    // All that our own code and its libraries ever say.
    command.env("RUST_LOG", "trace");
    let dev = Dev::of(project.begin(command)).await;
    let client = reqwest::Client::new();
    for tool in ["echo", "hush", "slow", "fetch"] {
        let job = json!({"tool": tool, "parameters": {"text": CANARY}, "job_id": format!("canary-{tool}")});
        let posted = client.post(format!("{}/jobs", dev.url)).json(&job).send().await;
        assert!(posted.expect("an answer").status().is_success());
        let refused = json!({"tool": tool, "parameters": {"text": CANARY, "other": CANARY}});
        let posted = client.post(format!("{}/jobs", dev.url)).json(&refused).send().await;
        assert_eq!(posted.expect("an answer").status(), 400);
        project.reach_end(&format!("canary-{tool}")).await;
    }
    let metrics = client.get(format!("{}/metrics", dev.url)).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(
        metrics.contains("gantz_tool_executions_total{tool_name=\"hush\",success=\"False\"} 2\n"),
        "{metrics}"
    );
    assert!(metrics.contains("gantz_jobs_finished_total{status=\"FAILED\"} 3\n"), "{metrics}");
    assert!(metrics.contains("gantz_jobs_accepted_total 4\n"), "{metrics}");
    assert!(metrics.contains("gantz_queue_messages{lane=\"fast\",state=\"visible\"} 0\n"), "{metrics}");
    assert!(!metrics.contains(CANARY), "{metrics}");
    let ran = dev.stop().await;
    assert!(ran.stderr.contains(" TRACE "), "everything is told: {ran}");
    for (number, line) in ran.stderr.lines().chain(ran.stdout.lines()).enumerate() {
        assert!(!line.contains(CANARY), "line {number}: {line}");
    }
}
