//! Comma, tab or otherwise separated values.

mod column;
mod distinct;
mod sniff;
mod value;

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

use self::column::ColumnSummary;
pub(super) use self::sniff::{sniff, sniff_certain};
use self::value::{Value, classify};
use super::limits::{CELL_BYTES, COLUMNS_MAX, LINE_NUMBERS_MAX};
use super::report::{ColumnKind, Table};

/// Sums up a table that comes in pieces.
#[derive(Debug)]
pub(super) struct TableCounter {
    delimiter: u8,
    reader: Reader,
    cell: Cell,
    row: Row,
    /// The start of each value of the first row, which may turn out to be a header.
    first_row: Vec<Vec<u8>>,
    columns: Vec<ColumnSummary>,
    width: u64,
    rows: u64,
    ragged_rows: u64,
    ragged_lines: Vec<u64>,
}

/// The cell being read.
#[derive(Debug)]
struct Cell {
    kept: Box<[u8; CELL_BYTES]>,
    filled: usize,
    /// Where the rest of a long cell goes.
    spill: Box<[u8; CELL_BYTES]>,
}

/// The row being read.
#[derive(Debug)]
struct Row {
    started: bool,
    line: u64,
    width: u64,
    /// Line feeds skipped between rows, which the reader does not see.
    skipped_lines: u64,
}

impl TableCounter {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            cell: Cell { kept: Box::new([0; CELL_BYTES]), filled: 0, spill: Box::new([0; CELL_BYTES]) },
            row: Row { started: false, line: 1, width: 0, skipped_lines: 0 },
            first_row: Vec::new(),
            columns: Vec::new(),
            width: 0,
            rows: 0,
            ragged_rows: 0,
            ragged_lines: Vec::new(),
        }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        loop {
            if !self.row.started {
                bytes = self.skip_blank_lines(bytes);
            }
            // An empty piece would tell the reader that this is the end.
            if bytes.is_empty() {
                return;
            }
            self.row.started = true;
            let (read, _) = self.step(bytes);
            bytes = &bytes[read..];
        }
    }

    /// Ends the last row, unless this is a `sample` that may have cut it.
    pub(super) fn finish(mut self, sample: bool) -> Table {
        while !sample && self.step(b"").1 != ReadFieldResult::End {}
        let header = self.first_row_is_header();
        if !header {
            let first_row = std::mem::take(&mut self.first_row);
            for (column, cell) in self.columns.iter_mut().zip(&first_row) {
                column.observe(cell);
            }
        }
        let name = |index: usize| self.first_row.get(index).map_or(&[][..], Vec::as_slice);
        Table {
            delimiter: char::from(self.delimiter),
            quote: '"',
            header,
            rows: self.rows.saturating_sub(u64::from(header)),
            columns_total: self.width,
            columns: self
                .columns
                .into_iter()
                .enumerate()
                .map(|(index, column)| column.finish(name(index), index))
                .collect(),
            ragged_rows: self.ragged_rows,
            ragged_at: self.ragged_lines,
        }
    }

    /// A header has a different text in every column. A single row of texts is taken for one, too. Where names are missing
    /// or repeated, one of them stands above values that are no texts.
    fn first_row_is_header(&self) -> bool {
        let mut names: Vec<&[u8]> = self.first_row.iter().map(|cell| cell.trim_ascii()).collect();
        let is_text = |name: &[u8]| classify(name) == Value::Text;
        let above_no_text = |(name, column): (&&[u8], &ColumnSummary)| {
            is_text(name) && !matches!(column.kind(), ColumnKind::Text | ColumnKind::Empty)
        };
        if names.iter().zip(&self.columns).any(above_no_text) {
            return names.iter().all(|name| name.is_empty() || is_text(name));
        }
        let all_texts = !names.is_empty() && names.iter().all(|name| is_text(name));
        names.sort_unstable();
        all_texts && names.windows(2).all(|pair| pair[0] != pair[1])
    }

    fn skip_blank_lines<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        self.row.skipped_lines += bytes[..blank].iter().filter(|&&byte| byte == b'\n').count() as u64;
        if blank < bytes.len() {
            self.row.line = self.reader.line() + self.row.skipped_lines;
        }
        &bytes[blank..]
    }

    /// Reads up to the end of a cell, of its buffer, or of `bytes`. Empty `bytes` are the end of the file.
    fn step(&mut self, bytes: &[u8]) -> (usize, ReadFieldResult) {
        let Cell { kept, filled, spill } = &mut self.cell;
        let room = if *filled < CELL_BYTES { &mut kept[*filled..] } else { &mut spill[..] };
        let (result, read, written) = self.reader.read_field(bytes, room);
        *filled = (*filled + written).min(CELL_BYTES);
        if let ReadFieldResult::Field { record_end } = result {
            self.end_cell();
            if record_end {
                self.end_row();
            }
        }
        (read, result)
    }

    fn end_cell(&mut self) {
        let cell = &self.cell.kept[..self.cell.filled];
        let index = usize::try_from(self.row.width).unwrap_or(usize::MAX);
        if self.rows > 0 {
            if let Some(column) = self.columns.get_mut(index) {
                column.observe(cell);
            }
        } else if index < COLUMNS_MAX {
            self.first_row.push(cell.to_vec());
            self.columns.push(ColumnSummary::new());
        }
        self.cell.filled = 0;
        self.row.width += 1;
    }

    fn end_row(&mut self) {
        if self.rows == 0 {
            self.width = self.row.width;
        } else if self.row.width != self.width {
            self.ragged_rows += 1;
            if self.ragged_lines.len() < LINE_NUMBERS_MAX {
                self.ragged_lines.push(self.row.line);
            }
        }
        self.rows += 1;
        self.row.width = 0;
        self.row.started = false;
    }
}
