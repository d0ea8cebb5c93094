//! Jobs from events: published with plain `PutEvents`, polled with plain `GetItem`.

use gantz_core::limits::PARAMETERS_MAX_BYTES;
use serde_json::{Value, json};

use crate::fleet::{fleet, number, text};
use crate::roles::signed;

#[tokio::test]
async fn a_job_with_an_id_of_its_own() {
    let fleet = fleet();
    let detail = json!({"tool": "echo", "parameters": {"text": "hello"}, "job_id": "order-0001"});
    fleet.publish("Gantz Job", &detail).await;
    let row = fleet.ended("order-0001").await;
    assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");
    let result: Value = serde_json::from_str(text(&row, "result")).unwrap();
    assert_eq!(result["text"], "hello");
}

#[tokio::test]
async fn a_job_without_one_has_the_events() {
    let fleet = fleet();
    let id = fleet.publish("Gantz Job", &json!({"tool": "echo", "parameters": {"n": 7}})).await;
    assert_eq!(text(&fleet.ended(&id).await, "status"), "SUCCEEDED");
    let id = fleet.publish("Scheduled Agent Task", &json!({"tool": "echo", "parameters": {}})).await;
    assert_eq!(text(&fleet.ended(&id).await, "status"), "SUCCEEDED");
}

#[tokio::test]
async fn a_batch() {
    let fleet = fleet();
    let items: Vec<Value> = (0..450).map(|n| json!({"n": n})).collect();
    let detail = json!({"tool": "echo", "items": items, "batch_id": "numbers-0001"});
    fleet.publish("Gantz Batch", &detail).await;
    let row = fleet.ended("batch#numbers-0001").await;
    assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");
    let shown = fleet.ask(&["status", "numbers-0001"]);
    assert_eq!((&shown["total"], &shown["by_status"]["SUCCEEDED"]), (&json!(450), &json!(450)));
    let last = fleet.ended("numbers-0001.0000449").await;
    assert_eq!(serde_json::from_str::<Value>(text(&last, "result")).unwrap()["n"], 449);
}

#[tokio::test]
async fn a_direct_invoke() {
    let fleet = fleet();
    let call = json!({"tool": "echo", "parameters": {"text": "direct"}, "job_id": "direct-0001"});
    assert_eq!(fleet.invoke("DispatcherFunction", &call).await["job_id"], "direct-0001");
    assert_eq!(text(&fleet.ended("direct-0001").await, "status"), "SUCCEEDED");
}

#[tokio::test]
async fn a_direct_invoke_takes_what_fits_and_refuses_what_does_not() {
    let fleet = fleet();
    let call = |id: &str, bytes: usize| json!({"tool": "echo", "parameters": {"text": "x".repeat(bytes)}, "job_id": id});
    assert_eq!(
        fleet.invoke("DispatcherFunction", &call("heavy-0001", 2_000_000)).await["job_id"],
        "heavy-0001"
    );
    let row = fleet.ended("heavy-0001").await;
    assert!(text(&row, "status") == "SUCCEEDED" && row.contains_key("result_ref"), "{row:?}");

    let lambda = aws_sdk_lambda::Client::new(&fleet.aws().await);
    let invoke = lambda.invoke().function_name(fleet.output("DispatcherFunction"));
    let payload = call("heavy-0002", PARAMETERS_MAX_BYTES).to_string().into_bytes();
    let refused = invoke.payload(payload.into()).send().await.unwrap();
    assert!(refused.function_error.is_some(), "{refused:?}");
    let told = String::from_utf8(refused.payload.unwrap().into_inner()).unwrap();
    assert!(told.contains(&format!("at most {PARAMETERS_MAX_BYTES} are accepted")), "{told}");
    assert_eq!(fleet.row("heavy-0002").await, None);
}

#[tokio::test]
async fn a_message_on_the_ingest_queue() {
    let fleet = fleet();
    let job = json!({"tool": "echo", "parameters": {"text": "by mail"}, "job_id": "ingested-0001"});
    fleet.send("ingest", &[job.to_string()]).await;
    assert_eq!(text(&fleet.ended("ingested-0001").await, "status"), "SUCCEEDED");
}

