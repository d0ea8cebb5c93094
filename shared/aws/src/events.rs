//! `EventSink` over EventBridge.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use gantz_core::event::{Event, SOURCE};
use gantz_core::ports::{EntryError, EventSink, PortResult};

use crate::codes::{Said, said};
use crate::entries::{Answer, Outcome, may_pass, unanswered, whole};
use crate::error::port_error;
use crate::session::Session;
use crate::settings::Settings;

/// Entries in one call: what EventBridge allows.
const CALL_MAX_ENTRIES: usize = 10;
/// Bytes of all entries in one call: what EventBridge allows, in the smaller of the two megabytes.
const CALL_MAX_BYTES: usize = 1_000_000;
/// What EventBridge counts for an entry's time.
const TIME_BYTES: usize = 14;
/// Codes of entries that may be accepted the next time: faults of the bus, which have no status of their own.
const FAULTS: [&str; 2] = ["InternalFailure", "InternalException"];
/// Pauses before refused entries are sent again. They are few and short: the worker that waits holds a job.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(450)];

/// Completion events on the bus.
pub struct Events {
    session: Arc<Session>,
    settings: Arc<Settings>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("bus", &self.settings.event_bus).finish_non_exhaustive()
    }
}

impl Events {
    /// The bus that `settings` name.
    pub fn new(session: Arc<Session>, settings: Arc<Settings>) -> Self {
        Self { session, settings }
    }

    async fn call(&self, entries: Vec<PutEventsRequestEntry>) -> PortResult<Vec<Answer>> {
        let sent = entries.len();
        let put = self.session.eventbridge().put_events().set_entries(Some(entries));
        let output = put.send().await.map_err(|error| port_error("PutEvents", &error))?;
        let mut answers: Vec<Answer> = output.entries().iter().map(answer).collect();
        answers.resize(sent, Err(unanswered()));
        Ok(answers)
    }
}

#[async_trait]
impl EventSink for Events {
    async fn publish(&self, events: Vec<Event>) -> PortResult<Vec<Answer>> {
        let entries: Vec<_> = events.iter().map(|event| entry(event, &self.settings.event_bus)).collect();
        let sizes: Vec<_> = entries.iter().map(size_bytes).collect();
        let mut outcomes = Vec::with_capacity(entries.len());
        for chunk in chunks(&sizes) {
            match chunk {
                Chunk::Call(range) => {
                    outcomes.extend(insist(&entries[range], |entries| self.call(entries)).await);
                }
                Chunk::TooLarge(n) => outcomes.push(Ok(Err(too_large(sizes[n])))),
            }
        }
        whole(outcomes)
    }
}

/// Sends what one call takes, and again those entries that were refused for a reason that may pass. What was answered
/// stays answered, however later calls end.
async fn insist<E: Clone, F>(entries: &[E], call: impl Fn(Vec<E>) -> F) -> Vec<Outcome>
where
    F: Future<Output = PortResult<Vec<Answer>>>,
{
    let mut outcomes: Vec<Outcome> = match call(entries.to_vec()).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) => return vec![Err(error); entries.len()],
    };
    for pause in PAUSES {
        let again: Vec<usize> = (0..outcomes.len()).filter(|n| may_pass(&outcomes[*n])).collect();
        if again.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        // The SDK has repeated a call that failed; its entries keep the refusals that they have.
        let Ok(retried) = call(again.iter().map(|n| entries[*n].clone()).collect()).await else { break };
        for (n, answer) in again.into_iter().zip(retried) {
            outcomes[n] = Ok(answer);
        }
    }
    outcomes
}

fn entry(event: &Event, bus: &str) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .time(DateTime::from_millis(i64::try_from(event.time_ms).unwrap_or(i64::MAX)))
        .source(SOURCE)
        .detail_type(&event.detail_type)
        .detail(event.detail.to_string())
        .event_bus_name(bus)
        .build()
}

/// An entry's size as EventBridge counts it.
fn size_bytes(entry: &PutEventsRequestEntry) -> usize {
    let texts = [entry.source(), entry.detail_type(), entry.detail()];
    let texts: usize = texts.into_iter().flatten().map(str::len).sum();
    let resources: usize = entry.resources().iter().map(String::len).sum();
    entry.time().map_or(0, |_| TIME_BYTES) + texts + resources
}

/// What becomes of entries that follow one another.
#[derive(Debug, PartialEq, Eq)]
enum Chunk {
    /// They go in one call.
    Call(Range<usize>),
    /// No call takes it.
    TooLarge(usize),
}

/// Splits entries of these sizes, in their order, into as few calls as their number and bytes allow.
fn chunks(sizes: &[usize]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (n, &size) in sizes.iter().enumerate() {
        let fits = n - start < CALL_MAX_ENTRIES && bytes + size <= CALL_MAX_BYTES;
        if !fits {
            if start < n {
                chunks.push(Chunk::Call(start..n));
            }
            (start, bytes) = (n, 0);
        }
        if size > CALL_MAX_BYTES {
            chunks.push(Chunk::TooLarge(n));
            start = n + 1;
        } else {
            bytes += size;
        }
    }
    if start < sizes.len() {
        chunks.push(Chunk::Call(start..sizes.len()));
    }
    chunks
}

fn answer(entry: &PutEventsResultEntry) -> Answer {
    if entry.event_id().is_some() && entry.error_code().is_none() {
        return Ok(());
    }
    let Some(code) = entry.error_code() else { return Err(unanswered()) };
    Err(EntryError {
        code: code.to_owned(),
        message: entry.error_message().unwrap_or_default().to_owned(),
        sender_fault: !FAULTS.contains(&code) && !matches!(said(code), Said::Throttled | Said::Passing),
    })
}

