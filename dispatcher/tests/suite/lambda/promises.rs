//! Ids that callers can rely on, failures that lose nothing, and what is counted.

use gantz_dispatcher::lambda::LambdaError;
use gantz_testkit::builders::NOW_MS;
use gantz_testkit::fault_table::{Level, fault};
use serde_json::{Value, json};

use crate::lambda::world::{REQUEST_ID, World, event, invocation, message};

fn spec(text: &str) -> Value {
    json!({"tool": "echo", "parameters": {"text": text}})
}

#[tokio::test]
async fn what_the_source_told_its_caller_is_the_rows_key() {
    let table = [
        ("eventbridge_job", "7bf73129-1428-4cd3-a780-95db273d1602", "the `EventId` of `PutEvents`"),
        ("eventbridge_scheduled_agent_task", "41111111-2222-4333-8444-555555555555", "the event's `id`"),
        ("eventbridge_job_own_id", "order-4711", "the caller's own"),
        ("sqs_job", "059f36b4-87a3-44ab-83d2-661975830a7d", "the `MessageId` of `SendMessage`"),
        ("direct_job", REQUEST_ID, "the request's id of `Invoke`"),
    ];
    for (name, id, what) in table {
        let world = World::new();
        world.handle(&event(name)).await.unwrap();
        assert!(world.job(id).await.is_some(), "{name}: {what}");
    }
}

