//! Records of an SQS event. Bodies stay text: a malformed one is its own record's trouble alone.

use aws_lambda_events::sqs::SqsMessage;
use serde::Deserialize;
use serde_json::Value;

pub(super) const SOURCE: &str = "aws:sqs";

/// A message as the function got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message's id, which a failure is reported by. Never empty.
    pub message_id: Option<String>,
    /// This delivery of it.
    pub receipt: String,
    /// The body.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent, milliseconds since the epoch.
    pub sent_at_ms: u64,
    /// Whether it is the planner's.
    pub is_plan: bool,
}

/// Reads a record. One that is not as SQS writes it is read as if it were empty: it has no body that could be handled
/// then, and no id to report it by, so that the batch comes back as it was.
pub(super) fn read(record: &Value) -> Delivery {
    // A list would be read as the fields' values in their order.
    let record =
        record.is_object().then(|| SqsMessage::deserialize(record).ok()).flatten().unwrap_or_default();
    let number = |name: &str| record.attributes.get(name).and_then(|number| number.parse().ok());
    let receives = number("ApproximateReceiveCount").and_then(|count: u64| count.try_into().ok());
    Delivery {
        receives: receives.unwrap_or(1),
        sent_at_ms: number("SentTimestamp").unwrap_or(0),
        message_id: record.message_id.filter(|id| !id.is_empty()),
        receipt: record.receipt_handle.unwrap_or_default(),
        body: record.body.unwrap_or_default(),
        is_plan: record.event_source_arn.is_some_and(|arn| is_plan(&arn)),
    }
}

/// Whether a queue is the planner's: it is called `plan`, behind the stack's prefix.
fn is_plan(arn: &str) -> bool {
    arn.rsplit(':').next().is_some_and(|name| name == "plan" || name.ends_with("-plan"))
}
