//! What is refused although nobody waits for an answer: it has a row, or lies where people find it, with the reason.

use gantz_core::envelope::Parameters;
use gantz_core::ids::QueueName;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::{NewMessage, Receive};
use gantz_embedded::DeadLetter;
use serde_json::{Value, json};

use crate::lambda::world::{World, event, message};

const EVENT_ID: &str = "7bf73129-1428-4cd3-a780-95db273d1602";

fn asking(detail: &Value) -> Value {
    let mut asking = event("eventbridge_job");
    asking["detail"] = detail.clone();
    asking
}

async fn told(world: &World) -> Vec<(String, Value)> {
    let events = world.view.events(0, 100).await.unwrap();
    events.into_iter().map(|event| (event.detail_type, event.detail)).collect()
}

/// Has the function handle what lies on the ingest queue now. Says which messages come back.
async fn ingest(world: &World, bodies: &[&Value]) -> Value {
    let queue = &world.ports.queue;
    let messages = bodies.iter().map(|body| NewMessage::of(body.to_string()));
    for answer in queue.send(&QueueName::Ingest, messages.collect()).await.unwrap() {
        answer.unwrap();
    }
    let ask = Receive { max: 10, visibility_ms: 60_000, wait_ms: 0 };
    let taken = queue.receive(&QueueName::Ingest, ask).await.unwrap();
    let records = taken.iter().map(|taken| message("ingest", &taken.id, &taken.receipt.0, &taken.body));
    let answer = world.handle(&json!({"Records": records.collect::<Vec<_>>()})).await.unwrap();
    answer["batchItemFailures"].clone()
}

async fn set_aside(world: &World) -> Vec<DeadLetter> {
    world.view.dead_letters(&QueueName::Ingest, 10).await.unwrap()
}

#[tokio::test]
async fn an_event_that_asks_for_the_impossible_has_a_row_that_says_why() {
    let text = json!({"text": "hello"});
    let table = [
        (
            json!({"tool": "ecko", "parameters": text}),
            EVENT_ID,
            ErrorKind::UnknownTool,
            "did you mean `echo`?",
        ),
        (json!({"tool": "echo"}), EVENT_ID, ErrorKind::Invalid, "/text"),
        (json!({"tool": "echo", "parameters": 7}), EVENT_ID, ErrorKind::Invalid, "expected an object"),
        (
            json!({"tool": "echo", "parameters": text, "job_id": "order-0001", "lane": "nowhere"}),
            "order-0001",
            ErrorKind::Invalid,
            "`/lane`",
        ),
        (
            json!({"tool": "echo", "paramaters": text, "job_id": "order-0001"}),
            "order-0001",
            ErrorKind::Invalid,
            "did you mean",
        ),
        // The id is what is wrong, and the event's stands in for it.
        (
            json!({"tool": "echo", "parameters": text, "job_id": "no id at all"}),
            EVENT_ID,
            ErrorKind::Invalid,
            "`/job_id`",
        ),
    ];
    for (detail, id, kind, why) in table {
        let world = World::new();
        let answer = world.handle(&asking(&detail)).await.unwrap();
        assert_eq!((&answer["job_id"], &answer["status"]), (&json!(id), &json!("FAILED")), "{why}");
        let row = world.job(id).await.unwrap();
        let error = row.error.as_ref().unwrap();
        assert!(error.kind == kind && error.message.contains(why), "{why}: {error:?}");
        assert_eq!((row.status, row.attempt), (JobStatus::Failed, 0), "{why}");

        // However often it is delivered.
        assert_eq!(ingest(&world, &[&asking(&detail)]).await, json!([]), "{why}");
        assert_eq!(world.jobs().await, [row], "{why}");
        let told = told(&world).await;
        assert!(told.iter().all(|(what, _)| what == "Gantz Job Rejected"), "{told:?}");
        assert_eq!((&told[0].1["job_id"], &told[0].1["error"]["kind"]), (&json!(id), &json!(kind)), "{why}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_what_it_was_asked_for() {
    let world = World::new();
    world.handle(&event("eventbridge_job_unknown_tool")).await.unwrap();
    let JobRecord { tool, parameters, .. } = world.job(EVENT_ID).await.unwrap();
    assert_eq!((tool.as_str(), parameters), ("ecko", Some(Parameters::Inline(json!({"text": "hello"})))));
}

#[tokio::test]
async fn what_is_too_large_has_a_row_without_its_parameters() {
    let world = World::new();
    let large = json!({"tool": "echo", "parameters": {"text": "x".repeat(6 << 20)}});
    world.handle(&asking(&large)).await.unwrap();
    let row = world.job(EVENT_ID).await.unwrap();
    assert_eq!((row.error.unwrap().kind, row.parameters), (ErrorKind::TooLarge, None));
}

#[tokio::test]
async fn an_upload_that_its_tool_does_not_take_has_a_row() {
    let world = World::of(
        "\
name: doors
version: 1.0.0
tools:
  look:
    description: Reads an object
    parameters:
      place: {type: string, required: true, max_length: 3}
    handler: test.look
triggers:
  all:
    s3: {bucket: uploads}
    tool: look
    parameters: {place: '${bucket}/${key}'}
",
    );
    let answer = world.handle(&event("s3_notification")).await.unwrap();
    assert_eq!(answer["jobs"][0]["status"], "FAILED");
    assert_eq!(world.jobs().await[0].error.as_ref().unwrap().kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn what_can_have_no_row_is_set_aside_with_the_reason() {
    let world = World::new();
    let accepted = asking(&json!({"tool": "echo", "parameters": {"text": "one"}, "job_id": "order-0001"}));
    assert_eq!(ingest(&world, &[&accepted]).await, json!([]));
    let row = world.job("order-0001").await.unwrap();

    let table = [
        (
            asking(&json!({"tool": "echo", "parameters": {"text": "two"}, "job_id": "order-0001"})),
            "other parameters",
        ),
        (asking(&json!({"tool": "echo", "job_id": "order-0001"})), "/text"),
        (asking(&json!("a text")), "not an object"),
        (json!({"weather": "fine"}), "no submission"),
        (json!({"tool": "echo", "items": 7}), "/items"),
    ];
    for (body, why) in table {
        let before = set_aside(&world).await.len();
        assert_eq!(ingest(&world, &[&body]).await, json!([]), "{why}: it does not come back");
        let letters = set_aside(&world).await;
        assert_eq!(letters.len(), before + 1, "{why}");
        let letter = letters.last().unwrap();
        assert!(letter.reason.contains(why), "{why}: {}", letter.reason);
        assert_eq!(letter.body, body.to_string());
    }
    assert_eq!(world.jobs().await, [row], "who has the id keeps it");
    assert_eq!(told(&world).await, []);
}

#[tokio::test]
async fn what_fails_for_now_comes_back() {
    let world = World::new();
    let asking = asking(&json!({"tool": "echo", "parameters": {"text": "one"}}));
    let message = message("ingest", "message-1", "r1", &asking.to_string());
    let batch = json!({ "Records": [message] });
    let back = world.held_back().handle(&batch, &crate::lambda::world::invocation(60_000)).await.unwrap();
    assert_eq!(back, json!({"batchItemFailures": [{"itemIdentifier": "message-1"}]}));
    assert_eq!(set_aside(&world).await.len(), 0);
}