fn too_large(bytes: usize) -> EntryError {
    let message = format!("the event has {bytes} bytes, EventBridge takes at most {CALL_MAX_BYTES}");
    EntryError { code: "EntryTooLarge".into(), message, sender_fault: true }
}

#[cfg(test)]
mod tests {
    use super::Chunk::{Call, TooLarge};
    use super::*;
    use gantz_core::ids::JobId;
    use gantz_core::ports::PortError;
    use serde_json::json;

    #[test]
    fn calls_are_bounded_by_entries_and_bytes() {
        const MAX: usize = CALL_MAX_BYTES;
        let table = [
            (vec![], vec![]),
            (vec![1], vec![Call(0..1)]),
            (vec![1; 10], vec![Call(0..10)]),
            (vec![1; 21], vec![Call(0..10), Call(10..20), Call(20..21)]),
            (vec![MAX], vec![Call(0..1)]),
            (vec![MAX, 1], vec![Call(0..1), Call(1..2)]),
            (vec![1, MAX], vec![Call(0..1), Call(1..2)]),
            (vec![MAX / 2, MAX / 2, 1], vec![Call(0..2), Call(2..3)]),
            (vec![MAX + 1], vec![TooLarge(0)]),
            (vec![1, MAX + 1, 1, 1], vec![Call(0..1), TooLarge(1), Call(2..4)]),
            (vec![MAX + 1, MAX + 1, MAX], vec![TooLarge(0), TooLarge(1), Call(2..3)]),
            ([vec![1; 10], vec![MAX + 1]].concat(), vec![Call(0..10), TooLarge(10)]),
        ];
        for (sizes, expected) in table {
            assert_eq!(chunks(&sizes), expected, "{sizes:?}");
        }
    }

    #[test]
    fn an_entry_says_all_of_the_event() {
        let event = Event {
            job_id: JobId::try_new("job-0001").unwrap(),
            detail_type: "Gantz Job Succeeded".into(),
            detail: json!({"result": "größe"}),
            time_ms: 1_700_000_000_123,
        };
        let entry = entry(&event, "bus");
        assert_eq!(entry.time(), Some(&DateTime::from_millis(1_700_000_000_123)));
        assert_eq!((entry.source(), entry.event_bus_name()), (Some("gantz"), Some("bus")));
        assert_eq!(entry.detail_type(), Some("Gantz Job Succeeded"));
        assert_eq!(entry.detail(), Some(r#"{"result":"größe"}"#));
        // Bytes count, not characters.
        assert_eq!(size_bytes(&entry), 14 + "gantz".len() + 19 + 20);
    }

    fn refused(code: &str) -> PutEventsResultEntry {
        PutEventsResultEntry::builder().error_code(code).error_message("why").build()
    }

    #[test]
    fn answers_tell_what_may_pass_from_what_will_not() {
        let refused =
            |code: &str| PutEventsResultEntry::builder().error_code(code).error_message("why").build();
        assert_eq!(answer(&PutEventsResultEntry::builder().event_id("id").build()), Ok(()));
        for (code, sender_fault) in
            [("ThrottlingException", false), ("InternalFailure", false), ("MalformedDetail", true)]
        {
            let error = EntryError { code: code.into(), message: "why".into(), sender_fault };
            assert_eq!(answer(&refused(code)), Err(error));
        }
        assert!(may_pass(&Ok(answer(&PutEventsResultEntry::builder().build()))));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_sent_again_and_each_answer_keeps_its_place() {
        let calls = std::sync::Mutex::new(Vec::new());
        let call = |entries: Vec<&'static str>| {
            let mut calls = calls.lock().unwrap();
            let tries = calls.len();
            let answers = entries.iter().map(|entry| match *entry {
                "broken" => answer(&refused("MalformedDetail")),
                "late" if tries < 2 => answer(&refused("ThrottlingException")),
                "never" => answer(&refused("InternalFailure")),
                _ => Ok(()),
            });
            let answers = answers.collect();
            calls.push(entries);
            std::future::ready(Ok(answers))
        };
        let answers = whole(insist(&["never", "good", "broken", "late"], call).await).unwrap();
        let codes: Vec<_> =
            answers.iter().map(|answer| answer.as_ref().err().map(|error| &*error.code)).collect();
        assert_eq!(codes, [Some("InternalFailure"), None, Some("MalformedDetail"), None]);
        let expected = [
            vec!["never", "good", "broken", "late"],
            vec!["never", "late"],
            vec!["never", "late"],
            vec!["never"],
        ];
        assert_eq!(*calls.lock().unwrap(), expected);
    }
    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_lost_takes_no_answer_along() {
        let calls = std::sync::atomic::AtomicUsize::new(0);
        let call = |entries: Vec<&'static str>| {
            let nth = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let answers = entries.iter().map(|entry| match *entry {
                "late" => answer(&refused("ThrottlingException")),
                _ => Ok(()),
            });
            let lost = || PortError::Transient("reset".to_owned());
            std::future::ready(if nth == 0 { Ok(answers.collect()) } else { Err(lost()) })
        };
        let outcomes = insist(&["good", "late"], call).await;
        let [Ok(Ok(())), Ok(Err(late))] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(late.code == "ThrottlingException" && !late.sender_fault, "{late}");
        assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 2, "once more, and no oftener");
    }
}
