//! Requests through gateways.

use gantz_core::job::JobResult;
use gantz_core::lifecycle::{ClaimVerdict, Ending, FinishVerdict};
use gantz_dispatcher::lambda::{Lambda, Tokens};
use gantz_testkit::builders::{NOW_MS, claim, held};
use serde_json::{Value, json};

use crate::lambda::world::{World, event, invocation};

async fn ask(function: &Lambda, event: &Value, remaining_ms: u64) -> Value {
    function.handle(event, &invocation(remaining_ms)).await.unwrap()
}

fn request(method: &str, path: &str, query: &str, body: &Value) -> Value {
    let mut event = event("http_v2_submit");
    event["rawPath"] = json!(path);
    event["rawQueryString"] = json!(query);
    event["requestContext"]["http"]["method"] = json!(method);
    event["body"] = json!(body.to_string());
    event
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_job_goes_in_and_its_record_comes_out() {
    let world = World::new();
    let answer = ask(&world.function, &event("http_v2_submit"), 60_000).await;
    assert_eq!(answer["statusCode"], 202);
    assert_eq!(answer["isBase64Encoded"], false);
    assert_eq!(answer["headers"]["location"], "/jobs/http-0001");
    assert_eq!(answer["headers"]["content-type"], "application/json");
    assert_eq!(answer.get("multiValueHeaders"), None);
    assert_eq!(body(&answer)["job_id"], "http-0001");

    let shown = ask(&world.function, &request("GET", "/jobs/http-0001", "", &Value::Null), 60_000).await;
    assert_eq!((&shown["statusCode"], &body(&shown)["status"]), (&json!(200), &json!("QUEUED")));
}

#[tokio::test]
async fn a_body_in_base64_is_the_same_body() {
    let world = World::new();
    let answer = ask(&world.function, &event("http_v2_base64"), 60_000).await;
    assert_eq!(body(&answer)["job_id"], "http-0002");
}

#[tokio::test]
async fn the_older_format_is_answered_in_its_own_terms() {
    let world = World::new();
    let answer = ask(&world.function, &event("http_v1_submit"), 60_000).await;
    assert_eq!(answer["statusCode"], 202);
    assert_eq!(answer["multiValueHeaders"]["location"], json!(["/jobs/http-0003"]));
    assert_eq!(answer.get("headers"), None);
    let listed = ask(&world.function, &event("http_v1_query"), 60_000).await;
    assert_eq!(body(&listed)["jobs"], json!([]), "of all jobs, those that succeeded");
}

#[tokio::test]
async fn an_agent_calls_a_tool_and_is_told_of_its_job() {
    let world = World::new();
    let call = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": "submit_job", "arguments": {"tool": "echo", "parameters": {"text": "hello"}}},
    });
    let mut event = request("POST", "/mcp", "", &call);
    event["headers"]["accept"] = json!("application/json, text/event-stream");
    event["headers"]["mcp-protocol-version"] = json!("2025-06-18");
    let answer = ask(&world.function, &event, 60_000).await;
    assert_eq!(
        (&answer["statusCode"], &answer["headers"]["content-type"]),
        (&json!(200), &json!("application/json"))
    );
    let told = body(&answer);
    assert_eq!((&told["id"], &told["result"]["isError"]), (&json!(7), &json!(false)), "{told}");
    let id = told["result"]["structuredContent"]["job_id"].as_str().unwrap();
    let shown = ask(&world.function, &request("GET", &format!("/jobs/{id}"), "", &Value::Null), 60_000).await;
    assert_eq!(body(&shown)["status"], "QUEUED");
}

#[tokio::test]
async fn stages_are_no_part_of_a_path() {
    let world = World::new();
    let table = [
        ("$default", "/tools", 200),
        ("prod", "/prod/tools", 200),
        ("prod", "/prod/", 404),
        ("prod", "/tools", 200),
        ("prod", "/production/tools", 404),
        ("tools", "/tools/tools", 200),
        ("", "/tools", 200),
    ];
    for (stage, path, status) in table {
        let mut event = request("GET", path, "", &Value::Null);
        event["requestContext"]["stage"] = json!(stage);
        assert_eq!(ask(&world.function, &event, 60_000).await["statusCode"], status, "{stage} {path}");
    }
}

#[tokio::test]
async fn a_call_begins_only_with_five_seconds_left() {
    let world = World::new();
    let call = |id: &str| {
        let spec = json!({"tool": "echo", "parameters": {"text": "hello"}, "job_id": id});
        request("POST", "/agent", "", &spec)
    };
    let answer = ask(&world.function, &call("agent-01"), 4_999).await;
    assert_eq!(answer["statusCode"], 503);
    assert_eq!(body(&answer)["type"], "urn:gantz:problem:insufficient_time");
    assert_eq!(world.job("agent-01").await, None);

    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let answer = ask(&world.function, &call("agent-02"), 8_000).await;
    assert_eq!(body(&answer)["type"], "urn:gantz:problem:timeout");
    let waited_ms = began.elapsed().as_millis();
    assert!((7_000..7_100).contains(&waited_ms), "a second is kept for the answer: {waited_ms}");
}

