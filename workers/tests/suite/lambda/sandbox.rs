//! A function, and the events that Lambda would bring it.

use std::sync::Arc;

use gantz_core::ids::QueueName;
use gantz_core::ports::{Message, Receive};
use gantz_workers::lambda::{Duty, EventError, Function, Invocation};
use serde_json::{Value, json};

use crate::fleet::Fleet;

/// The time that an invocation has unless a test says otherwise.
pub(crate) const MINUTE_MS: u64 = 60_000;
/// How long a received message stays invisible: six times that.
const VISIBILITY_MS: u64 = 6 * MINUTE_MS;

pub(crate) fn worker(fleet: &Fleet) -> Function {
    function(fleet, Duty::Jobs)
}

pub(crate) fn function(fleet: &Fleet, duty: Duty) -> Function {
    Function::new(duty, fleet.new_worker("sandbox"), Arc::clone(&fleet.site().manifest), "gantz-".into())
}

pub(crate) fn arn(queue: &QueueName) -> String {
    format!("arn:aws:sqs:eu-west-1:123456789012:gantz-{queue}")
}

pub(crate) async fn receive(fleet: &Fleet, queue: &QueueName) -> Vec<Message> {
    let ask = Receive { max: 10, visibility_ms: VISIBILITY_MS, wait_ms: 0 };
    fleet.ports.queue.receive(queue, ask).await.unwrap()
}

/// So many messages, once they are due.
pub(crate) async fn receive_later(fleet: &Fleet, queue: &QueueName, messages: usize) -> Vec<Message> {
    let ask = Receive { max: 10, visibility_ms: VISIBILITY_MS, wait_ms: 20_000 };
    let mut batch = Vec::new();
    let deadline_ms = fleet.now_ms() + VISIBILITY_MS;
    while batch.len() < messages {
        assert!(fleet.now_ms() < deadline_ms, "{queue} brings only {batch:#?}");
        batch.extend(fleet.ports.queue.receive(queue, ask).await.unwrap());
    }
    batch
}

/// Deletes what the answer does not list, as the event source does.
pub(crate) async fn delete_the_rest(fleet: &Fleet, queue: &QueueName, batch: &[Message], answer: &str) {
    let rest = batch.iter().filter(|message| !answer.contains(&format!("\"{}\"", message.id)));
    let receipts: Vec<_> = rest.map(|message| message.receipt.clone()).collect();
    let answers = fleet.ports.queue.delete(queue, receipts).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

pub(crate) fn record(arn: &str, message: &Message) -> Value {
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt.0,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": message.sent_at_ms.to_string(),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": message.sent_at_ms.to_string(),
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "eu-west-1",
    })
}

pub(crate) fn event(queue: &QueueName, messages: &[Message]) -> Value {
    let arn = arn(queue);
    json!({ "Records": messages.iter().map(|message| record(&arn, message)).collect::<Vec<_>>() })
}

pub(crate) fn invocation(fleet: &Fleet, remaining_ms: u64) -> Invocation {
    Invocation::new("8f5c1c9e-3d51-4a0b-9a53-6a1c0b2f7d10", fleet.now_ms() + remaining_ms)
}

/// The answer, byte for byte.
pub(crate) async fn answer(function: &Function, event: Value, invocation: &Invocation) -> String {
    serde_json::to_string(&function.handle(event, invocation).await.unwrap()).unwrap()
}

pub(crate) async fn refusal(function: &Function, event: Value, invocation: &Invocation) -> EventError {
    function.handle(event, invocation).await.unwrap_err()
}

/// The answer that lists these messages.
pub(crate) fn failures<'a>(messages: impl IntoIterator<Item = &'a Message>) -> String {
    let listed = messages.into_iter().map(|message| format!(r#"{{"itemIdentifier":"{}"}}"#, message.id));
    format!(r#"{{"batchItemFailures":[{}]}}"#, listed.collect::<Vec<_>>().join(","))
}

/// The place of a job's message.
pub(crate) fn place(batch: &[Message], job: &gantz_core::ids::JobId) -> usize {
    let of_job = |message: &Message| message.body.contains(&format!("\"{job}\""));
    batch.iter().position(of_job).unwrap()
}
