//! Messages on their way to a queue.

use std::time::Duration;

use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::ids::QueueName;
use gantz_core::job::JobRecord;
use gantz_core::ports::{EntryError, NewMessage, PortError, PortResult};
use gantz_core::trace::TraceParent;

use crate::submit::{Dispatcher, SubmitError};

/// Pauses before the second and third try of messages that the queue refused for the moment.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];

impl Dispatcher {
    /// Sends every message, in calls that the queue can take. What it refuses for the moment is sent again, alone; what
    /// it refuses for good keeps none of the others back.
    ///
    /// # Errors
    /// When a message could not be sent. Others may have been.
    pub(crate) async fn send(&self, queue: &QueueName, messages: Vec<NewMessage>) -> PortResult<()> {
        let limits = self.ports.queue.limits();
        let mut waiting = messages;
        let mut fault = None;
        let mut pauses = PAUSES.into_iter();
        loop {
            let mut refused = Vec::new();
            let mut last_error = None;
            for call in calls(waiting, limits.batch, limits.body_bytes) {
                let answers = self.ports.queue.send(queue, call.clone()).await?;
                if answers.len() != call.len() {
                    return Err(unanswered("send"));
                }
                for (message, answer) in call.into_iter().zip(answers) {
                    match answer {
                        Ok(()) => {}
                        Err(error) if error.sender_fault => fault = Some(error),
                        Err(error) => {
                            last_error = Some(error);
                            refused.push(message);
                        }
                    }
                }
            }
            match (last_error, pauses.next()) {
                (None, _) => break,
                (Some(_), Some(pause)) => tokio::time::sleep(pause).await,
                (Some(error), None) => return Err(entry_error(&error)),
            }
            waiting = refused;
        }
        fault.map_or(Ok(()), |error| Err(entry_error(&error)))
    }
}

/// A job's message, to be delivered after `delay_ms`. A queue that delays nothing for so long, but `queue_delay_max_ms` at
/// most, delivers it early, to a worker that waits for what is left.
pub(crate) fn message(
    record: &JobRecord,
    parameters: Parameters,
    trace: Option<TraceParent>,
    delay_ms: u64,
    queue_delay_max_ms: u64,
) -> Result<NewMessage, SubmitError> {
    let not_before_ms = (delay_ms > queue_delay_max_ms).then(|| record.created_at_ms + delay_ms);
    let delay_ms = delay_ms.min(queue_delay_max_ms);
    let body = Envelope { job: record.accepted(), parameters, put_back: 0, not_before_ms, trace }.to_body();
    let body =
        body.map_err(|error| PortError::Permanent(format!("the envelope cannot be written: {error}")))?;
    Ok(NewMessage { body, delay_ms, group: record.tenant.group() })
}

/// Splits messages into calls of at most `batch` entries and `bytes` of bodies.
fn calls(messages: Vec<NewMessage>, batch: usize, bytes: usize) -> Vec<Vec<NewMessage>> {
    let mut calls: Vec<Vec<NewMessage>> = Vec::new();
    let mut used = 0;
    for message in messages {
        match calls.last_mut() {
            Some(call) if call.len() < batch && used + message.body.len() <= bytes => {
                used += message.body.len();
                call.push(message);
            }
            _ => {
                used = message.body.len();
                calls.push(vec![message]);
            }
        }
    }
    calls
}

fn entry_error(error: &EntryError) -> PortError {
    let message = format!("the queue refused a message: {error}");
    if error.sender_fault { PortError::Permanent(message) } else { PortError::Transient(message) }
}

pub(crate) fn unanswered(call: &str) -> PortError {
    PortError::Transient(format!("the backend left `{call}` unanswered"))
}

#[cfg(test)]
mod tests {
    use gantz_core::limits;
    use gantz_testkit::builders::{NOW_MS, job_id, record};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_delay_that_no_queue_has_is_waited_for_by_whoever_receives_the_message() {
        const MAX_MS: u64 = 900_000;
        for (delay_ms, expected) in [
            (0, (0, None)),
            (MAX_MS, (MAX_MS, None)),
            (MAX_MS + 1, (MAX_MS, Some(NOW_MS + MAX_MS + 1))),
            (limits::DELAY_MAX_MS, (MAX_MS, Some(NOW_MS + limits::DELAY_MAX_MS))),
        ] {
            let record = record(&job_id("delayed-job"));
            assert_eq!(record.created_at_ms, NOW_MS);
            let message = message(&record, Parameters::Inline(json!({})), None, delay_ms, MAX_MS).unwrap();
            let envelope = Envelope::parse(&message.body).unwrap();
            assert_eq!((message.delay_ms, envelope.not_before_ms), expected, "{delay_ms} ms");
        }
    }
}
