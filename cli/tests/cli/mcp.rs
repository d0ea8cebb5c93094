//! `gantz mcp`: the official SDK's client on the other end of stdin and stdout.

use std::process::Stdio;

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ClientConfig, GetTaskParams, Implementation,
    ProtocolVersion, TaskPayload,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use serde_json::json;
use tokio::process::Child;

use crate::support::{Dev, Project, Ran, until};

const TOOLS: &str = r#"
name: trial
version: 1.0.0
tools:
  wait_for:
    description: Wait until a file is there
    handler: command
    command: {program: sh, args: ["-c", "while ! test -e \"$1\"; do sleep 0.05; done; echo '{{\"there\": true}}'", "wait", "{gate}"]}
    parameters: {gate: {type: string, required: true}}
    effects: read_only
"#;

struct Agent {
    client: RunningService<RoleClient, ClientConfig>,
    server: Child,
}

impl Agent {
    async fn start(project: &Project) -> Self {
        let mut command = tokio::process::Command::from(project.command(&["mcp"]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut server = command.spawn().expect("the binary starts");
        let (output, input) = (server.stdout.take().expect("piped"), server.stdin.take().expect("piped"));
        let capabilities = ClientCapabilities::builder().enable_tasks().build();
        let config = ClientConfig::new(capabilities, Implementation::new("trial", "1.0.0"));
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        let lifecycle = ClientLifecycleMode::Discover { preferred_versions };
        let client = config.serve_with_lifecycle((output, input), lifecycle).await.expect("it answers");
        Self { client, server }
    }

    async fn call(&self, gate: &str) -> CallToolResponse {
        let mut request = CallToolRequestParams::new("wait_for");
        request.arguments = json!({"gate": gate}).as_object().cloned();
        self.client.call_tool_once(request).await.expect("an answer")
    }

    /// The agent leaves.
    async fn leave(mut self) {
        self.client.cancel().await.expect("it was there");
        let ended = self.server.wait().await.expect("it ends by itself");
        assert!(ended.success(), "{ended}");
    }
}

#[tokio::test]
async fn a_call_is_answered_and_a_task_outlives_its_server() {
    let project = Project::with(TOOLS);
    project.open("first");
    let agent = Agent::start(&project).await;
    match agent.call("first").await {
        CallToolResponse::Complete(result) => {
            assert_eq!(result.structured_content, Some(json!({"there": true})));
        }
        // On a busy machine it may take longer than a quick call.
        CallToolResponse::Task(_) => {}
        other => unreachable!("{other:?}"),
    }
    let CallToolResponse::Task(created) = agent.call("second").await else {
        unreachable!("the gate is closed")
    };
    let id = created.task.task_id;
    agent.leave().await;

    let agent = Agent::start(&project).await;
    project.open("second");
    let result = until("the task's end", async || {
        let task = agent.client.get_task(GetTaskParams::new(&id)).await.expect("it is known").task;
        match task.payload {
            TaskPayload::Completed { result } => Some(result),
            _ => None,
        }
    })
    .await;
    assert_eq!(result["structuredContent"], json!({"there": true}));
    agent.leave().await;
    let row = project.status(&id).await.expect("a row");
    assert_eq!((&row["status"], &row["tool"]), (&json!("SUCCEEDED"), &json!("wait_for")));
}

/// A project whose tools are those of another one's `gantz mcp`, and of a `gantz dev`.
fn caller(other: &Project, url: &str) -> Project {
    let (gantz, folder) = (env!("CARGO_BIN_EXE_gantz"), other.path("").display().to_string());
    Project::with(&format!(
        r#"
name: caller
version: 1.0.0
mcp_servers:
  program: {{command: ["{gantz}", "--manifest", "{folder}/gantz.yaml", "mcp"]}}
  service: {{url: "{url}/mcp"}}
tools:
  wait_for:
    description: Wait until a file is there
    handler: mcp.program
    parameters: {{gate: {{type: string, required: true}}}}
  ask_service:
    description: The same, elsewhere
    handler: mcp.service
    mcp_tool: wait_for
    parameters: {{gate: {{type: string, required: true}}}}
  misspelt:
    description: There is no such tool
    handler: mcp.service
"#
    ))
}

#[tokio::test]
async fn tools_of_another_server_are_imported_and_run() {
    let other = Project::with(TOOLS);
    other.open("open");
    let (gantz, folder) = (env!("CARGO_BIN_EXE_gantz"), other.path("").display().to_string());
    let servers = format!(
        "mcp_servers:\n  other: {{command: [\"{gantz}\", --manifest, \"{folder}/gantz.yaml\", mcp]}}\n"
    );
    let project = Project::with(&format!("name: caller\nversion: 1.0.0\n# mine\n{servers}"));
    let ran = project.gantz(&["import", "mcp", "other", "--print"]).await;
    assert!(
        ran.ok().contains(
            "  wait_for:\n    description: \"Wait until a file is there\"\n    handler: mcp.other\n"
        ),
        "{ran}"
    );
    let ran = project.gantz(&["import", "mcp", "other"]).await;
    let told = ran.ok().to_owned();
    assert!(told.starts_with("imported ") && told.ends_with(" tools of `other`\n"), "{ran}");
    assert!(project.read("gantz.yaml").expect("a manifest").contains("# mine\n"));
    let ran = project.gantz(&["run", "wait_for", "--gate", "open", "-o", "json"]).await;
    ran.ok();
    assert_eq!(ran.json(), json!({"there": true}));
    let ran = project.gantz(&["import", "mcp", "other"]).await;
    assert!(ran.ok().starts_with("imported 0 tools of `other`, "), "{ran}");
    let ran = project.gantz(&["import", "mcp", "another"]).await;
    assert!(ran.refused(2).contains("hint: it has other"), "{ran}");
}

#[tokio::test]
async fn tools_of_other_servers_run_as_jobs() {
    let other = Project::with(TOOLS);
    other.open("open");
    let dev = Dev::start(&other).await;
    let project = caller(&other, &dev.url);
    for tool in ["wait_for", "ask_service"] {
        let ran = project.gantz(&["run", tool, "--gate", "open", "-o", "json"]).await;
        ran.ok();
        assert_eq!(ran.json(), json!({"there": true}), "{tool}");
    }
    let ran = project.gantz(&["run", "misspelt"]).await;
    assert!(ran.refused(1).contains("there is no tool `misspelt`"), "{ran}");
    // They are jobs on both sides.
    let lines = |ran: Ran| ran.json_lines().len();
    assert_eq!(lines(project.gantz(&["jobs", "-o", "jsonl"]).await), 3);
    assert_eq!(lines(other.gantz(&["jobs", "-o", "jsonl"]).await), 2);
    dev.stop().await;
}