#[tokio::test]
async fn nobody_waits_longer_than_the_gateway_or_the_invocation() {
    let world = World::new();
    ask(&world.function, &event("http_v2_submit"), 60_000).await;
    tokio::time::pause();
    let agent = json!({"tool": "echo", "parameters": {"text": "hello"}, "job_id": "agent-01"});
    let table = [
        ("a look", request("GET", "/jobs/http-0001", "wait=20", &Value::Null), 10_000, 9_000),
        ("a gateway", request("POST", "/agent", "", &agent), 900_000, 28_000),
    ];
    for (what, event, remaining_ms, expected_ms) in table {
        let began = tokio::time::Instant::now();
        ask(&world.function, &event, remaining_ms).await;
        let waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap();
        assert!((expected_ms..expected_ms + 100).contains(&waited_ms), "{what}: {waited_ms}");
    }
    let mut through_url = request("POST", "/agent", "", &agent);
    through_url["requestContext"]["domainName"] = json!("xyz.lambda-url.us-east-1.on.aws");
    let began = tokio::time::Instant::now();
    ask(&world.function, &through_url, 100_000).await;
    assert!(began.elapsed().as_millis() >= 99_000, "a function's URL waits as long as the function runs");
}

#[tokio::test]
async fn repeated_keys_are_the_same_job_and_other_parameters_a_conflict() {
    let world = World::new();
    let spec = |text: &str| json!({"tool": "echo", "parameters": {"text": text}});
    let keyed = |text: &str| {
        let mut event = request("POST", "/jobs", "", &spec(text));
        event["headers"]["idempotency-key"] = json!("monday");
        event
    };
    let first = ask(&world.function, &keyed("a"), 60_000).await;
    let again = ask(&world.function, &keyed("a"), 60_000).await;
    assert_eq!(body(&first)["job_id"], body(&again)["job_id"]);
    assert_eq!(ask(&world.function, &keyed("b"), 60_000).await["statusCode"], 409);
    assert_eq!(world.jobs().await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_door_says_so() {
    let world = World::new();
    ask(&world.function, &event("http_v2_submit"), 60_000).await;
    let row = world.job("http-0001").await.unwrap();
    let claimed = match world.ports.jobs.claim(claim(&row, "worker", NOW_MS)).await.unwrap() {
        ClaimVerdict::Granted(row) => *row,
        other => unreachable!("{other:?}"),
    };
    // Escaped for its way through the gateway, each quote becomes two characters.
    let large = json!("\"".repeat(2 * 1024 * 1024));
    let ending = Ending::succeeded(JobResult::Inline(large));
    let ended = world.ports.jobs.finish(&held(&claimed), ending, NOW_MS).await.unwrap();
    assert!(matches!(ended, FinishVerdict::Committed(_)), "{ended:?}");

    let result = request("GET", "/jobs/http-0001/result", "", &Value::Null);
    let answer = ask(&world.function, &result, 60_000).await;
    assert_eq!(answer["statusCode"], 500);
    assert_eq!(answer["headers"]["content-type"], "application/problem+json");
    assert_eq!(body(&answer)["type"], "urn:gantz:problem:result_too_large");
}

/// Tokens that have the tenant's name in this claim.
fn tokens(tenant_claim: &str) -> Tokens {
    Tokens { issuer: Some("https://login.acme.test/".into()), tenant_claim: Some(tenant_claim.into()) }
}

/// The same request, with a token for this tenant.
fn by(tenant: &str, mut event: Value) -> Value {
    event["requestContext"]["authorizer"] = json!({"jwt": {"claims": {"sub": tenant}, "scopes": null}});
    event
}

#[tokio::test]
async fn the_bearer_of_a_token_acts_for_its_tenant_alone() {
    let world = World::new();
    let function = world.function.clone().with_tokens(tokens("sub"));
    let ask = async |tenant: &str, method: &str, path: &str, query: &str, content: Value| {
        let answer = ask(&function, &by(tenant, request(method, path, query, &content)), 60_000).await;
        (answer["statusCode"].as_u64().unwrap(), body(&answer))
    };
    let job = json!({"tool": "echo", "parameters": {"text": "mine"}, "job_id": "acmes-0001"});
    let (status, row) = ask("acme", "POST", "/jobs", "", job.clone()).await;
    assert_eq!((status, &row["tenant"]), (202, &json!("acme")));
    let batch = json!({"tool": "echo", "items": [{"text": "one"}], "batch_id": "acmes-0002"});
    assert_eq!(ask("acme", "POST", "/batches", "", batch).await.0, 202);
    let for_another = json!({"tool": "echo", "parameters": {"text": "mine"}, "tenant": "globex"});
    for path in ["/jobs", "/batches", "/agent"] {
        let mut asked = for_another.clone();
        if path == "/batches" {
            asked = json!({"tool": "echo", "items": [{"text": "one"}], "tenant": "globex"});
        }
        assert_eq!(ask("acme", "POST", path, "", asked).await.0, 403, "{path}");
    }

    let table = [
        ("GET", "/jobs/acmes-0001", "", 200),
        ("GET", "/jobs/acmes-0001/result", "", 409),
        ("GET", "/batches/acmes-0002", "", 200),
        ("POST", "/jobs/acmes-0001/retry", "", 409),
        ("POST", "/jobs/acmes-0001/cancel", "", 200),
        ("POST", "/jobs/acmes-0002/cancel", "", 202),
    ];
    for (method, path, query, _) in table {
        let (status, told) = ask("globex", method, path, query, Value::Null).await;
        assert_eq!(
            (status, &told["type"]),
            (404, &json!("urn:gantz:problem:no_such_job")),
            "{method} {path}"
        );
    }
    assert_eq!(
        ask("globex", "POST", "/jobs", "", job).await.0,
        409,
        "its id is taken, and that is all it tells"
    );
    let (_, listed) = ask("globex", "GET", "/jobs", "", Value::Null).await;
    assert_eq!(listed["jobs"], json!([]));
    assert_eq!(ask("globex", "GET", "/jobs", "tenant=acme", Value::Null).await.0, 403);
    assert_eq!(ask("globex", "GET", "/batches", "", Value::Null).await.1["batches"], json!([]));

    for (method, path, query, expected) in table {
        assert_eq!(ask("acme", method, path, query, Value::Null).await.0, expected, "{method} {path}");
    }
    let (_, listed) = ask("acme", "GET", "/jobs", "", Value::Null).await;
    assert_eq!(listed["jobs"][0]["job_id"], "acmes-0001");
    assert_eq!(
        ask("acme", "GET", "/batches", "", Value::Null).await.1["batches"][0]["batch_id"],
        "acmes-0002"
    );
}

#[tokio::test]
async fn a_token_that_names_nobody_is_refused() {
    let world = World::new();
    let function = world.function.clone().with_tokens(tokens("org"));
    let answer = ask(&function, &by("acme", request("GET", "/jobs", "", &Value::Null)), 60_000).await;
    assert_eq!(answer["statusCode"], 403);
    assert!(body(&answer)["detail"].as_str().unwrap().contains("`org`"), "{answer}");
}

#[tokio::test]
async fn who_has_no_token_yet_is_told_where_to_get_one() {
    let world = World::new();
    let function = world.function.clone().with_tokens(tokens("sub"));
    for (path, resource) in [("", ""), ("/mcp", "/mcp")] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let mut event = request("GET", &path, "", &Value::Null);
        event["headers"]["host"] = json!("abc.execute-api.eu-north-1.amazonaws.com");
        let answer = ask(&function, &event, 60_000).await;
        let expected = json!({
            "resource": format!("https://abc.execute-api.eu-north-1.amazonaws.com{resource}"),
            "authorization_servers": ["https://login.acme.test/"],
            "bearer_methods_supported": ["header"],
        });
        assert_eq!((&answer["statusCode"], body(&answer)), (&json!(200), expected));
        let answer = ask(&world.function, &event, 60_000).await;
        assert_eq!(answer["statusCode"], 404, "nobody issues tokens for it");
    }
}

#[tokio::test]
async fn another_tenants_task_is_not_found() {
    let world = World::new();
    let function = world.function.clone().with_tokens(tokens("sub"));
    let call = async |tenant: &str, tool: &str, arguments: Value| {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments},
        });
        let mut event = by(tenant, request("POST", "/mcp", "", &call));
        event["headers"]["accept"] = json!("application/json, text/event-stream");
        event["headers"]["mcp-protocol-version"] = json!("2025-06-18");
        body(&ask(&function, &event, 60_000).await)["result"]["structuredContent"].clone()
    };
    let submitted = call("acme", "submit_job", json!({"tool": "echo", "parameters": {"text": "mine"}})).await;
    assert_eq!(submitted["tenant"], "acme");
    let asked = json!({"id": submitted["job_id"]});
    for tool in ["job_status", "job_result", "cancel_job"] {
        assert_eq!(call("globex", tool, asked.clone()).await["kind"], "not_found", "{tool}");
    }
    assert_eq!(call("acme", "job_status", asked).await["status"], "QUEUED");
}
