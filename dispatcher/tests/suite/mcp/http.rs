//! `/mcp` behind the HTTP door, byte by byte: what other clients send, and what they get.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use gantz_core::job::{JobResult, JobStatus};
use gantz_core::lifecycle::Ending;
use gantz_core::limits::HTTP_BODY_MAX_BYTES;
use gantz_dispatcher::http::HttpSettings;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{finish_next, submitted};
use crate::http::app::{App, until};

const MODERN: &str = "2026-07-28";

struct Reply {
    status: StatusCode,
    media_type: String,
    body: Value,
}

async fn send(app: &App, headers: &[(&str, &str)], message: &Value) -> Reply {
    send_text(app, headers, &message.to_string()).await
}

async fn send_text(app: &App, headers: &[(&str, &str)], text: &str) -> Reply {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "127.0.0.1:4700");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(text.to_owned())).unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let media_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
    Reply { status, media_type: media_type.unwrap_or_default(), body }
}

fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "trial", "version": "1.0.0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

const CALL: [(&str, &str); 3] =
    [("mcp-protocol-version", MODERN), ("mcp-method", "tools/call"), ("mcp-name", "explore")];

/// A call of `explore` whose client asks for progress.
fn call_with_progress() -> Value {
    let mut call = modern("tools/call", json!({"name": "explore", "arguments": {}}));
    call["params"]["_meta"]["progressToken"] = json!("of-the-call");
    call
}

/// The messages of a stream of events.
fn events(reply: &Reply) -> Vec<Value> {
    let lines = reply.body.as_str().unwrap().lines();
    let data = lines.filter_map(|line| line.strip_prefix("data:")).filter(|data| !data.trim().is_empty());
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test]
async fn whoever_asks_for_progress_is_told_what_the_job_does() {
    let app = App::new();
    let (call, ending) = (call_with_progress(), Ending::succeeded(JobResult::Inline(json!("found"))));
    let (reply, _) = tokio::join!(send(&app, &CALL, &call), finish_next(&app, ending));
    assert_eq!(
        (reply.status, reply.media_type.as_str()),
        (StatusCode::OK, "text/event-stream"),
        "{}",
        reply.body
    );
    let mut told = events(&reply);
    let answer = told.pop().unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "found", "{answer}");
    // How many changes there are depends on how soon it looks; the first and the last one are told for sure.
    for (n, notice) in told.iter().enumerate() {
        assert_eq!(notice["method"], "notifications/progress", "{notice}");
        let of = (&notice["params"]["progressToken"], notice["params"]["progress"].as_f64());
        assert_eq!(of, (&json!("of-the-call"), Some(n as f64)), "{notice}");
    }
    let messages: Vec<_> = told.iter().map(|notice| notice["params"]["message"].as_str().unwrap()).collect();
    assert_eq!((messages.first(), messages.last()), (Some(&"queued"), Some(&"succeeded")), "{messages:?}");
}

#[tokio::test]
async fn whoever_hangs_up_in_the_middle_of_the_progress_cancels_the_job() {
    let app = App::new();
    let call = call_with_progress();
    let row = tokio::select! {
        reply = send(&app, &CALL, &call) => panic!("answered: {} {}", reply.status, reply.body),
        row = async {
            let row = submitted(&app).await;
            app.claim(row.id.as_str()).await
        } => row,
    };
    until(async || {
        let row = app.ports.jobs.get(&row.id).await.unwrap().unwrap();
        row.cancel_requested_at_ms.map(drop)
    })
    .await;
}

#[tokio::test]
async fn where_answers_are_handed_over_whole_they_are_plain_json() {
    let settings = HttpSettings { streams: false, ..HttpSettings::default() };
    let app = App::with(settings, |dispatcher| dispatcher);
    let (call, ending) = (call_with_progress(), Ending::succeeded(JobResult::Inline(json!("found"))));
    let (reply, _) = tokio::join!(send(&app, &CALL, &call), finish_next(&app, ending));
    assert_eq!(reply.media_type, "application/json");
    assert_eq!(reply.body["result"]["content"][0]["text"], "found", "{}", reply.body);
}