#[tokio::test]
async fn a_key_goes_before_the_events_id() {
    let world = World::new();
    let first = event("eventbridge_job_key");
    let mut resent = first.clone();
    resent["id"] = json!("99999999-2222-4333-8444-555555555555");
    let (first, resent) = (world.handle(&first).await.unwrap(), world.handle(&resent).await.unwrap());
    assert_eq!(first["job_id"], resent["job_id"], "a repeated `PutEvents` has another event id");
    assert_eq!((&first["created"], &resent["created"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn an_upload_is_one_job_through_either_door_and_however_often() {
    let pairs =
        [("s3_eventbridge", "s3_notification"), ("s3_eventbridge_versioned", "s3_notification_versioned")];
    for (announced, notified) in pairs {
        let world = World::new();
        let mut ids = Vec::new();
        for name in [announced, notified, announced, notified] {
            let answer = world.handle(&event(name)).await.unwrap();
            ids.push(answer["jobs"][0]["job_id"].as_str().unwrap().to_owned());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{announced}");
        let jobs = world.jobs().await;
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs[0].tool, "analyze_file");
    }
}

#[tokio::test]
async fn another_upload_to_the_same_key_is_another_job() {
    let world = World::new();
    let mut again = event("s3_notification");
    world.handle(&again).await.unwrap();
    again["Records"][0]["s3"]["object"]["sequencer"] = json!("00617F08299329D18A");
    world.handle(&again).await.unwrap();
    assert_eq!(world.jobs().await.len(), 2);
}

#[tokio::test]
async fn each_trigger_that_an_object_starts_is_a_job_of_its_own() {
    let world = World::of(
        "\
name: doors
version: 1.0.0
tools:
  look:
    description: Reads an object
    parameters:
      place: {type: string, required: true}
    handler: test.look
triggers:
  all:
    s3: {bucket: uploads}
    tool: look
    parameters: {place: '${bucket}/${key}'}
  tables:
    s3: {bucket: uploads, suffix: .csv}
    tool: look
    parameters: {place: 'table ${key}'}
    ",
    );
    let answer = world.handle(&event("s3_notification")).await.unwrap();
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 2);
    let answer = world.handle(&event("s3_notification_several")).await.unwrap();
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(world.jobs().await.len(), 4);
}

fn looks_at(place: &str) -> String {
    format!(
        "\
name: doors
version: 1.0.0
tools:
  look:
    description: Reads an object
    parameters:
      place: {{type: string, required: true}}
    handler: test.look
triggers:
  all:
    s3: {{bucket: uploads}}
    tool: look
    parameters: {{place: '{place}'}}
"
    )
}

#[tokio::test]
async fn an_upload_told_again_after_an_upgrade_is_the_job_that_it_was() {
    let world = World::of(&looks_at("${key}"));
    let upload = event("s3_notification");
    let first = world.handle(&upload).await.unwrap();
    let upgraded = world.upgraded(&looks_at("${key} as of ${etag}"));
    let second = upgraded.handle(&upload, &invocation(60_000)).await.unwrap();
    assert_eq!(second["jobs"][0]["job_id"], first["jobs"][0]["job_id"]);
    assert_eq!(second["jobs"][0]["created"], false);
    assert_eq!(world.jobs().await.len(), 1);
}

#[tokio::test]
async fn uploads_that_no_tool_was_named_for_are_not_lost() {
    let world = World::of(
        "name: doors\nversion: 1.0.0\ntools:\n  echo:\n    description: Answers\n    handler: test.echo\n",
    );
    let error = world.handle(&event("s3_notification")).await.unwrap_err();
    assert!(matches!(error, LambdaError::Uploads { failed: 1, all: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_schedule_that_fires_twice_is_one_job_and_the_next_time_another() {
    let world = World::new();
    let mut due = event("schedule_job");
    world.handle(&due).await.unwrap();
    assert_eq!(world.handle(&due).await.unwrap()["created"], false);
    due["scheduled_time"] = json!("2026-11-24T02:00:00Z");
    assert_eq!(world.handle(&due).await.unwrap()["created"], true);
    due["schedule_arn"] = json!("arn:aws:scheduler:us-east-1:111122223333:schedule/gantz/other");
    assert_eq!(world.handle(&due).await.unwrap()["created"], true);
}

#[tokio::test]
async fn what_a_queue_cannot_deliver_now_comes_back_and_is_accepted_then() {
    let world = World::new();
    let batch = json!({"Records": [
        message("ingest", "message-1", "r1", &spec("one").to_string()),
        message("ingest", "message-2", "r2", &spec("two").to_string()),
    ]});
    let back = world.held_back().handle(&batch, &invocation(60_000)).await.unwrap();
    let failures = json!([{"itemIdentifier": "message-1"}, {"itemIdentifier": "message-2"}]);
    assert_eq!(back, json!({ "batchItemFailures": failures }));
    assert_eq!(world.jobs().await, []);
    assert_eq!(world.handle(&batch).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(world.jobs().await.len(), 2);
}

#[tokio::test]
async fn what_an_event_asks_for_in_vain_is_an_error_with_its_reason() {
    let world = World::new();
    let error = world.held_back().handle(&event("eventbridge_job"), &invocation(60_000)).await.unwrap_err();
    assert_eq!((error.name(), error.is_final()), ("Backlog", false));
    let error = world.handle(&event("direct_without_parameters")).await.unwrap_err();
    assert_eq!((error.name(), error.is_final()), ("Rejected", true));
    assert!(error.to_string().contains("/text"), "{error}");
}

#[tokio::test]
async fn the_same_id_with_other_parameters_is_a_conflict() {
    let shown = fault(2, Level::Simulated);
    let world = World::new();
    let mut job = event("eventbridge_job_own_id");
    world.handle(&job).await.unwrap();
    job["detail"]["parameters"]["text"] = json!("changed");
    assert_eq!(world.handle(&job).await.unwrap_err().name(), "Conflict");
    shown.in_runs(1, "through the function's door");
}

#[tokio::test]
async fn a_failed_message_is_named_once() {
    let world = World::new();
    let twice = message("somebodys-own", "message-1", "r1", "{");
    let answer = world.handle(&json!({"Records": [twice, twice]})).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "message-1"}]}));
}

/// A line of the embedded metric format.
fn counted(name: &str, count: u64) -> Value {
    let metrics = json!([{"Name": name, "Unit": "Count"}]);
    let directive = json!({"Namespace": "Gantz/MCP", "Dimensions": [[]], "Metrics": metrics});
    json!({"_aws": {"Timestamp": NOW_MS, "CloudWatchMetrics": [directive]}, name: count})
}

#[tokio::test]
async fn accepted_jobs_and_events_that_are_none_are_counted() {
    let world = World::new();
    world.handle(&event("sqs_batch_of_bodies")).await.unwrap();
    assert_eq!(world.metrics(), [counted("JobsAccepted", 2)]);
    world.handle(&event("sqs_batch_of_bodies")).await.unwrap();
    assert_eq!(world.metrics(), [] as [Value; 0], "they were there already");
    world.handle(&event("empty_object")).await.unwrap_err();
    assert_eq!(world.metrics(), [counted("UnknownEvents", 1)]);
    world.handle(&event("eventbridge_job_without_id")).await.unwrap_err();
    assert_eq!(world.metrics(), [counted("MalformedEvents", 1)]);
    world.handle(&event("http_v2_submit")).await.unwrap();
    assert_eq!(world.metrics()[0]["JobsAccepted"], 1);
}
