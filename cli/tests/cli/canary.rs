//! Parameters and results are in rows and events, and in no log; secrets are nowhere.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

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

/// Tools that know the secret and keep it to themselves, whatever becomes of their calls.
const KEEPERS: &str = r#"
name: keepers
version: 1.0.0
defaults:
  retry: {max_attempts: 2, first: 1ms, max: 5ms}
mcp_servers:
  notes: {command: [sh, -c, "test -n \"$KEY\" && exit 3"], env: {KEY: "${env:CANARY}"}}
tools:
  counts:
    description: Tell how long it is
    handler: command
    command: {program: sh, args: ["-c", "printf %s \"$KEY\" | wc -c"], env: {KEY: "${env:CANARY}"}}
  hush:
    description: Fail without a word
    handler: command
    command: {program: sh, args: ["-c", "exit 75"], env: {KEY: "${env:CANARY}"}}
  slow:
    description: Take longer than it may
    handler: command
    timeout: 100ms
    command: {program: sleep, args: ["30"], env: {KEY: "${env:CANARY}"}}
  nowhere:
    description: Is not there
    handler: command
    command: {program: ./missing, env: {KEY: "${env:CANARY}"}}
  fetch:
    description: Ask one who does not know it
    handler: http.request
    http: {url: "http://PEER/", headers: {Authorization: "Bearer ${env:CANARY}"}, allow_hosts: [PEER]}
  broken:
    description: Cannot be written in a header
    handler: http.request
    http: {url: "http://PEER/", headers: {Authorization: "${env:BROKEN}"}, allow_hosts: [PEER]}
  noted:
    description: Its server ends at once
    handler: mcp.notes
"#;

#[tokio::test]
async fn nothing_that_is_kept_or_told_holds_a_secret() {
    let (peer, heard) = stubborn_peer().await;
    let project = Project::with(&KEEPERS.replace("PEER", &peer));
    let mut command = project.command(&["dev", "--port", "0"]);
    command.env("RUST_LOG", "trace").env("CANARY", CANARY).env("BROKEN", format!("two\nlines {CANARY}"));
    let dev = Dev::of(project.begin(command)).await;
    let client = reqwest::Client::new();
    let ends = [
        ("counts", "SUCCEEDED"),
        ("hush", "FAILED"),
        ("slow", "FAILED"),
        ("nowhere", "FAILED"),
        ("fetch", "FAILED"),
        ("broken", "FAILED"),
        ("noted", "FAILED"),
    ];
    for (tool, status) in ends {
        let job = json!({"tool": tool, "job_id": format!("keeper-{tool}")});
        client.post(format!("{}/jobs", dev.url)).json(&job).send().await.expect("an answer");
        let row = project.reach_end(&format!("keeper-{tool}")).await;
        assert_eq!(row["status"], status, "{row}");
        assert!(!row.to_string().contains(CANARY), "{row}");
    }
    let counted = project.gantz(&["result", "keeper-counts"]).await;
    assert_eq!(counted.ok().trim(), CANARY.len().to_string(), "the program knew it");
    assert!(heard.lock().await.contains(CANARY), "the peer was told");
    for path in ["/metrics", "/events", "/tools", "/jobs"] {
        let answer = client.get(format!("{}{path}", dev.url)).send().await.expect("an answer");
        let answer = answer.text().await.expect("text");
        assert!(!answer.contains(CANARY), "{path}: {answer}");
    }
    let why = project.gantz(&["why", "keeper-broken"]).await;
    assert!(!why.to_string().contains(CANARY), "{why}");
    let ran = dev.stop().await;
    for (number, line) in ran.stderr.lines().chain(ran.stdout.lines()).enumerate() {
        assert!(!line.contains(CANARY), "line {number}: {line}");
    }
    let data = project.path(".gantz");
    assert!(!holding(&data, "keeper-hush").is_empty(), "its rows are there");
    assert_eq!(holding(&data, CANARY), Vec::<String>::new());
}

/// A server that turns everybody away, and what it was told.
async fn stubborn_peer() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let heard = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = vec![0; 8_192];
            let bytes = connection.read(&mut request).await.unwrap_or(0);
            told.lock().await.push_str(&String::from_utf8_lossy(&request[..bytes]));
            let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            connection.write_all(answer).await.ok();
        }
    });
    (address, heard)
}

/// The files below a folder that hold this text.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => holding(&path, text),
            false => {
                let bytes = fs::read(&path).expect("a file");
                let holds = bytes.windows(text.len()).any(|window| window == text.as_bytes());
                holds.then(|| path.display().to_string()).into_iter().collect()
            }
        })
        .collect()
}
