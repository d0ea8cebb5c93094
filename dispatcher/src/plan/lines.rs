//! JSON Lines as a source: one object of parameters a line. The cursor is the offset of the next line and its number.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use gantz_core::json::lossy_integer;
use gantz_core::limits::PARAMETERS_MAX_BYTES;
use gantz_core::ports::PortResult;
use serde_json::{Map, Value};

use super::object_lines::passing;
use super::page::{Item, Page};

trait Input: BufRead + Send {}
impl<T: BufRead + Send> Input for T {}

pub(super) struct Lines {
    input: Box<dyn Input>,
    offset: u64,
    /// The number of the next line, from 1.
    line: u64,
}

impl Lines {
    pub(super) fn of_bytes(bytes: Vec<u8>, cursor: Option<&str>) -> Result<Self, String> {
        Self::from(Cursor::new(bytes), cursor)
    }

    pub(super) fn of_file(path: &Path, cursor: Option<&str>) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("cannot open `{}`: {error}", path.display()))?;
        Self::from(file, cursor)
    }

    pub(super) fn from(
        mut input: impl Read + Seek + Send + 'static,
        cursor: Option<&str>,
    ) -> Result<Self, String> {
        let (offset, line) = match cursor {
            None => (0, 1),
            Some(text) => parse_cursor(text).ok_or_else(|| format!("`{text}` is no cursor of JSON Lines"))?,
        };
        input
            .seek(SeekFrom::Start(offset))
            .map_err(|error| format!("cannot go to byte {offset}: {error}"))?;
        Ok(Self { input: Box::new(BufReader::with_capacity(64 * 1024, input)), offset, line })
    }

    /// The next page.
    ///
    /// # Errors
    /// When the bytes cannot be read for the moment. What can never be read ends the page.
    pub(super) fn next_page(&mut self, size: usize) -> PortResult<Page> {
        let mut items = Vec::with_capacity(size);
        let mut end = None;
        while items.len() < size {
            match self.next_line() {
                Ok(Some((number, line))) => items.extend(item(number, &line)),
                Ok(None) => {
                    end = Some(Ok(()));
                    break;
                }
                Err(error) => {
                    if let Some(passing) =
                        error.get_ref().and_then(|error| error.downcast_ref()).and_then(passing)
                    {
                        return Err(passing);
                    }
                    end = Some(Err(format!("cannot read line {}: {error}", self.line)));
                    break;
                }
            }
        }
        Ok(Page { items, cursor: self.cursor(), end, left_out: 0 })
    }

    /// Where to go on.
    pub(super) fn cursor(&self) -> String {
        format!("{} {}", self.offset, self.line)
    }

    /// Goes on at the beginning of other bytes, whose lines are counted on.
    pub(super) fn go_on_in(&mut self, bytes: Vec<u8>) {
        self.input = Box::new(Cursor::new(bytes));
        self.offset = 0;
    }

    /// The next line's number and its bytes. A line that is too long is cut, which makes it bad JSON.
    fn next_line(&mut self) -> std::io::Result<Option<(u64, Vec<u8>)>> {
        let mut line = Vec::new();
        let mut read =
            self.input.by_ref().take(PARAMETERS_MAX_BYTES as u64 + 1).read_until(b'\n', &mut line)? as u64;
        if read == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') && read > PARAMETERS_MAX_BYTES as u64 {
            read += self.input.skip_until(b'\n')? as u64;
        }
        let number = self.line;
        self.offset += read;
        self.line += 1;
        Ok(Some((number, line)))
    }
}

/// The item of a line; blank lines have none.
fn item(number: u64, line: &[u8]) -> Option<Item> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return None;
    }
    let parameters = if line.len() > PARAMETERS_MAX_BYTES {
        Err(format!("line {number} has more than {PARAMETERS_MAX_BYTES} bytes"))
    } else {
        parse(number, line)
    };
    Some(Item { parameters, label: Some(format!("line {number}")), again: None })
}

fn parse(number: u64, line: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(parameters)) => match std::str::from_utf8(line).ok().and_then(lossy_integer) {
            None => Ok(parameters),
            Some(integer) => Err(format!("line {number}, column {}: {integer}", integer.column)),
        },
        Ok(_) => Err(format!("line {number} is no JSON object of parameters")),
        // A line of its own: only the column means something.
        Err(error) => {
            Err(format!("line {number}, column {}: not JSON ({:?} error)", error.column(), error.classify()))
        }
    }
}

fn parse_cursor(text: &str) -> Option<(u64, u64)> {
    let (offset, line) = text.split_once(' ')?;
    Some((offset.parse().ok()?, line.parse().ok()?))
}
