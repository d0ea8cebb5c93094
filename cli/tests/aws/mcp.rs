//! Agents at the dispatcher's function: every request is a process of its own, and the task is the job's row.

use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde_json::{Value, json};

use crate::fleet::{Fleet, fleet, text};
use crate::roles::signed;

const VERSION: &str = "2026-07-28";

/// Sends one message as a client does that takes tasks, and returns the result.
async fn ask(fleet: &Fleet, method: &str, name: &str, mut params: Value) -> Value {
    let host = fleet.output("ApiUrl").split("://").nth(1).unwrap();
    let api = host.split('.').next().unwrap();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "trial", "version": "1.0.0"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    });
    let request = reqwest::Client::new()
        .post(format!("{}/_aws/execute-api/{api}/$default/mcp", fleet.endpoint()))
        .header(AUTHORIZATION, signed("execute-api"))
        .header(ACCEPT, "application/json, text/event-stream")
        .header("mcp-protocol-version", VERSION)
        .header("mcp-method", method)
        .header("mcp-name", name)
        .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    answer.json::<Value>().await.unwrap()["result"].clone()
}

#[tokio::test]
async fn a_call_becomes_a_task_that_any_process_answers_for() {
    let fleet = fleet();
    let call = json!({"name": "echo", "arguments": {"text": "by agent"}});
    let answer = ask(fleet, "tools/call", "echo", call).await;
    let result = match answer["taskId"].as_str() {
        Some(id) => {
            fleet.ended(id).await;
            let task = ask(fleet, "tasks/get", id, json!({"taskId": id})).await;
            assert_eq!(task["status"], "completed", "{task}");
            task["result"].clone()
        }
        // It ended while the call waited.
        None => answer,
    };
    assert_eq!(
        (&result["isError"], &result["structuredContent"]["text"]),
        (&json!(false), &json!("by agent"))
    );
}

#[tokio::test]
async fn a_task_is_cancelled_as_its_job() {
    let fleet = fleet();
    let submitted =
        json!({"tool": "echo", "parameters": {"text": "late"}, "delay": "15m", "job_id": "unwanted-0002"});
    fleet.invoke("DispatcherFunction", &submitted).await;
    ask(fleet, "tasks/cancel", "unwanted-0002", json!({"taskId": "unwanted-0002"})).await;
    let task = ask(fleet, "tasks/get", "unwanted-0002", json!({"taskId": "unwanted-0002"})).await;
    assert_eq!(task["status"], "cancelled", "{task}");
    assert_eq!(text(&fleet.ended("unwanted-0002").await, "status"), "CANCELLED");
}
