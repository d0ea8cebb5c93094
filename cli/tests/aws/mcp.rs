//! Agents at the dispatcher's function: every request is a process of its own, and the task is the job's row.

use std::fs;
use std::process::Command;

use reqwest::header::{ACCEPT, AUTHORIZATION};
use serde_json::{Value, json};

use crate::fleet::{Fleet, fleet, text};
use crate::functions::request;
use crate::roles::signed;

const VERSION: &str = "2026-07-28";
const ACCEPTED: &str = "application/json, text/event-stream";

/// What the twin of the dispatcher's function is called, whose processes are killed.
const MORTAL: &str = "e2e-mortal-dispatcher";

/// A message as a client sends it that takes tasks, and its headers.
fn message(method: &str, name: &str, mut params: Value) -> (Value, [(&'static str, String); 3]) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "trial", "version": "1.0.0"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    });
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let headers = [
        ("mcp-protocol-version", VERSION.to_owned()),
        ("mcp-method", method.to_owned()),
        ("mcp-name", name.to_owned()),
    ];
    (message, headers)
}

/// Sends one message through the HTTP API, and returns the result.
async fn ask(fleet: &Fleet, method: &str, name: &str, params: Value) -> Value {
    let host = fleet.output("ApiUrl").split("://").nth(1).unwrap();
    let api = host.split('.').next().unwrap();
    let (message, headers) = message(method, name, params);
    let mut request = reqwest::Client::new()
        .post(format!("{}/_aws/execute-api/{api}/$default/mcp", fleet.endpoint()))
        .header(AUTHORIZATION, signed("execute-api"))
        .header(ACCEPT, ACCEPTED)
        .json(&message);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    answer.json::<Value>().await.unwrap()["result"].clone()
}

/// Has a function handle one message, as the HTTP API would, and returns the result.
async fn ask_function(fleet: &Fleet, function: &str, method: &str, name: &str, params: Value) -> Value {
    let (message, headers) = message(method, name, params);
    let mut event = request("POST", "/mcp");
    event["body"] = json!(message.to_string());
    event["headers"] = json!({"host": "any", "accept": ACCEPTED, "content-type": "application/json"});
    for (name, value) in headers {
        event["headers"][name] = json!(value);
    }
    let answer = fleet.invoke_by_name(function, &event).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    serde_json::from_str::<Value>(answer["body"].as_str().unwrap()).unwrap()["result"].clone()
}

/// The processes that run a function of this fleet.
fn processes_of(fleet: &Fleet, function: &str) -> Vec<u32> {
    let marks =
        [format!("AWS_LAMBDA_FUNCTION_NAME={function}"), format!("AWS_ENDPOINT_URL={}", fleet.endpoint())];
    let folders = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let ids = folders.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_its = |id: &u32| {
        let environ = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let has =
            |mark: &String| environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
        marks.iter().all(has)
    };
    ids.filter(is_its).collect()
}

/// Leaves no process alive that has run the function.
async fn kill_all(fleet: &Fleet, function: &str) {
    fleet
        .until(
            async || {
                let alive = processes_of(fleet, function);
                for id in &alive {
                    // One that has ended by itself is no failure.
                    Command::new("kill").args(["-9", &id.to_string()]).output().unwrap();
                }
                alive
            },
            Vec::is_empty,
        )
        .await;
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_task_outlives_every_process_that_knew_of_it() {
    let fleet = fleet();
    fleet.twin(MORTAL, "DispatcherFunction", &fleet.programs().join("gantz-dispatcher"), 60).await;
    let call = json!({"name": "slow", "arguments": {"text": "still here"}});
    let task = ask_function(fleet, MORTAL, "tools/call", "slow", call).await;
    let id = task["taskId"].as_str().unwrap_or_else(|| panic!("no task: {task}")).to_owned();
    kill_all(fleet, MORTAL).await;
    let task = ask_function(fleet, MORTAL, "tasks/get", &id, json!({"taskId": id})).await;
    assert!(["working", "completed"].contains(&task["status"].as_str().unwrap()), "{task}");
    fleet.ended(&id).await;
    kill_all(fleet, MORTAL).await;
    let task = ask_function(fleet, MORTAL, "tasks/get", &id, json!({"taskId": id})).await;
    assert_eq!(
        (&task["status"], &task["result"]["structuredContent"]["text"]),
        (&json!("completed"), &json!("still here"))
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
