//! Which character separates the values.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::super::limits::{CELL_BYTES, SNIFF_RECORDS};
use super::value::{Value, classify};

const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];
/// Rows that must agree before a text without a telling name is called a table.
const CERTAIN_RECORDS: usize = 3;

/// The delimiter under which the records agree best; `default` if none occurs.
pub(in super::super) fn sniff(head: &[u8], whole: bool, default: u8) -> u8 {
    let best = DELIMITERS.iter().map(|&delimiter| (widths(head, whole, delimiter), delimiter)).max_by(
        // The first of equals wins, where `max_by` would take the last.
        |(a, _), (b, _)| agreement(a).total_cmp(&agreement(b)).then(std::cmp::Ordering::Greater),
    );
    match best {
        Some((widths, delimiter)) if agreement(&widths) > 0.0 => delimiter,
        _ => default,
    }
}

/// The delimiter of a text whose name does not say that it is a table: only if all records agree, and there are enough
/// of them, or two of which the second has values that are no words.
pub(in super::super) fn sniff_certain(head: &[u8], whole: bool) -> Option<u8> {
    DELIMITERS.into_iter().find(|&delimiter| {
        let widths = widths(head, whole, delimiter);
        let agree =
            widths.first().is_some_and(|&first| first >= 2 && widths.iter().all(|&width| width == first));
        agree
            && (widths.len() >= CERTAIN_RECORDS || (widths.len() == 2 && second_has_numbers(head, delimiter)))
    })
}

fn second_has_numbers(head: &[u8], delimiter: u8) -> bool {
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let second = lines.nth(1).unwrap_or_default();
    second.split(|&byte| byte == delimiter).any(|cell| !matches!(classify(cell), Value::Text | Value::Null))
}

/// How well the widths agree with the first: a share, a little more if they are wide, nothing for a single column.
fn agreement(widths: &[usize]) -> f64 {
    match widths.first() {
        None | Some(..=1) => 0.0,
        Some(&first) => {
            let agreeing = widths.iter().filter(|&&width| width == first).count();
            agreeing as f64 / widths.len() as f64 + (first as f64).min(1_000.0) / 100_000.0
        }
    }
}

/// Values in each of the head's first complete records.
fn widths(mut head: &[u8], whole: bool, delimiter: u8) -> Vec<usize> {
    let mut reader: Reader = ReaderBuilder::new().delimiter(delimiter).build();
    let (mut output, mut ends) = ([0; CELL_BYTES], [0; 64]);
    let mut widths = Vec::new();
    let mut width = 0;
    while widths.len() < SNIFF_RECORDS && (whole || !head.is_empty()) {
        let (result, read, _, written) = reader.read_record(head, &mut output, &mut ends);
        head = &head[read..];
        width += written;
        match result {
            ReadRecordResult::Record => widths.push(std::mem::take(&mut width)),
            ReadRecordResult::End => break,
            // More output is wanted, or the input's end made known by an empty one.
            ReadRecordResult::OutputFull
            | ReadRecordResult::OutputEndsFull
            | ReadRecordResult::InputEmpty => {}
        }
    }
    widths
}
