//! Records of an SQS event. Bodies stay text: a malformed one is its own record's trouble alone.

use aws_lambda_events::sqs::SqsMessage;
use gantz_core::ids::QueueName;
use gantz_core::ports::{Message, Receipt};
use gantz_core::trace::TraceParent;
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
    /// Which of ours it is from, if it is one of ours.
    pub queue: Option<QueueName>,
    /// The trace that its sender was in.
    pub trace: Option<TraceParent>,
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
        trace: record.attributes.get("AWSTraceHeader").and_then(|header| TraceParent::from_xray(header)),
        message_id: record.message_id.filter(|id| !id.is_empty()),
        receipt: record.receipt_handle.unwrap_or_default(),
        body: record.body.unwrap_or_default(),
        queue: record.event_source_arn.and_then(|arn| queue(&arn)),
    }
}

/// Whether a queue is one of ours, by what it is called behind the stack's prefix.
fn queue(arn: &str) -> Option<QueueName> {
    let name = arn.rsplit(':').next()?;
    [QueueName::Plan, QueueName::Ingest].into_iter().find(|queue| {
        let prefix = name.strip_suffix(&queue.to_string());
        prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('-'))
    })
}

impl From<Delivery> for Message {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.message_id.unwrap_or_default(),
            receipt: Receipt(delivery.receipt),
            body: delivery.body,
            receives: delivery.receives,
            sent_at_ms: delivery.sent_at_ms,
            dead_reason: None,
        }
    }
}
