//! What fits into one call, and what the answer to a call says of each entry.

use std::ops::Range;

use aws_sdk_sqs::types::BatchResultErrorEntry;
use gantz_core::limits;
use gantz_core::ports::{EntryError, NewMessage, PortError, PortResult};

use crate::entries::{Answer, unanswered};

/// Entries in one call, SQS's bound.
pub(super) const ENTRIES_MAX: usize = limits::QUEUE_BATCH_MAX;
/// Bytes of one message with its attributes, and of all messages of a call together: SQS's bound.
const CALL_MAX_BYTES: usize = 1024 * 1024;
/// Kept free beside a body: a message that is set aside takes along an attribute with the reason.
pub(super) const ATTRIBUTES_BYTES: usize = 2 * 1024;
/// Bytes of a body, and of all bodies of a call.
pub(super) const BODY_MAX_BYTES: usize = CALL_MAX_BYTES - ATTRIBUTES_BYTES;

/// Refuses a call that is empty or too large.
pub(super) fn within_batch(entries: usize) -> PortResult<()> {
    if (1..=ENTRIES_MAX).contains(&entries) {
        return Ok(());
    }
    Err(PortError::Permanent(format!("{entries} entries in one call, expected 1 to {ENTRIES_MAX}")))
}

/// Refuses here what SQS would refuse: there, some of it would fail the whole call.
pub(super) fn check(message: &NewMessage, is_fifo: bool) -> Answer {
    let bytes = message.body.len();
    if bytes == 0 || bytes > BODY_MAX_BYTES {
        return Err(sender_fault(format!("the body has {bytes} bytes, expected 1 to {BODY_MAX_BYTES}")));
    }
    if message.delay_ms > limits::SEND_DELAY_MAX_MS {
        let (delay_ms, most_ms) = (message.delay_ms, limits::SEND_DELAY_MAX_MS);
        return Err(sender_fault(format!("the delay is {delay_ms} ms, at most {most_ms}")));
    }
    if is_fifo && message.delay_ms > 0 {
        return Err(sender_fault("a queue that is first in, first out delays no single message".to_owned()));
    }
    match message.body.char_indices().find(|(_, c)| !is_allowed(*c)) {
        Some((at, c)) => {
            let code = u32::from(c);
            Err(sender_fault(format!(
                "the body holds U+{code:04X} at byte {at}, a character that SQS refuses"
            )))
        }
        None => Ok(()),
    }
}

/// The characters of XML 1.0, which are SQS's in every protocol.
pub(super) fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

pub(super) fn sender_fault(message: String) -> EntryError {
    EntryError { code: "InvalidParameterValue".to_owned(), message, sender_fault: true }
}

/// Splits messages whose bodies have these sizes into calls, in order and with as few calls as that allows.
pub(super) fn calls(sizes: &[usize]) -> Vec<Range<usize>> {
    let mut calls: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, size) in sizes.iter().enumerate() {
        match calls.last_mut() {
            Some(call) if call.len() < ENTRIES_MAX && bytes + size <= BODY_MAX_BYTES => call.end = index + 1,
            _ => {
                calls.push(index..index + 1);
                bytes = 0;
            }
        }
        bytes += size;
    }
    calls
}

/// What an answer says of each of a call's `count` entries, whose ids are their positions.
pub(super) fn answers<'a>(
    count: usize,
    successful: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<Answer> {
    let mut answers = vec![Err(unanswered()); count];
    let failed = failed.iter().map(|entry| (entry.id(), Err(entry_error(entry))));
    for (id, answer) in successful.map(|id| (id, Ok(()))).chain(failed) {
        if let Some(place) = id.parse().ok().and_then(|index: usize| answers.get_mut(index)) {
            *place = answer;
        }
    }
    answers
}

fn entry_error(entry: &BatchResultErrorEntry) -> EntryError {
    EntryError {
        code: entry.code().to_owned(),
        message: entry.message().unwrap_or("no reason was given").to_owned(),
        sender_fault: entry.sender_fault(),
    }
}

/// Whole seconds that are not shorter than `ms`.
pub(super) fn seconds_up(ms: u64) -> i32 {
    i32::try_from(ms.div_ceil(1000)).unwrap_or(i32::MAX)
}

