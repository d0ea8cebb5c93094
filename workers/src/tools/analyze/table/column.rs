//! What is remembered of a column.

use super::super::keep::keep;
use super::super::limits::{NAME_MAX_BYTES, VALUE_MAX_BYTES};
use super::super::report::{Bound, Column, ColumnKind};
use super::sketch::Sketch;
use super::value::{Value, classify};

/// Sums up the values of one column. The order in which they come does not matter.
#[derive(Debug)]
pub(super) struct ColumnSummary {
    seen: Seen,
    nulls: u64,
    values: u64,
    integers: Option<(i64, i64)>,
    numbers: Option<(f64, f64)>,
    texts: Option<(Vec<u8>, Vec<u8>)>,
    sketch: Sketch,
}

/// The types that occurred.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    integer: bool,
    number: bool,
    boolean: bool,
    date: bool,
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
            sketch: Sketch::new(),
        }
    }

    pub(super) fn observe(&mut self, cell: &[u8]) {
        match classify(cell) {
            Value::Null => {
                self.nulls += 1;
                return;
            }
            Value::Integer(integer) => {
                self.seen.integer = true;
                self.integers = Some(widen(self.integers, integer));
                self.numbers = Some(widen(self.numbers, integer as f64));
            }
            Value::Number(number) => {
                self.seen.number = true;
                self.numbers = Some(widen(self.numbers, number));
            }
            Value::Boolean => self.seen.boolean = true,
            Value::Date => self.seen.date = true,
            Value::Text => self.seen.text = true,
        }
        let cell = cell.trim_ascii();
        self.values += 1;
        self.sketch.insert(cell);
        self.observe_text(cell);
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
            distinct: self.sketch.estimate().min(self.values),
        }
    }

    pub(super) fn kind(&self) -> ColumnKind {
        match self.seen {
            Seen { integer: false, number: false, boolean: false, date: false, text: false } => {
                ColumnKind::Empty
            }
            Seen { integer: true, number: false, boolean: false, date: false, text: false } => {
                ColumnKind::Integer
            }
            Seen { number: true, boolean: false, date: false, text: false, .. } => ColumnKind::Number,
            Seen { integer: false, number: false, boolean: true, date: false, text: false } => {
                ColumnKind::Boolean
            }
            Seen { integer: false, number: false, boolean: false, date: true, text: false } => {
                ColumnKind::Date
            }
            _ => ColumnKind::Text,
        }
    }

    fn bounds(&self, kind: ColumnKind) -> Option<(Bound, Bound)> {
        match kind {
            ColumnKind::Empty | ColumnKind::Boolean => None,
            ColumnKind::Integer => self.integers.map(|(min, max)| (Bound::Integer(min), Bound::Integer(max))),
            ColumnKind::Number => self.numbers.map(|(min, max)| (Bound::Number(min), Bound::Number(max))),
            ColumnKind::Date | ColumnKind::Text => self.texts.as_ref().map(|(min, max)| {
                (Bound::Text(keep(min, VALUE_MAX_BYTES)), Bound::Text(keep(max, VALUE_MAX_BYTES)))
            }),
        }
    }

    fn observe_text(&mut self, cell: &[u8]) {
        // A few bytes more than reported, so that the report can mark its cut.
        let cell = &cell[..cell.len().min(VALUE_MAX_BYTES + 4)];
        match &mut self.texts {
            None => self.texts = Some((cell.to_vec(), cell.to_vec())),
            Some((min, _)) if cell < min.as_slice() => replace(min, cell),
            Some((_, max)) if cell > max.as_slice() => replace(max, cell),
            Some(_) => {}
        }
    }
}

fn replace(kept: &mut Vec<u8>, with: &[u8]) {
    kept.clear();
    kept.extend_from_slice(with);
}

fn widen<T: PartialOrd + Copy>(range: Option<(T, T)>, value: T) -> (T, T) {
    match range {
        None => (value, value),
        Some((min, max)) => (if value < min { value } else { min }, if value > max { value } else { max }),
    }
}
