//! Receiving, so that no message is lost to a receiver that no longer waits.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, ChangeMessageVisibilityBatchResultEntry, Message as Received,
    MessageSystemAttributeName as Attribute,
};
use gantz_core::limits;
use gantz_core::ports::{Message, PortError, PortResult, Receipt, Receive};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::batch;
use super::send::{REASON, unbuilt};
use crate::error::port_error;

/// The longest long poll, SQS's bound.
const WAIT_MAX_MS: u64 = 20_000;
/// Added to the wait before a poll counts as lost: an answer of 1 MiB needs its time too.
const POLL_MARGIN: Duration = Duration::from_secs(5);

/// Receives messages. Dropped before the answer is there, the poll goes on, and what it brings is handed back: ended in
/// the middle, it could bring messages that nobody knows of, and that nobody gets until their visibility ends.
pub(super) async fn receive(client: &Client, url: String, ask: Receive) -> PortResult<Vec<Message>> {
    let (answer, arrival) = oneshot::channel();
    let client = client.clone();
    tokio::spawn(async move {
        let messages = poll(&client, &url, ask).await;
        let delivery = messages.map(|messages| Delivery { client, url, messages });
        // With nobody there, the delivery comes back from here, is dropped, and so handed back.
        answer.send(delivery).ok();
    });
    let lost = |_| Err(PortError::Transient("ReceiveMessage: the poll ended without an answer".to_owned()));
    arrival.await.unwrap_or_else(lost).map(Delivery::arrive)
}

async fn poll(client: &Client, url: &str, ask: Receive) -> PortResult<Vec<Message>> {
    let wait_seconds = batch::seconds_down(ask.wait_ms.min(WAIT_MAX_MS));
    let patience = Duration::from_millis(ask.wait_ms.min(WAIT_MAX_MS)) + POLL_MARGIN;
    // No second try: a poll whose answer was lost may have received, and its messages come back by themselves.
    let config = aws_sdk_sqs::config::Builder::default()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(patience).build());
    let call = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(i32::try_from(ask.max).unwrap_or(i32::MAX))
        .visibility_timeout(batch::seconds_up(ask.visibility_ms.min(limits::POSTPONE_MAX_MS)))
        .wait_time_seconds(wait_seconds)
        .message_system_attribute_names(Attribute::ApproximateReceiveCount)
        .message_system_attribute_names(Attribute::SentTimestamp)
        .message_attribute_names(REASON);
    let answer = call.customize().config_override(config).send().await;
    let answer = answer.map_err(|error| port_error("ReceiveMessage", &error))?;
    Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
}

fn message(received: Received) -> Option<Message> {
    let number = |name| {
        let text = received.attributes()?.get(&name)?;
        text.parse::<u64>().ok()
    };
    let receives = number(Attribute::ApproximateReceiveCount).unwrap_or(1);
    let sent_at_ms = number(Attribute::SentTimestamp).unwrap_or_default();
    let reason = received.message_attributes().and_then(|attributes| attributes.get(REASON));
    let dead_reason = reason.and_then(|value| value.string_value()).map(str::to_owned);
    let (Some(id), Some(receipt), Some(body)) = (received.message_id, received.receipt_handle, received.body)
    else {
        tracing::error!("received a message without an id, a receipt or a body");
        return None;
    };
    Some(Message {
        id,
        receipt: Receipt(receipt),
        body,
        receives: u32::try_from(receives).unwrap_or(u32::MAX),
        sent_at_ms,
        dead_reason,
    })
}

/// Messages on their way to whoever asked for them.
#[derive(Debug)]
struct Delivery {
    client: Client,
    url: String,
    messages: Vec<Message>,
}

impl Delivery {
    fn arrive(mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        // Without a runtime the process is ending, and visibility ends later.
        if let Ok(runtime) = Handle::try_current() {
            let (client, url) = (self.client.clone(), std::mem::take(&mut self.url));
            let messages = std::mem::take(&mut self.messages);
            runtime.spawn(async move {
                if let Err(error) = hand_back(&client, &url, &messages).await {
                    tracing::warn!(url, %error, "failed to hand back what nobody waits for");
                }
            });
        }
    }
}

async fn hand_back(client: &Client, url: &str, messages: &[Message]) -> PortResult<()> {
    let entries = messages.iter().enumerate().map(|(index, message)| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
        entry.receipt_handle(&message.receipt.0).visibility_timeout(0).build()
    });
    let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|error| unbuilt(&error))?;
    let call = client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries));
    let answer = call.send().await.map_err(|error| port_error("ChangeMessageVisibilityBatch", &error))?;
    let successful = answer.successful().iter().map(ChangeMessageVisibilityBatchResultEntry::id);
    let answers = batch::answers(messages.len(), successful, answer.failed());
    for (message, answer) in messages.iter().zip(answers) {
        if let Err(error) = answer {
            tracing::warn!(message_id = message.id, %error, "failed to hand back what nobody waits for");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_its_parts_is_none() {
        let whole = || Received::builder().message_id("m").receipt_handle("r").body("b");
        let expect = Message {
            id: "m".to_owned(),
            receipt: Receipt("r".to_owned()),
            body: "b".to_owned(),
            receives: 7,
            sent_at_ms: 1_700_000_000_123,
            dead_reason: None,
        };
        let counted = whole()
            .attributes(Attribute::ApproximateReceiveCount, "7")
            .attributes(Attribute::SentTimestamp, "1700000000123");
        assert_eq!(message(counted.build()), Some(expect));
        for lacking in
            [whole().set_message_id(None), whole().set_receipt_handle(None), whole().set_body(None)]
        {
            assert_eq!(message(lacking.build()), None);
        }
    }
}
