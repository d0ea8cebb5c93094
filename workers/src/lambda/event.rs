//! What kind of event this is. Records are read one by one, and their bodies stay text: a typed body would let one odd
//! record spoil its neighbours.

use aws_lambda_events::sqs::SqsMessage;
use gantz_core::ports::{Message, Receipt};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::End;

/// An event, by what is to be done about it.
pub(super) enum Event {
    /// Records of one queue.
    Batch { source: String, messages: Vec<Received> },
    /// A direct invoke: what to submit.
    Invoke(Value),
    /// A request: what to submit, or what to answer.
    Http(Result<Value, End>),
}

/// A record of a batch, and the group that it keeps its place in, if its queue is first in, first out.
pub(super) struct Received {
    pub(super) message: Message,
    pub(super) group: Option<String>,
}

/// An event is none that a function takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// No known shape.
    #[error(
        "the event is none that a worker takes: expected an SQS batch, {{tool, parameters}} or an HTTP request"
    )]
    Unknown,
    /// A dead-letter function was invoked in another way than by its event source.
    #[error("the event is no batch of a dead-letter queue")]
    NoBatch,
    /// A record that could not be reported, so that none may be: a wrong identifier would do harm to all.
    #[error("the record at {place} of the batch {problem}")]
    Record {
        /// Its place, from 0.
        place: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The records are of several queues, or of one that is not the function's to work on.
    #[error("the queue `{source_arn}` is not one that this function works on: expected `{expected}`")]
    Source {
        /// The queue's ARN.
        source_arn: String,
        /// What its name should be.
        expected: String,
    },
}

/// Sorts an event.
pub(super) fn classify(event: Value) -> Result<Event, EventError> {
    let Value::Object(mut event) = event else { return Err(EventError::Unknown) };
    if let Some(Value::Array(records)) = event.remove("Records") {
        return batch(records);
    }
    if let Some(http) = event.get("requestContext").and_then(|context| context.get("http")) {
        let method = http.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        return Ok(Event::Http(submission(&method, &event)));
    }
    if event.contains_key("tool") {
        return Ok(Event::Invoke(Value::Object(event)));
    }
    Err(EventError::Unknown)
}

fn batch(records: Vec<Value>) -> Result<Event, EventError> {
    let mut source: Option<String> = None;
    let mut messages = Vec::with_capacity(records.len());
    for (place, record) in records.into_iter().enumerate() {
        if record.get("eventSource").and_then(Value::as_str) != Some("aws:sqs") {
            return Err(EventError::Unknown);
        }
        let record = SqsMessage::deserialize(record).map_err(|error| EventError::Record {
            place,
            problem: format!("is not as SQS writes it: {error}"),
        })?;
        let lacks = |field: &str| EventError::Record { place, problem: format!("has no `{field}`") };
        let arn = filled(record.event_source_arn.clone()).ok_or_else(|| lacks("eventSourceARN"))?;
        match &source {
            Some(first) if *first != arn => {
                return Err(EventError::Source { source_arn: arn, expected: first.clone() });
            }
            _ => source = Some(arn),
        }
        messages.push(received(record).ok_or_else(|| lacks("messageId"))?);
    }
    match source {
        Some(source) => Ok(Event::Batch { source, messages }),
        None => Err(EventError::Unknown),
    }
}

/// The message's attribute that says why it was set aside.
const DEAD_REASON: &str = "gantz-reason";

/// A record. Of what it lacks, only its id cannot be done without: a body that is not there is one that no worker can
/// read, and is set aside as such.
fn received(mut record: SqsMessage) -> Option<Received> {
    let id = filled(record.message_id)?;
    let number = |name| record.attributes.get(name)?.parse::<u64>().ok();
    let receives =
        number("ApproximateReceiveCount").map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX));
    let sent_at_ms = number("SentTimestamp").unwrap_or(0);
    let dead_reason =
        record.message_attributes.remove(DEAD_REASON).and_then(|attribute| attribute.string_value);
    // Standard queues have groups, too, for fairness among tenants: those keep no order.
    let is_ordered = record.event_source_arn.is_some_and(|arn| arn.ends_with(".fifo"));
    let group = is_ordered.then(|| record.attributes.remove("MessageGroupId").unwrap_or_default());
    let message = Message {
        id,
        receipt: Receipt(record.receipt_handle.unwrap_or_default()),
        body: record.body.unwrap_or_default(),
        receives,
        sent_at_ms,
        dead_reason,
    };
    Some(Received { message, group })
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The body of `POST /agent`. A stage's name may come before the path.
fn submission(method: &str, event: &Map<String, Value>) -> Result<Value, End> {
    let path = event.get("rawPath").and_then(Value::as_str).unwrap_or_default();
    if !path.ends_with("/agent") {
        return Err(End::error(404, "there is only `POST /agent` here"));
    }
    if method != "POST" {
        return Err(End::error(405, "`/agent` takes only POST"));
    }
    let body = event.get("body").and_then(Value::as_str).unwrap_or_default();
    let is_encoded = event.get("isBase64Encoded").and_then(Value::as_bool).unwrap_or(false);
    let parsed = if is_encoded {
        use base64::Engine;
        let decoded = base64::engine::general_purpose::STANDARD.decode(body);
        decoded
            .map_err(|error| error.to_string())
            .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
    } else {
        serde_json::from_str(body).map_err(|error| error.to_string())
    };
    parsed.map_err(|error| End::error(400, format!("the body is no JSON: {error}")))
}
