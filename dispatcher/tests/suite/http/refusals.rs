//! The corpus of bad requests: what each is told, and that none of them leaves a trace.

use std::fmt::Write;

use gantz_dispatcher::http::HttpSettings;
use serde_json::{Value, json};

use crate::http::app::{App, Ask};

/// A name and a request.
type Case = (&'static str, Ask);

#[tokio::test]
async fn bodies_that_are_no_json_object() {
    let body = |body: &str| Ask::new("POST", "/jobs").body(body.to_owned());
    let deep = |levels: usize| format!("{{\"tool\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    check(
        "bodies",
        vec![
            ("empty", body("")),
            ("white space", body(" \n ")),
            ("no JSON", body("hello")),
            ("cut short", body("{\"tool\": \"echo\",\n  \"parameters\": {\"text\"")),
            ("a comma too many", body("{\n  \"tool\": \"echo\",\n}")),
            ("two values", body("{} {}")),
            ("an array", body("[\"echo\", {}]")),
            ("a string", body("\"echo\"")),
            ("null", body("null")),
            ("no UTF-8", Ask::new("POST", "/jobs").body(&b"{\"tool\": \"\xff\"}"[..])),
            ("half a surrogate", body("{\"tool\": \"\\ud800\"}")),
            (
                "a number without end",
                body("{\"tool\": \"explore\", \"parameters\": {\"anything\": {\"n\": 1e999}}}"),
            ),
            (
                "an integer that would lose digits",
                body("{\"tool\": \"explore\",\n \"parameters\": {\"anything\": {\"n\": 18446744073709551616}}}"),
            ),
            ("as deep as allowed, and wrong otherwise", body(&deep(63))),
            ("one deeper", body(&deep(64))),
            ("a hundred thousand deep", body(&deep(100_000))),
        ],
    )
    .await;
}

#[tokio::test]
async fn fields_that_are_wrong() {
    let field = |name: &str, value: Value| {
        let mut body = json!({"tool": "echo", "parameters": {"text": "hello"}});
        body[name] = value;
        Ask::post("/jobs", &body)
    };
    check(
        "fields",
        vec![
            ("no tool", Ask::post("/jobs", &json!({"parameters": {}}))),
            ("a tool that is no string", field("tool", json!(7))),
            ("a misspelt tool", field("tool", json!("ecko"))),
            ("a tool unlike any", field("tool", json!("x".repeat(500)))),
            ("a misspelt field", field("paramaters", json!({}))),
            ("a field unlike any", field("zzz/~", json!(1))),
            ("a field with a very long name", field(&"z".repeat(5_000), json!(1))),
            ("a field twice", Ask::new("POST", "/jobs").body("{\"tool\": \"echo\", \"tool\": \"explore\"}")),
            ("a short job id", field("job_id", json!("job"))),
            ("a job id with a slash", field("job_id", json!("../../etc/passwd"))),
            ("a job id that is a number", field("job_id", json!(12_345_678))),
            ("an empty key", field("idempotency_key", json!(""))),
            ("a long key", field("idempotency_key", json!("k".repeat(256)))),
            ("an empty tenant", field("tenant", json!(""))),
            ("a lane that nobody serves", field("lane", json!("gpu"))),
            ("a lane that is no name", field("lane", json!("Fast Lane"))),
            ("a deadline that has passed", field("deadline", json!(1_600_000_000_000_u64))),
            ("a deadline in seconds", field("deadline", json!(1_800_000_000))),
            ("a deadline in microseconds", field("deadline", json!(1_800_000_000_000_000_u64))),
            ("a deadline that is no time", field("deadline", json!("tomorrow"))),
            ("a deadline of another type", field("deadline", json!([2030, 1, 31]))),
            ("a long deadline that is no time", field("deadline", json!("x".repeat(5_000)))),
            ("a long delay that is none", field("delay", json!("x".repeat(5_000)))),
            ("a delay that is too long", field("delay", json!("9d 1s"))),
            ("a negative delay", field("delay", json!(-1))),
            ("a delay of another type", field("delay", json!(true))),
            ("a label that is no text", field("label", json!({"en": "hello"}))),
            ("a long value of the wrong type", field("job_id", json!(["x".repeat(5_000)]))),
        ],
    )
    .await;
}

#[tokio::test]
async fn parameters_that_do_not_fit() {
    let parameters =
        |parameters: Value| Ask::post("/jobs", &json!({"tool": "echo", "parameters": parameters}));
    check(
        "parameters",
        vec![
            ("none at all", Ask::post("/jobs", &json!({"tool": "echo"}))),
            ("no object", parameters(json!("hello"))),
            ("null", parameters(Value::Null)),
            ("one of the wrong type", parameters(json!({"text": 1}))),
            ("a misspelt one", parameters(json!({"text": "a", "time": 2}))),
            ("several errors", parameters(json!({"times": 11, "options": {"loud": "yes", "a/b": 1}}))),
            ("too long a text", parameters(json!({"text": "x".repeat(100_001)}))),
            (
                "through the other door",
                Ask::post("/agent", &json!({"tool": "echo", "parameters": {"text": false}})),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn batches_that_are_wrong() {
    let batch = |body: Value| Ask::post("/batches", &body);
    check(
        "batches",
        vec![
            ("no source", batch(json!({"tool": "echo"}))),
            ("two sources", batch(json!({"tool": "echo", "items": [], "jsonl": "items.jsonl"}))),
            ("items that are no list", batch(json!({"tool": "echo", "items": {"text": "a"}}))),
            ("parameters that are no object", batch(json!({"tool": "echo", "items": [], "parameters": []}))),
            ("an unknown tool", batch(json!({"tool": "explorer", "items": []}))),
            ("a path parameter that is none", batch(json!({"tool": "echo", "files": "*.txt", "as": "file"}))),
            ("a tolerance that is none", batch(json!({"tool": "echo", "items": [], "tolerate": "many"}))),
            ("a tolerance of another type", batch(json!({"tool": "echo", "items": [], "tolerate": [1]}))),
            ("a negative tolerance", batch(json!({"tool": "echo", "items": [], "tolerate": -1}))),
            (
                "an id too long for its children",
                batch(json!({"tool": "echo", "items": [], "batch_id": "b".repeat(57)})),
            ),
            ("a field of a job", batch(json!({"tool": "echo", "items": [], "job_id": "job-0001"}))),
            ("no object", Ask::new("POST", "/batches").body("[]")),
        ],
    )
    .await;
}

#[tokio::test]
async fn headers_that_are_wrong() {
    let spec = json!({"tool": "echo", "parameters": {"text": "hello"}});
    let ask = |name: &'static str, value: &str| Ask::post("/jobs", &spec).without(name).header(name, value);
    let mut keyed = spec.clone();
    keyed["idempotency_key"] = json!("monday");
    check(
        "headers",
        vec![
            ("another media type", ask("content-type", "text/plain")),
            ("almost JSON", ask("content-type", "application/jsonl")),
            ("compressed", ask("content-encoding", "gzip")),
            ("an empty key", ask("idempotency-key", "")),
            ("an empty key in quotes", ask("idempotency-key", "\"\"")),
            ("a long key", ask("idempotency-key", &"k".repeat(256))),
            ("a key that is no ASCII", ask("idempotency-key", "größe")),
            ("two keys", ask("idempotency-key", "monday").header("idempotency-key", "tuesday")),
            ("keys that differ", Ask::post("/jobs", &keyed).header("idempotency-key", "tuesday")),
            ("remaining time that is none", Ask::post("/agent", &spec).header("gantz-remaining-ms", "soon")),
            ("negative remaining time", Ask::post("/agent", &spec).header("gantz-remaining-ms", "-5")),
        ],
    )
    .await;
}

#[tokio::test]
async fn targets_that_are_wrong() {
    check(
        "targets",
        vec![
            ("an unknown parameter", Ask::get("/jobs?state=QUEUED")),
            ("a parameter unlike any", Ask::get("/jobs?zzzzzzzz=1")),
            ("an unknown status", Ask::get("/jobs?status=DONE")),
            ("a parameter twice", Ask::get("/jobs?tool=a&tool=b")),
            ("a limit of nothing", Ask::get("/jobs?limit=0")),
            ("a limit too high", Ask::get("/batches?limit=1001")),
            ("a limit that is no number", Ask::get("/jobs?limit=ten")),
            ("a batch that is no id", Ask::get("/jobs?batch=b")),
            ("a tenant that is none", Ask::get("/jobs?tenant=a%20b")),
            ("a cursor that is none", Ask::get("/jobs?cursor=first")),
            ("a wait that is no number", Ask::get("/jobs/job-0001?wait=1m")),
            ("a negative wait", Ask::get("/batches/batch-0001?wait=-1")),
            ("a short id", Ask::get("/jobs/job")),
            ("an id of other characters", Ask::get("/jobs/job%20%2F..%2F0001")),
            ("an id that is no text", Ask::get("/jobs/job-%ff%fe")),
            ("an unknown job", Ask::get("/jobs/job-0001?wait=25")),
            ("an unknown batch", Ask::get("/batches/batch-0001?wait=25")),
            ("nothing to cancel", Ask::new("POST", "/jobs/batch-0001/cancel")),
        ],
    )
    .await;
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let settings = HttpSettings { body_max_bytes: 1_000, ..HttpSettings::default() };
    let app = App::with(settings, |dispatcher| dispatcher);
    let answer = app.post("/jobs", json!({"tool": "explore", "label": "x".repeat(1_000)})).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (413, "too_large"));
    app.assert_untouched("a large body").await;

    let app = App::new();
    let parameters = json!({"anything": {"text": "x".repeat(5 * 1024 * 1024)}});
    let answer = app.post("/jobs", json!({"tool": "explore", "parameters": parameters})).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (413, "too_large"));
    app.assert_untouched("large parameters").await;
}

/// Tells every answer in one snapshot, and sees after each that nothing was written.
async fn check(name: &str, cases: Vec<Case>) {
    let app = App::new();
    let mut told = String::new();
    for (case, ask) in cases {
        let line = format!("{} {}", ask.method, ask.target);
        let answer = app.call(ask).await;
        assert!(answer.status.is_client_error(), "{case}: {}", answer.status);
        assert!(answer.body.len() < 4_096, "{case}: the answer has {} bytes", answer.body.len());
        writeln!(told, "## {case}\n{line}\n{}\n{:#}\n", answer.status, answer.json()).unwrap();
        app.assert_untouched(case).await;
    }
    insta::assert_snapshot!(name, told);
}
