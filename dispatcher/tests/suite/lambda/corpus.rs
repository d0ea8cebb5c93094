//! A corpus of events: what each is taken for, and what becomes of it.

use std::collections::BTreeSet;
use std::path::Path;

use gantz_dispatcher::lambda::{Ask, Event, LambdaError, classify};
use serde_json::Value;

use crate::lambda::world::{World, event};

/// The event, what it is, and what the function answers: `*` stands for ids that are derived.
const TABLE: &[(&str, &str, &str)] = &[
    (
        "cognito_trigger",
        "unknown: an object of request, response, triggerSource, userPoolId, version",
        "UnknownEvent: *",
    ),
    (
        "direct_batch",
        "batch from invoke",
        r#"{"batch_id":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","created":true,"status":"RUNNING"}"#,
    ),
    (
        "direct_job",
        "job from invoke",
        r#"{"created":true,"job_id":"8476a536-e9f4-11e8-9739-2dfe598c3fcd","status":"QUEUED"}"#,
    ),
    ("direct_tool_is_a_number", "unknown: an object of tool", "UnknownEvent: *"),
    ("direct_without_parameters", "job from invoke", "Rejected: *`echo`*/text*"),
    ("empty_array", "unknown: an array", "UnknownEvent: *"),
    (
        "empty_object",
        "unknown: an empty object",
        "UnknownEvent: an empty object is no event that is known here; expected *",
    ),
    (
        "eventbridge_batch",
        "batch from eventbridge",
        r#"{"batch_id":"31111111-2222-4333-8444-555555555555","created":true,"status":"RUNNING"}"#,
    ),
    ("eventbridge_batch_local_files", "batch from eventbridge", "MalformedEvent: *`/files`*"),
    (
        "eventbridge_completion_of_ours",
        "unknown: an EventBridge event `Gantz Job Succeeded` of `gantz`",
        "UnknownEvent: *",
    ),
    (
        "eventbridge_job",
        "job from eventbridge",
        r#"{"created":true,"job_id":"7bf73129-1428-4cd3-a780-95db273d1602","status":"QUEUED"}"#,
    ),
    (
        "eventbridge_job_bad_parameters",
        "job from eventbridge",
        r#"{"created":true,"job_id":"7bf73129-1428-4cd3-a780-95db273d1602","status":"FAILED"}"#,
    ),
    ("eventbridge_job_detail_is_text", "job from eventbridge", "MalformedEvent: *JSON, but not an object"),
    ("eventbridge_job_key", "job from eventbridge", r#"{"created":true,"job_id":"*","status":"QUEUED"}"#),
    (
        "eventbridge_job_own_id",
        "job from eventbridge",
        r#"{"created":true,"job_id":"order-4711","status":"QUEUED"}"#,
    ),
    (
        "eventbridge_job_unknown_field",
        "job from eventbridge",
        r#"{"created":true,"job_id":"7bf73129-1428-4cd3-a780-95db273d1602","status":"FAILED"}"#,
    ),
    (
        "eventbridge_job_unknown_tool",
        "job from eventbridge",
        r#"{"created":true,"job_id":"7bf73129-1428-4cd3-a780-95db273d1602","status":"FAILED"}"#,
    ),
    ("eventbridge_job_without_id", "malformed eventbridge", "MalformedEvent: *it has no `id`"),
    ("eventbridge_run", "unknown: an EventBridge event `Gantz Run` of `my.app`", "UnknownEvent: *"),
    (
        "eventbridge_scheduled_agent_task",
        "job from eventbridge",
        r#"{"created":true,"job_id":"41111111-2222-4333-8444-555555555555","status":"QUEUED"}"#,
    ),
    (
        "eventbridge_scheduled_event",
        "unknown: an EventBridge event `Scheduled Event` of `aws.events`",
        "UnknownEvent: *",
    ),
    ("function_url_list", "http V2", "status 200"),
    ("http_v1_query", "http V1", "status 200"),
    ("http_v1_submit", "http V1", "status 202"),
    ("http_v2_bad_base64", "http V2", "MalformedEvent: *base64*"),
    ("http_v2_bad_method", "http V2", "MalformedEvent: *method*"),
    ("http_v2_base64", "http V2", "status 202"),
    ("http_v2_cookies", "http V2", "status 200"),
    ("http_v2_odd_path", "http V2", "status 404"),
    ("http_v2_stage", "http V2", "status 200"),
    ("http_v2_submit", "http V2", "status 202"),
    (
        "load_balancer",
        "unknown: an object of body, headers, httpMethod, isBase64Encoded, multiValueHeaders, multiValueQueryStringParameters, path, pathParameters, …",
        "UnknownEvent: *",
    ),
    ("null", "unknown: null", "UnknownEvent: *"),
    ("number", "unknown: a number", "UnknownEvent: *"),
    ("records_mixed", "unknown: records of `aws:sqs`", "UnknownEvent: *"),
    ("records_none", "unknown: an object of Records", "UnknownEvent: *"),
    ("records_of_kinesis", "unknown: records of `aws:kinesis`", "UnknownEvent: *"),
    (
        "s3_created_by_another_source",
        "unknown: an EventBridge event `Object Created` of `my.app`",
        "UnknownEvent: *",
    ),
    (
        "s3_eventbridge",
        "uploads [uploads/reports/q1 2026+final.csv]",
        r#"{"jobs":[{"created":true,"job_id":"*","status":"QUEUED"}],"skipped":0}"#,
    ),
    (
        "s3_eventbridge_deleted",
        "ignored: an object that was deleted",
        r#"{"ignored":"an object that was deleted"}"#,
    ),
    ("s3_eventbridge_folder", "uploads [uploads/folder/]", r#"{"jobs":[],"skipped":1}"#),
    (
        "s3_eventbridge_versioned",
        "uploads [uploads/versioned.txt]",
        r#"{"jobs":[{"created":true,"job_id":"*","status":"QUEUED"}],"skipped":0}"#,
    ),
    (
        "s3_eventbridge_without_bucket",
        "uploads [bad]",
        "UploadsFailed: 1 of 1 uploads became no jobs: the bucket's name *",
    ),
    (
        "s3_notification",
        "uploads [uploads/reports/q1 2026+final.csv]",
        r#"{"jobs":[{"created":true,"job_id":"*","status":"QUEUED"}],"skipped":0}"#,
    ),
    (
        "s3_notification_bad_key",
        "uploads [uploads/good.txt, bad]",
        "UploadsFailed: 1 of 2 uploads became no jobs: the object's key is not UTF-8",
    ),
    ("s3_notification_removed", "uploads []", r#"{"jobs":[],"skipped":0}"#),
    (
        "s3_notification_several",
        "uploads [uploads/a.txt, uploads/中文.txt, uploads/folder/]",
        r#"{"jobs":[{"created":true,"job_id":"*","status":"QUEUED"},{"created":true,"job_id":"*","status":"QUEUED"}],"skipped":1}"#,
    ),
    (
        "s3_notification_versioned",
        "uploads [uploads/versioned.txt]",
        r#"{"jobs":[{"created":true,"job_id":"*","status":"QUEUED"}],"skipped":0}"#,
    ),
    ("s3_test_event", "ignored: a test message of S3", r#"{"ignored":"a test message of S3"}"#),
    ("schedule_batch", "batch from schedule", r#"{"batch_id":"*","created":true,"status":"RUNNING"}"#),
    ("schedule_job", "job from schedule", r#"{"created":true,"job_id":"*","status":"QUEUED"}"#),
    ("schedule_new_objects_without_s3", "new objects from schedule", "Rejected: *this fleet has no S3*"),
    ("schedule_two_asks", "malformed schedule", "MalformedEvent: *exactly one of `job` and `batch`"),
    ("schedule_without_time", "malformed schedule", "MalformedEvent: *`scheduled_time` is missing*"),
    (
        "sqs_batch_of_bodies",
        "messages 7",
        r#"{"batchItemFailures":[{"itemIdentifier":"10000000-0000-4000-8000-000000000002"},{"itemIdentifier":"10000000-0000-4000-8000-000000000004"},{"itemIdentifier":"10000000-0000-4000-8000-000000000005"}]}"#,
    ),
    ("sqs_failure_without_id", "messages 1", "UnreportableMessages: 1 messages failed *"),
    ("sqs_job", "messages 1", r#"{"batchItemFailures":[]}"#),
    ("sqs_of_a_rule_and_a_bucket", "messages 3", r#"{"batchItemFailures":[]}"#),
    (
        "sqs_plan_that_is_none",
        "messages 1",
        r#"{"batchItemFailures":[{"itemIdentifier":"30000000-0000-4000-8000-000000000001"}]}"#,
    ),
    ("sqs_request_in_a_message", "messages 1", r#"{"batchItemFailures":[]}"#),
    ("text", "unknown: a string", "UnknownEvent: *"),
    ("websocket", "unknown: an object of body, isBase64Encoded, requestContext", "UnknownEvent: *"),
];

fn kind(event: &Value) -> String {
    match classify(event) {
        Event::Http(format) => format!("http {format:?}"),
        Event::Submission(submission) => {
            let ask = match submission.ask {
                Ask::Job(_) => "job",
                Ask::Batch(_) => "batch",
                Ask::NewObjects { .. } => "new objects",
            };
            format!("{ask} from {}", submission.door.as_str())
        }
        Event::Uploads(found) => {
            let one = |upload: &Result<_, String>| match upload {
                Ok(gantz_dispatcher::lambda::Upload { bucket, key, .. }) => format!("{bucket}/{key}"),
                Err(_) => "bad".to_owned(),
            };
            format!("uploads [{}]", found.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Event::Messages(deliveries) => format!("messages {}", deliveries.len()),
        Event::Ignored(what) => format!("ignored: {what}"),
        Event::Malformed { door, .. } => format!("malformed {}", door.as_str()),
        Event::Unknown { shape } => format!("unknown: {shape}"),
    }
}

fn outcome(answer: &Result<Value, LambdaError>) -> String {
    match answer {
        Ok(answer) if answer.get("statusCode").is_some() => format!("status {}", answer["statusCode"]),
        Ok(answer) => answer.to_string(),
        Err(error) => format!("{}: {error}", error.name()),
    }
}

/// Whether `text` is what `pattern` says, in which each `*` stands for anything.
fn fits(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[tokio::test]
async fn every_event_is_taken_for_what_it_is() {
    let mut wrong = Vec::new();
    for (name, expected_kind, expected_outcome) in TABLE {
        let event = event(name);
        let (kind, outcome) = (kind(&event), outcome(&World::new().handle(&event).await));
        if kind != *expected_kind || !fits(&outcome, expected_outcome) {
            wrong.push(format!("{name}: {kind}: {outcome}"));
        }
    }
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn the_table_has_every_event_of_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/lambda/events");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let known: BTreeSet<String> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let tabled: BTreeSet<String> = TABLE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(tabled, known);
}

#[tokio::test]
async fn a_second_delivery_adds_nothing() {
    for (name, ..) in TABLE {
        let world = World::new();
        let event = event(name);
        let first = outcome(&world.handle(&event).await);
        let jobs = world.jobs().await;
        let second = outcome(&world.handle(&event).await);
        assert_eq!(world.jobs().await, jobs, "{name}");
        assert!(world.ports.batches.list_batches(None, 10).await.unwrap().len() <= 1, "{name}");
        assert_eq!(first.replace("\"created\":true", "\"created\":false"), second, "{name}");
    }
}
