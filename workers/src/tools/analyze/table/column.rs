//! What is remembered of a column.

use super::super::keep::keep;
use super::super::limits::{NAME_MAX_BYTES, VALUE_MAX_BYTES};
use super::super::report::{Column, ColumnKind};
use super::distinct::Distinct;
use super::value::{Value, classify};

/// Sums up the values of one column. The order in which they come matters only to the spelling of equal numbers.
#[derive(Debug)]
pub(super) struct ColumnSummary {
    seen: Seen,
    nulls: u64,
    values: u64,
    integers: Option<Range<i64>>,
    numbers: Option<Range<f64>>,
    texts: Option<(Vec<u8>, Vec<u8>)>,
    distinct: Distinct,
}

/// The smallest and the largest number, each as it was written.
#[derive(Debug)]
struct Range<T> {
    min: (T, Vec<u8>),
    max: (T, Vec<u8>),
}

impl<T: PartialOrd + Copy> Range<T> {
    fn widen(range: &mut Option<Self>, value: T, text: &[u8]) {
        let text = kept(text);
        match range {
            None => *range = Some(Self { min: (value, text.to_vec()), max: (value, text.to_vec()) }),
            Some(Self { min, .. }) if value < min.0 => {
                min.0 = value;
                replace(&mut min.1, text);
            }
            Some(Self { max, .. }) if value > max.0 => {
                max.0 = value;
                replace(&mut max.1, text);
            }
            Some(_) => {}
        }
    }
}

/// The types that occurred.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    integer: bool,
    number: bool,
    boolean: bool,
    date: bool,
    date_time: bool,
    text: bool,
}

impl ColumnSummary {
    pub(super) fn new() -> Self {
        Self {
            seen: Seen::default(),
            nulls: 0,
            values: 0,
            integers: None,
            numbers: None,
            texts: None,
            distinct: Distinct::new(),
        }
    }

    pub(super) fn observe(&mut self, cell: &[u8]) {
        let text = cell.trim_ascii();
        match classify(cell) {
            Value::Null => {
                self.nulls += 1;
                return;
            }
            Value::Integer(integer) => {
                self.seen.integer = true;
                Range::widen(&mut self.integers, integer, text);
                Range::widen(&mut self.numbers, integer as f64, text);
            }
            Value::Number(number) => {
                self.seen.number = true;
                Range::widen(&mut self.numbers, number, text);
            }
            Value::Boolean => self.seen.boolean = true,
            Value::Date => self.seen.date = true,
            Value::DateTime => self.seen.date_time = true,
            Value::Text => self.seen.text = true,
        }
        self.values += 1;
        self.distinct.insert(text);
        self.observe_text(text);
    }

    pub(super) fn finish(self, name: &[u8], index: usize) -> Column {
        let kind = self.kind();
        let name = keep(name.trim_ascii(), NAME_MAX_BYTES);
        let (min, max) = self.bounds(kind).unzip();
        Column {
            name: if name.is_empty() { format!("column_{}", index + 1) } else { name },
            kind,
            nulls: self.nulls,
            min,
            max,
            distinct: self.distinct.len().min(self.values),
            distinct_exact: self.distinct.is_exact(),
        }
    }

    pub(super) fn kind(&self) -> ColumnKind {
        let Seen { integer, number, boolean, date, date_time, text } = self.seen;
        match (integer || number, boolean, date || date_time, text) {
            (false, false, false, false) => ColumnKind::Empty,
            (true, false, false, false) if number => ColumnKind::Number,
            (true, false, false, false) => ColumnKind::Integer,
            (false, true, false, false) => ColumnKind::Boolean,
            (false, false, true, false) if date_time => ColumnKind::DateTime,
            (false, false, true, false) => ColumnKind::Date,
            _ => ColumnKind::Text,
        }
    }

    fn bounds(&self, kind: ColumnKind) -> Option<(String, String)> {
        let (min, max) = match kind {
            ColumnKind::Empty | ColumnKind::Boolean => None,
            ColumnKind::Integer => self.integers.as_ref().map(|range| (&range.min.1, &range.max.1)),
            ColumnKind::Number => self.numbers.as_ref().map(|range| (&range.min.1, &range.max.1)),
            ColumnKind::Date | ColumnKind::DateTime | ColumnKind::Text => {
                self.texts.as_ref().map(|(min, max)| (min, max))
            }
        }?;
        Some((keep(min, VALUE_MAX_BYTES), keep(max, VALUE_MAX_BYTES)))
    }

    fn observe_text(&mut self, text: &[u8]) {
        let text = kept(text);
        match &mut self.texts {
            None => self.texts = Some((text.to_vec(), text.to_vec())),
            Some((min, _)) if text < min.as_slice() => replace(min, text),
            Some((_, max)) if text > max.as_slice() => replace(max, text),
            Some(_) => {}
        }
    }
}

/// A few bytes more than are reported, so that the report can mark its cut.
fn kept(text: &[u8]) -> &[u8] {
    &text[..text.len().min(VALUE_MAX_BYTES + 4)]
}

fn replace(kept: &mut Vec<u8>, with: &[u8]) {
    kept.clear();
    kept.extend_from_slice(with);
}