/// Whole seconds that are not longer than `ms`.
pub(super) fn seconds_down(ms: u64) -> i32 {
    i32::try_from(ms / 1000).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantz_testkit::fault_table::{Level, fault};
    use proptest::prelude::*;

    #[test]
    fn characters_at_the_edges() {
        let allowed = "\t\n\r ~\u{7F}\u{80}\u{9F}ä\u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{1FFFF}\u{10FFFF}";
        assert_eq!(allowed.chars().find(|c| !is_allowed(*c)), None);
        let refused = "\u{0}\u{1}\u{8}\u{B}\u{C}\u{E}\u{1B}\u{1F}\u{FFFE}\u{FFFF}";
        assert_eq!(refused.chars().find(|c| is_allowed(*c)), None);
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let message = |body: &str, delay_ms| NewMessage { delay_ms, ..NewMessage::of(body) };
        let long = "x".repeat(BODY_MAX_BYTES);
        for (message, says) in [
            (message("{}", 900_000), None),
            (message(&long, 0), None),
            (message(&format!("{long}x"), 0), Some("the body has 1046529 bytes, expected 1 to 1046528")),
            (message("", 0), Some("the body has 0 bytes")),
            (message("ä\u{1B}[0m", 0), Some("the body holds U+001B at byte 2,")),
            (message("{}", 900_001), Some("the delay is 900001 ms, at most 900000")),
        ] {
            match (check(&message, false), says) {
                (Ok(()), None) => {}
                (Err(error), Some(says)) => {
                    assert!(error.sender_fault && error.message.starts_with(says), "{error}");
                }
                (answer, says) => panic!("{answer:?}, expected {says:?}"),
            }
        }
    }

    #[test]
    fn splits_by_count_and_bytes() {
        let shown = fault(6, Level::Unit);
        let half = BODY_MAX_BYTES / 2;
        for (sizes, expect) in [
            (vec![], vec![]),
            (vec![1; 20], vec![0..10, 10..20]),
            (vec![1; 21], vec![0..10, 10..20, 20..21]),
            (vec![half, half, 1], vec![0..2, 2..3]),
            (vec![half + 1, half, half], vec![0..1, 1..3]),
            (vec![1, BODY_MAX_BYTES, 1], vec![0..1, 1..2, 2..3]),
        ] {
            assert_eq!(calls(&sizes), expect, "{sizes:?}");
        }
        shown.in_runs(6, "split by entries and bytes");
    }

    proptest! {
        #[test]
        fn every_entry_is_in_one_call_that_fits(sizes in prop::collection::vec(1..=BODY_MAX_BYTES, 0..40)) {
            let calls = calls(&sizes);
            let covered: Vec<usize> = calls.iter().cloned().flatten().collect();
            prop_assert_eq!(covered, (0..sizes.len()).collect::<Vec<_>>());
            for call in &calls {
                prop_assert!((1..=ENTRIES_MAX).contains(&call.len()));
                prop_assert!(sizes[call.clone()].iter().sum::<usize>() <= BODY_MAX_BYTES);
            }
            // Two neighbours that would fit together were not split.
            for pair in calls.windows(2) {
                let joined = pair[0].len() + 1 > ENTRIES_MAX
                    || sizes[pair[0].start..=pair[1].start].iter().sum::<usize>() > BODY_MAX_BYTES;
                prop_assert!(joined);
            }
        }

        #[test]
        fn rounding_keeps_its_side(ms in 0..=limits::POSTPONE_MAX_MS) {
            let (up, down) = (u64::try_from(seconds_up(ms)).unwrap() * 1000, u64::try_from(seconds_down(ms)).unwrap() * 1000);
            prop_assert!(down <= ms && ms <= up && up - down <= 1000);
        }
    }

    #[test]
    fn answers_come_in_order_and_none_is_missing() {
        let refused = BatchResultErrorEntry::builder().id("0").code("InternalError").sender_fault(false);
        let answers = answers(3, ["2", "7", "x"].into_iter(), &[refused.build().unwrap()]);
        let codes: Vec<_> =
            answers.iter().map(|answer| answer.as_ref().map_err(|error| error.code.as_str())).collect();
        assert_eq!(codes, [Err("InternalError"), Err("Unanswered"), Ok(&())]);
        assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|error| !error.sender_fault));
    }
}
