//! The server line by line, as on stdio.

use gantz_core::job::JobResult;
use gantz_core::lifecycle::Ending;
use gantz_dispatcher::mcp::McpServer;
use rmcp::ServiceExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, split};

use super::{PATIENCE_MS, finish_next};
use crate::http::app::App;

/// A client's end of the connection.
struct Connection(Lines<BufReader<ReadHalf<DuplexStream>>>);

impl Connection {
    /// Connects, says hello, and sends these as well.
    async fn open(app: &App, messages: &[Value]) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let server = McpServer::new(app.dispatcher.clone(), PATIENCE_MS);
        tokio::spawn(async move { server.serve(theirs).await.unwrap().waiting().await });
        let (output, mut input) = split(ours);
        let client = json!({"name": "trial", "version": "1.0.0"});
        let hello = [
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
                "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        ];
        for message in hello.iter().chain(messages) {
            input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        }
        Self(BufReader::new(output).lines())
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.0.next_line().await.unwrap().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn every_request_is_answered_and_no_notification() {
    let app = App::new();
    let messages = [
        json!({"jsonrpc": "2.0", "method": "notifications/xyz"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "nope"}),
    ];
    let mut connection = Connection::open(&app, &messages).await;
    let mut answers = [connection.next().await, connection.next().await, connection.next().await];
    answers.sort_by_key(|answer| answer["id"].as_u64());
    let ids = answers.each_ref().map(|answer| &answer["id"]);
    assert_eq!(ids, [&json!(0), &json!(1), &json!(2)]);
    assert_eq!((&answers[1]["result"], &answers[2]["error"]["code"]), (&json!({}), &json!(-32601)));
}

#[tokio::test]
async fn progress_is_told_before_the_answer() {
    let app = App::new();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "explore", "arguments": {}, "_meta": {"progressToken": 17}}});
    let mut connection = Connection::open(&app, &[call]).await;
    assert_eq!(connection.next().await["id"], 0);
    let told = connection.next().await;
    assert_eq!(told["params"], json!({"progressToken": 17, "progress": 0.0, "message": "queued"}), "{told}");
    finish_next(&app, Ending::succeeded(JobResult::Inline(json!("found")))).await;
    let mut told = connection.next().await;
    while told["method"] == "notifications/progress" {
        told = connection.next().await;
    }
    assert_eq!((&told["id"], &told["result"]["content"][0]["text"]), (&json!(1), &json!("found")), "{told}");
}
