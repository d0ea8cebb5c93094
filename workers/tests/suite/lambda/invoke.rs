//! A direct invoke, and the same through `POST /agent`.

use gantz_core::job::JobStatus;
use gantz_core::limits::INLINE_RESULT_MAX_BYTES;
use gantz_workers::lambda::Invocation;
use serde_json::{Value, json};

use crate::fleet::{Fleet, lane};
use crate::lambda::sandbox::{MINUTE_MS, answer, invocation, worker};

const STEADY: (&str, &str) = ("steady", "timeout: 30s, retry: {max_attempts: 3}");
const TOO_LATE: &str = r#"{"statusCode":503,"body":"{\"error\":\"Insufficient time remaining\"}"}"#;

fn call(parameters: &Value) -> Value {
    json!({"tool": "steady", "parameters": parameters})
}

#[tokio::test(start_paused = true)]
async fn the_result_is_in_the_answer_and_in_a_row() {
    let fleet = Fleet::new(&[STEADY]);
    let function = worker(&fleet);
    let answered = answer(&function, call(&json!({"mode": "succeed"})), &invocation(&fleet, MINUTE_MS)).await;
    assert_eq!(answered, r#"{"statusCode":200,"body":"{\"attempt\":1}"}"#);
    let rows = fleet.rows().await;
    assert_eq!((rows.len(), rows[0].status), (1, JobStatus::Succeeded));
    // Lambda repeats an asynchronous invoke under the same id: nothing runs again.
    let again = answer(&function, call(&json!({"mode": "succeed"})), &invocation(&fleet, MINUTE_MS)).await;
    assert_eq!(again, answered);
    assert_eq!(fleet.journal.starts().len(), 1);
    fleet.all_is_settled().await;
}

#[tokio::test(start_paused = true)]
async fn with_less_than_five_seconds_nothing_starts() {
    let fleet = Fleet::new(&[STEADY]);
    let function = worker(&fleet);
    let ask = || call(&json!({"mode": "succeed"}));
    assert_eq!(answer(&function, ask(), &invocation(&fleet, 4_999)).await, TOO_LATE);
    assert_eq!(answer(&function, ask(), &invocation(&fleet, 0)).await, TOO_LATE);
    assert_eq!(answer(&function, ask(), &Invocation::new("timeless", 0)).await, TOO_LATE);
    assert_eq!(fleet.rows().await, []);
    let answered = answer(&function, ask(), &invocation(&fleet, 5_500)).await;
    assert!(answered.starts_with(r#"{"statusCode":200,"#), "{answered}");
}

#[tokio::test(start_paused = true)]
async fn a_tool_gets_what_time_there_is_less_a_second() {
    let fleet = Fleet::new(&[STEADY]);
    for (remaining_ms, timeout_ms) in [(10_000, 9_000), (MINUTE_MS, 30_000)] {
        let invocation = Invocation::new(format!("request-{remaining_ms}"), fleet.now_ms() + remaining_ms);
        let answered = answer(&worker(&fleet), call(&json!({"mode": "hang"})), &invocation).await;
        let expected = format!(
            r#"{{"statusCode":500,"body":"{{\"error\":\"stopped after its timeout of {timeout_ms} ms\"}}"}}"#
        );
        assert_eq!(answered, expected);
        assert!(fleet.now_ms() < invocation.deadline_ms.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn one_attempt_is_all_there_is() {
    let fleet = Fleet::new(&[STEADY]);
    for (mode, message) in [
        ("fail_transient", "attempt 1 got no answer"),
        ("fail_permanent", "attempt 1 found nothing"),
        ("panic", "panicked: internal error: entered unreachable code: attempt 1 had a bug"),
    ] {
        let invocation = Invocation::new(mode, fleet.now_ms() + MINUTE_MS);
        let answered = answer(&worker(&fleet), call(&json!({"mode": mode})), &invocation).await;
        let body = json!({"error": message}).to_string();
        let body = Value::String(body);
        assert_eq!(answered, format!(r#"{{"statusCode":500,"body":{body}}}"#));
    }
    fleet.all_is_settled().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_manifest_does_not_allow_is_the_callers_mistake() {
    let fleet = Fleet::new(&[STEADY]);
    for (event, complaint) in [
        (json!({"tool": "stedy"}), "there is no tool `stedy`, did you mean `steady`?"),
        (json!({"tool": 7}), "the event is no submission"),
        (json!({"tool": "steady"}), "mode"),
        (call(&json!({"mode": 7})), "/mode"),
        (json!({"tool": "steady", "parameters": {"mode": "succeed"}, "color": 1}), "unknown field `color`"),
        (json!({"tool": "steady", "parameters": {"mode": "succeed"}, "delay": "5s"}), "`/delay`"),
    ] {
        let answered = answer(&worker(&fleet), event, &invocation(&fleet, MINUTE_MS)).await;
        let answered: Value = serde_json::from_str(&answered).unwrap();
        let body: Value = serde_json::from_str(answered["body"].as_str().unwrap()).unwrap();
        assert_eq!(answered["statusCode"], 400);
        assert!(body["error"].as_str().unwrap().contains(complaint), "{body}");
    }
    assert_eq!(fleet.rows().await, []);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_belongs_to_another_job_is_a_conflict() {
    let fleet = Fleet::new(&[STEADY]);
    let function = worker(&fleet);
    let ask = |mode: &str| json!({"tool": "steady", "parameters": {"mode": mode}, "job_id": "my-own-id"});
    // Running already: the message of a queued job was received, and its worker holds the lease.
    let answered = answer(&function, ask("succeed"), &invocation(&fleet, MINUTE_MS)).await;
    assert!(answered.starts_with(r#"{"statusCode":200,"#), "{answered}");
    let queued = fleet.submit("steady", json!({"mode": "hang"})).await;
    let rival = fleet.rival_claim(fleet.row(&queued).await, fleet.now_ms());
    let _verdict = fleet.ports.jobs.claim(rival).await.unwrap();
    let ask = json!({"tool": "steady", "parameters": {"mode": "hang"}, "job_id": queued});
    let answered = answer(&function, ask, &invocation(&fleet, MINUTE_MS)).await;
    assert!(answered.starts_with(r#"{"statusCode":409,"#), "{answered}");
    assert!(answered.contains("is running already"), "{answered}");
    assert_eq!(fleet.depth(&lane()).await.visible, 1, "its message is untouched");
}

#[tokio::test(start_paused = true)]
async fn a_large_result_is_fetched_for_the_answer() {
    let fleet = Fleet::new(&[STEADY]);
    let bytes = INLINE_RESULT_MAX_BYTES + 1;
    let ask = call(&json!({"mode": "big_result", "bytes": bytes}));
    let answered = answer(&worker(&fleet), ask, &invocation(&fleet, MINUTE_MS)).await;
    let answered: Value = serde_json::from_str(&answered).unwrap();
    assert_eq!(answered["statusCode"], 200);
    assert_eq!(answered["body"].as_str().unwrap().len(), bytes);
}

fn request(method: &str, path: &str, body: &str, is_encoded: bool) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1"}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": is_encoded,
    })
}

#[tokio::test(start_paused = true)]
async fn the_same_through_http() {
    let fleet = Fleet::new(&[STEADY]);
    let function = worker(&fleet);
    let body = r#"{"tool": "steady", "parameters": {"mode": "succeed"}, "job_id": "agent-call-1"}"#;
    // The same bytes in base64, as some gateways send them.
    let encoded = "eyJ0b29sIjogInN0ZWFkeSIsICJwYXJhbWV0ZXJzIjogeyJtb2RlIjogInN1Y2NlZWQifSwgImpvYl9pZCI6ICJhZ2VudC1jYWxsLTEifQ==";
    for event in [
        request("POST", "/agent", body, false),
        request("POST", "/prod/agent", body, false),
        request("POST", "/agent", encoded, true),
    ] {
        let answered = answer(&function, event, &invocation(&fleet, MINUTE_MS)).await;
        let expected = r#"{"statusCode":200,"headers":{"content-type":"application/json","gantz-job-id":"agent-call-1"},"body":"{\"attempt\":1}"}"#;
        assert_eq!(answered, expected);
    }
    assert_eq!(fleet.journal.starts().len(), 1, "the same id is the same job");
    for (event, status) in [
        (request("GET", "/agent", "", false), 405),
        (request("POST", "/jobs", body, false), 404),
        (request("POST", "/agent", "{", false), 400),
        (request("POST", "/agent", "!", true), 400),
        (request("POST", "/agent", "[]", false), 400),
    ] {
        let answered = answer(&function, event, &invocation(&fleet, MINUTE_MS)).await;
        assert!(answered.starts_with(&format!(r#"{{"statusCode":{status},"#)), "{answered}");
    }
    let late = answer(&function, request("POST", "/agent", body, false), &invocation(&fleet, 4_000)).await;
    assert!(late.starts_with(r#"{"statusCode":503,"#), "{late}");
}
