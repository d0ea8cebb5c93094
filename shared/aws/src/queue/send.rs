//! Sending, and setting a message aside.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry, SendMessageBatchResultEntry};
use gantz_core::ids::sha256_hex;
use gantz_core::ports::{Message, NewMessage, PortError, PortResult};

use super::batch;
use crate::entries::{Answer, Outcome, whole};
use crate::error::port_error;

/// The attribute of a dead letter that says why it is one.
pub(super) const REASON: &str = "gantz-reason";
/// Characters of a reason: enough for a sentence with a position, and within what is kept free beside a body.
const REASON_MAX_CHARS: usize = 256;

/// Sends messages, each for itself; the answers come in their order. Where the queue is first in, first out, each is in a
/// group of its own, whatever it says, and the same body is not taken twice within five minutes.
pub(super) async fn send(
    client: &Client,
    url: &str,
    messages: Vec<NewMessage>,
    is_fifo: bool,
) -> PortResult<Vec<Answer>> {
    let check = |message: &NewMessage| batch::check(message, is_fifo);
    let mut outcomes: Vec<Outcome> = messages.iter().map(|message| Ok(check(message))).collect();
    let good: Vec<_> = messages
        .into_iter()
        .enumerate()
        .filter(|(index, _)| matches!(outcomes[*index], Ok(Ok(()))))
        .collect();
    let sizes: Vec<_> = good.iter().map(|(_, message)| message.body.len()).collect();
    let mut good = good.into_iter();
    for call in batch::calls(&sizes) {
        let (places, messages): (Vec<_>, Vec<_>) = good.by_ref().take(call.len()).unzip();
        let answers = send_call(client, url, messages, is_fifo).await;
        for (n, place) in places.into_iter().enumerate() {
            outcomes[place] = match &answers {
                Ok(answers) => Ok(answers[n].clone()),
                Err(error) => Err(error.clone()),
            };
        }
    }
    whole(outcomes)
}

async fn send_call(
    client: &Client,
    url: &str,
    messages: Vec<NewMessage>,
    is_fifo: bool,
) -> PortResult<Vec<Answer>> {
    let count = messages.len();
    let entries = messages.into_iter().enumerate().map(|(index, message)| entry(index, message, is_fifo));
    let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|error| unbuilt(&error))?;
    let call = client.send_message_batch().queue_url(url).set_entries(Some(entries));
    let answer = call.send().await.map_err(|error| port_error("SendMessageBatch", &error))?;
    Ok(batch::answers(
        count,
        answer.successful().iter().map(SendMessageBatchResultEntry::id),
        answer.failed(),
    ))
}

fn entry(
    index: usize,
    message: NewMessage,
    is_fifo: bool,
) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let entry = SendMessageBatchRequestEntry::builder().id(index.to_string());
    let entry = if is_fifo {
        let group = sha256_hex(message.body.as_bytes());
        entry.message_deduplication_id(&group).message_group_id(group)
    } else {
        // On a standard queue a group makes it a fair one, in no order.
        entry.delay_seconds(batch::seconds_up(message.delay_ms)).set_message_group_id(message.group)
    };
    entry.message_body(message.body).build()
}

/// Puts a dead letter back, as the last message of its group. Where the queue is first in, first out, it has one of its own
/// if it has no other.
pub(super) async fn put_back(
    client: &Client,
    url: &str,
    message: &Message,
    is_fifo: bool,
    group: Option<&str>,
) -> PortResult<()> {
    let call = if is_fifo {
        again(client, url, message, Some(group.unwrap_or(&message.id)))
    } else {
        again(client, url, message, None).set_message_group_id(group.map(str::to_owned))
    };
    call.send().await.map(|_| ()).map_err(|error| port_error("SendMessage", &error))
}

/// Puts a message on a dead-letter queue, with the reason as far as it fits. Dead letters have no order to keep.
pub(super) async fn bury(
    client: &Client,
    url: &str,
    message: &Message,
    reason: &str,
    is_fifo: bool,
) -> PortResult<()> {
    let mut call = again(client, url, message, is_fifo.then_some(&message.id));
    if let Some(reason) = presentable(reason, message.body.len()) {
        let value = MessageAttributeValue::builder().data_type("String").string_value(reason).build();
        call = call.message_attributes(REASON, value.map_err(|error| unbuilt(&error))?);
    }
    call.send().await.map(|_| ()).map_err(|error| port_error("SendMessage", &error))
}

/// What was received, for another queue; with a group if that one is first in, first out. There, sending it once more
/// within five minutes makes no second message.
fn again(client: &Client, url: &str, message: &Message, group: Option<&str>) -> SendMessageFluentBuilder {
    let call = client.send_message().queue_url(url).message_body(&message.body);
    match group {
        Some(group) => call.message_group_id(group).message_deduplication_id(&message.id),
        None => call,
    }
}

/// The reason as SQS takes it. `None` where there is none, or no room for it: others may fill a message to the brim.
fn presentable(reason: &str, body_bytes: usize) -> Option<String> {
    let presentable = |c| if batch::is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER };
    let reason: String = reason.chars().take(REASON_MAX_CHARS).map(presentable).collect();
    (!reason.is_empty() && body_bytes <= batch::BODY_MAX_BYTES).then_some(reason)
}

pub(super) fn unbuilt(error: &BuildError) -> PortError {
    PortError::Permanent(format!("the call cannot be built: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_made_to_fit() {
        let long = "𝄞".repeat(REASON_MAX_CHARS + 1);
        for (reason, body_bytes, expect) in [
            ("no envelope: »größer«\nand more", 10, Some("no envelope: »größer«\nand more".to_owned())),
            ("bad \u{0} byte", 10, Some("bad \u{FFFD} byte".to_owned())),
            ("", 10, None),
            ("full", batch::BODY_MAX_BYTES + 1, None),
            (&long, batch::BODY_MAX_BYTES, Some("𝄞".repeat(REASON_MAX_CHARS))),
        ] {
            assert_eq!(presentable(reason, body_bytes), expect, "{reason}");
        }
        assert!(REASON.len() + "String".len() + 4 * REASON_MAX_CHARS <= batch::ATTRIBUTES_BYTES);
    }
}