#[tokio::test]
async fn requests_of_the_http_api() {
    let fleet = fleet();
    // The emulator serves an API below a path of its own, instead of at its host.
    let host = fleet.output("ApiUrl").split("://").nth(1).unwrap();
    let api = host.split('.').next().unwrap();
    let url = |path: &str| format!("{}/_aws/execute-api/{api}/$default{path}", fleet.endpoint());
    let client = reqwest::Client::new();
    let job = json!({"tool": "echo", "parameters": {"text": "by request"}, "job_id": "requested-0001"});

    let nobody = client.post(url("/jobs")).json(&job).send().await.unwrap();
    assert_eq!(nobody.status(), 403, "it asks who calls");
    let signature = ("authorization", signed("execute-api"));
    let accepted =
        client.post(url("/jobs")).json(&job).header(signature.0, &signature.1).send().await.unwrap();
    assert_eq!(accepted.status(), 202);
    assert_eq!(accepted.headers()["location"], "/jobs/requested-0001");
    let row = fleet.ended("requested-0001").await;
    assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");
    let found =
        client.get(url("/jobs/requested-0001")).header(signature.0, &signature.1).send().await.unwrap();
    assert_eq!(found.status(), 200);
    let found: Value = found.json().await.unwrap();
    assert_eq!((&found["status"], &found["result"]["text"]), (&json!("SUCCEEDED"), &json!("by request")));
}

#[tokio::test]
async fn a_batch_of_a_buckets_objects() {
    let fleet = fleet();
    let (s3, bucket) = (fleet.s3().await, fleet.output("UploadsBucket"));
    for name in ["a", "b", "c"] {
        let put = s3.put_object().bucket(bucket).key(format!("by-hand/{name}.txt"));
        put.body(name.as_bytes().to_vec().into()).send().await.unwrap();
    }
    let prefix = format!("s3://{bucket}/by-hand/");
    let done = fleet.ask(&["batch", "analyze_file", "--s3", &prefix, "--id", "by-hand-0002"]);
    assert_eq!(
        (&done["status"], &done["by_status"]["SUCCEEDED"]),
        (&json!("SUCCEEDED"), &json!(3)),
        "{done}"
    );
}

#[tokio::test]
async fn a_batch_of_the_lines_of_an_object() {
    let fleet = fleet();
    let (s3, bucket) = (fleet.s3().await, fleet.output("UploadsBucket"));
    let put = s3.put_object().bucket(bucket).key("lines/lines and more.jsonl");
    put.body(b"{\"n\": 1}\n\n{\"n\": 2}\r\n{\"n\": 3}".to_vec().into()).send().await.unwrap();
    let place = format!("s3://{bucket}/lines/lines and more.jsonl");
    let done = fleet.ask(&["batch", "echo", "--jsonl", &place, "--id", "by-hand-0003"]);
    assert_eq!(
        (&done["status"], &done["by_status"]),
        (&json!("SUCCEEDED"), &json!({"SUCCEEDED": 3})),
        "{done}"
    );
    let children = fleet.ask(&["jobs", "--batch", "by-hand-0003"]);
    let ids: Vec<_> =
        children.as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap()).collect();
    let mut said: Vec<_> = ids.iter().map(|id| fleet.ask(&["result", id])["n"].as_u64()).collect();
    said.sort_unstable();
    assert_eq!(said, [Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn a_job_that_is_cancelled() {
    let fleet = fleet();
    // Its lane has no function, and nobody works it here.
    fleet.ask(&["submit", "counted", "--n", "1", "--job-id", "cancelled-0001"]);
    assert_eq!(fleet.ask(&["cancel", "cancelled-0001"])["status"], "CANCELLED");
    let row = fleet.ended("cancelled-0001").await;
    assert_eq!((text(&row, "status"), number(&row, "attempt")), ("CANCELLED", 0), "{row:?}");
}

#[tokio::test]
async fn commands_on_the_stack() {
    let fleet = fleet();
    let stack = ["--stack", "e2e"];
    let ran = fleet.gantz(&[&["run", "echo", "--text", "by hand", "--output", "json"], &stack[..]].concat());
    assert_eq!(crate::fleet::success(&ran)["text"], "by hand");
    let accepted = fleet.ask(&["submit", "echo", "--text", "later", "--job-id", "by-hand-0001"]);
    assert_eq!(accepted["job_id"], "by-hand-0001");
    fleet.ended("by-hand-0001").await;
    assert_eq!(fleet.ask(&["status", "by-hand-0001"])["status"], "SUCCEEDED");
    assert_eq!(fleet.ask(&["result", "by-hand-0001"])["text"], "later");
    assert_eq!(fleet.ask(&["why", "by-hand-0001"])["job"]["attempt"], 1);
    let listed = fleet.ask(&["jobs", "--limit", "500"]);
    let listed = listed.as_array().unwrap();
    assert!(listed.iter().any(|job| job["job_id"] == "by-hand-0001"), "{listed:?}");
}