#[tokio::test]
async fn a_modern_client_needs_no_session() {
    let app = App::new();
    let headers = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
    let reply = send(&app, &headers, &modern("tools/list", json!({}))).await;
    assert_eq!(
        (reply.status, reply.media_type.as_str()),
        (StatusCode::OK, "application/json"),
        "{}",
        reply.body
    );
    let names: Vec<_> =
        reply.body["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert!(names.contains(&&json!("echo")) && names.contains(&&json!("submit_job")), "{names:?}");
    assert_eq!(
        (&reply.body["result"]["ttlMs"], &reply.body["result"]["cacheScope"]),
        (&json!(60_000), &json!("public"))
    );
}

#[tokio::test]
async fn a_legacy_client_says_hello_on_the_same_endpoint() {
    let app = App::new();
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "trial", "version": "1.0.0"}},
    });
    let reply = send(&app, &[], &hello).await;
    let result = &reply.body["result"];
    assert_eq!(
        (reply.status, &result["protocolVersion"]),
        (StatusCode::OK, &json!("2025-06-18")),
        "{}",
        reply.body
    );
    assert_eq!(result["serverInfo"]["name"], "doors");
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let reply = send(&app, &[("mcp-protocol-version", "2025-06-18")], &list).await;
    assert_eq!(reply.body["result"]["tools"][0]["name"], "analyze_file", "{}", reply.body);
}

#[tokio::test]
async fn versions_are_offered_and_nonsense_is_refused() {
    let app = App::new();
    for (asked, agreed) in [("2099-01-01", "2025-11-25"), ("2024-11-05", "2024-11-05")] {
        let hello = json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "trial", "version": "1"}},
        });
        let reply = send(&app, &[("mcp-protocol-version", asked)], &hello).await;
        let version = &reply.body["result"]["protocolVersion"];
        assert_eq!((reply.status, version), (StatusCode::OK, &json!(agreed)), "{}", reply.body);
    }
    let hello = modern("initialize", json!({}));
    let reply = send(&app, &[("mcp-protocol-version", MODERN), ("mcp-method", "initialize")], &hello).await;
    let code = &reply.body["error"]["code"];
    assert_eq!((reply.status, code), (StatusCode::NOT_FOUND, &json!(-32601)), "{}", reply.body);
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let reply = send(&app, &[("mcp-protocol-version", "1900-01-01")], &list).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.body);
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_mcps_words() {
    let app = App::new();
    let ping = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
    for (body, code) in
        [(ping, -32600), ("[]", -32600), ("42", -32600), (r#"{"jsonrpc""#, -32700), ("", -32700)]
    {
        let reply = send_text(&app, &[], body).await;
        let told = (&reply.body["error"]["code"], &reply.body["id"]);
        assert_eq!((reply.status, told), (StatusCode::BAD_REQUEST, (&json!(code), &Value::Null)), "{body}");
    }
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"explore","arguments":
        {"anything": {"n": 18446744073709551616}}}}"#;
    let reply = send_text(&app, &[], call).await;
    let told = (&reply.body["error"]["code"], &reply.body["id"]);
    assert_eq!(
        (reply.status, told),
        (StatusCode::BAD_REQUEST, (&json!(-32602), &json!(7))),
        "{}",
        reply.body
    );
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(HTTP_BODY_MAX_BYTES));
    assert_eq!(send_text(&app, &[], &large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn notifications_are_accepted_and_not_answered() {
    let app = App::new();
    for method in ["notifications/initialized", "notifications/xyz"] {
        let reply = send(&app, &[], &json!({"jsonrpc": "2.0", "method": method})).await;
        assert_eq!((reply.status, reply.body), (StatusCode::ACCEPTED, json!("")), "{method}");
    }
}

#[tokio::test]
async fn strangers_are_refused() {
    let app = App::new();
    for (name, value, status) in [
        ("host", "evil.example:7777", StatusCode::FORBIDDEN),
        ("host", "localhost.evil.example:7777", StatusCode::FORBIDDEN),
        ("host", "mcp.corp.example", StatusCode::FORBIDDEN),
        ("host", "[::1]:7777", StatusCode::OK),
        ("host", "LOCALHOST:7777", StatusCode::OK),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("origin", "https://evil.example", StatusCode::FORBIDDEN),
        ("origin", "http://localhost:6274", StatusCode::OK),
    ] {
        let headers = [(name, value), ("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
        let reply = send(&app, &headers, &modern("tools/list", json!({}))).await;
        assert_eq!(reply.status, status, "{name}: {value}");
    }
    // Whoever it is, that comes first.
    assert_eq!(send_text(&app, &[("host", "evil.example")], "[").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn whoever_hangs_up_cancels_the_job() {
    let app = App::new();
    let call = modern("tools/call", json!({"name": "explore", "arguments": {}}));
    let row = tokio::select! {
        reply = send(&app, &CALL, &call) => panic!("answered: {} {}", reply.status, reply.body),
        row = submitted(&app) => row,
    };
    let row = app.until_finished(row.id.as_str()).await;
    assert_eq!(row.status, JobStatus::Cancelled);
}
