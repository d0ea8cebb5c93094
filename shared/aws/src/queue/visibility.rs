//! Changing how long a received message stays invisible.

use aws_sdk_sqs::Client;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gantz_core::ports::{PortResult, Receipt};

use crate::error::port_error;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Change {
    /// The message is invisible for so long, from now.
    Done,
    /// The receipt is no longer current, or its message is not in flight.
    Stale,
    /// The message would have been invisible for more than 12 hours since it was received. Nothing changed.
    TooLong,
}

/// Makes a received message invisible for `seconds` from now.
pub(super) async fn change(
    client: &Client,
    url: &str,
    receipt: &Receipt,
    seconds: i32,
) -> PortResult<Change> {
    let call = client.change_message_visibility().queue_url(url).receipt_handle(&receipt.0);
    match call.visibility_timeout(seconds).send().await {
        Ok(_) => Ok(Change::Done),
        Err(error) => {
            let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
            refusal(code, message).ok_or_else(|| port_error("ChangeMessageVisibility", &error))
        }
    }
}

/// Whether an error only says that a receipt is no longer current.
pub(super) fn is_stale(code: &str, message: &str) -> bool {
    refusal(code, message) == Some(Change::Stale)
}

/// What an error says of the receipt; `None` if it is about something else.
///
/// SQS has codes of its own for some of it, and names the parameter in the message for the rest.
fn refusal(code: &str, message: &str) -> Option<Change> {
    match code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code) {
        "MessageNotInflight" | "ReceiptHandleIsInvalid" => Some(Change::Stale),
        "InvalidParameterValue" if message.contains("Total VisibilityTimeout") => Some(Change::TooLong),
        "InvalidParameterValue"
            if message.contains("ReceiptHandle") || message.contains("receipt handle") =>
        {
            Some(Change::Stale)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart() {
        for (code, message, expect) in [
            ("ReceiptHandleIsInvalid", "The input receipt handle is invalid.", Some(Change::Stale)),
            ("AWS.SimpleQueueService.MessageNotInflight", "", Some(Change::Stale)),
            (
                "InvalidParameterValue",
                "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
                 for visibility timeout change.",
                Some(Change::Stale),
            ),
            (
                "InvalidParameterValue",
                "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
                Some(Change::Stale),
            ),
            (
                "InvalidParameterValue",
                "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the \
                 message is beyond the limit [43200 seconds].",
                Some(Change::TooLong),
            ),
            (
                "InvalidParameterValue",
                "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200.",
                None,
            ),
            ("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", None),
            ("", "", None),
        ] {
            assert_eq!(refusal(code, message), expect, "{code}: {message}");
        }
    }
}
