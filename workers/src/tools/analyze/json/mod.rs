//! JSON, as one document or line by line.

mod duplicates;
mod scan;
mod shape;

use self::duplicates::Duplicates;
use self::scan::{Scanned, Scanner, Visit};
use self::shape::Shape;
use super::limits::LINE_NUMBERS_MAX;
use super::report::{Fault, Json, JsonKind, JsonLines};

/// Whether the head starts with two lines that are one JSON object or array each.
pub(super) fn looks_like_lines(head: &[u8]) -> bool {
    let mut lines = head.split_inclusive(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else {
        return false;
    };
    let second_is_whole = second.ends_with(b"\n");
    let opens = |line: &[u8]| matches!(line.trim_ascii_start().first(), Some(b'{' | b'['));
    opens(first) && is_document(first) && opens(second) && (is_document(second) || !second_is_whole)
}

/// Whether the head is JSON, as far as it goes, other than a mere word or number.
pub(super) fn looks_like_document(head: &[u8], whole: bool) -> bool {
    let mut scanner = Scanner::new();
    matches!(head.trim_ascii_start().first(), Some(b'{' | b'['))
        && scanner.feed(head, &mut Nobody) == Scanned::All
        && (!whole || scanner.is_done())
}

fn is_document(text: &[u8]) -> bool {
    let mut scanner = Scanner::new();
    scanner.feed(text, &mut Nobody) == Scanned::All && scanner.is_done()
}

struct Nobody;

impl Visit for Nobody {
    fn key(&mut self, _name: &[u8], _hash: u64) {}
    fn value(&mut self, _kind: JsonKind) {}
    fn close(&mut self) {}
}

/// Describes a document, or several in a row, that comes in pieces.
#[derive(Debug)]
pub(super) struct JsonCounter {
    scanner: Scanner,
    shape: Shape,
    duplicates: Duplicates,
    /// Values directly in the first document, if that is an object or array.
    members: u64,
    documents: u64,
    depth: usize,
    /// Line feeds in the pieces before this one, and bytes behind the last of them.
    line_feeds: u64,
    since_line_feed: u64,
    /// The first thing that is wrong.
    fault: Option<Fault>,
    /// It is such that nothing behind it can be read.
    broken: bool,
}

impl JsonCounter {
    pub(super) fn new() -> Self {
        Self {
            scanner: Scanner::new(),
            shape: Shape::of_documents(),
            duplicates: Duplicates::default(),
            members: 0,
            documents: 0,
            depth: 0,
            line_feeds: 0,
            since_line_feed: 0,
            fault: None,
            broken: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut start = 0;
        // Where reading has got to, for those who ask where something is wrong.
        let mut passed = 0;
        while !self.broken && start < bytes.len() {
            let mut visit = Members {
                shape: &mut self.shape,
                duplicates: &mut self.duplicates,
                is_first: self.documents == 0,
                members: &mut self.members,
                open: self.scanner.depth(),
                deepest: &mut self.depth,
            };
            match self.scanner.feed(&bytes[start..], &mut visit) {
                Scanned::All => break,
                Scanned::Ended(at) => {
                    self.documents += 1;
                    self.scanner.reset();
                    self.shape.reset();
                    start += at;
                    self.pass(&bytes[passed..start]);
                    passed = start;
                    self.note_fault("something follows the value");
                }
                Scanned::Fault(at, message) => {
                    self.pass(&bytes[passed..start + at]);
                    self.note_fault(message);
                    self.broken = true;
                    return;
                }
            }
        }
        self.pass(&bytes[passed..]);
    }

    /// Takes note of bytes that were read.
    fn pass(&mut self, bytes: &[u8]) {
        self.line_feeds += count_line_feeds(bytes);
        self.since_line_feed = match memchr::memrchr(b'\n', bytes) {
            Some(last) => (bytes.len() - last - 1) as u64,
            None => self.since_line_feed + bytes.len() as u64,
        };
    }

    /// Something is wrong at the place that reading has got to.
    fn note_fault(&mut self, message: &'static str) {
        let (line, column) = (self.line_feeds + 1, self.since_line_feed + 1);
        self.fault.get_or_insert(Fault { line, column, message });
    }

    /// What was found. The end of a `sample` may have cut the document.
    pub(super) fn finish(mut self, sample: bool) -> Json {
        if !self.broken && (self.documents == 0 || !self.scanner.is_blank()) {
            match self.scanner.end(&mut self.shape) {
                Ok(()) => self.documents += 1,
                Err(_) if sample => {}
                Err(message) => self.note_fault(message),
            }
        }
        let (root, values) = (self.shape.root, self.shape.values);
        let (paths, paths_truncated) = self.shape.finish();
        Json {
            valid: match &self.fault {
                Some(_) => Some(false),
                None => (!sample).then_some(true),
            },
            error: self.fault,
            values: self.documents,
            kind: root,
            depth: self.depth as u64,
            keys: (root == Some(JsonKind::Object)).then_some(self.members),
            items: (root == Some(JsonKind::Array)).then_some(self.members),
            duplicate_keys: self.duplicates.count,
            nodes: values,
            paths,
            paths_truncated,
        }
    }
}

fn count_line_feeds(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Passes on to a shape, counts what the first document has, and watches the depth.
struct Members<'a> {
    shape: &'a mut Shape,
    duplicates: &'a mut Duplicates,
    is_first: bool,
    members: &'a mut u64,
    open: usize,
    deepest: &'a mut usize,
}

impl Visit for Members<'_> {
    fn key(&mut self, name: &[u8], hash: u64) {
        self.shape.key(name, hash);
        self.duplicates.key(hash);
    }

    fn value(&mut self, kind: JsonKind) {
        *self.members += u64::from(self.is_first && self.open == 1);
        if matches!(kind, JsonKind::Object | JsonKind::Array) {
            self.open += 1;
            *self.deepest = (*self.deepest).max(self.open);
            self.duplicates.open();
        }
        self.shape.value(kind);
    }

    fn close(&mut self) {
        self.open -= 1;
        self.shape.close();
        self.duplicates.close();
    }
}

/// Counts the records of JSON Lines that come in pieces.
#[derive(Debug)]
pub(super) struct JsonLinesCounter {
    scanner: Scanner,
    shape: Shape,
    line: u64,
    line_is_broken: bool,
    /// The line has bytes, or its line feed.
    line_began: bool,
    records: u64,
    blank_lines: u64,
    malformed: u64,
    malformed_lines: Vec<u64>,
}

impl JsonLinesCounter {
    pub(super) fn new() -> Self {
        Self {
            scanner: Scanner::new(),
            shape: Shape::of_records(),
            line: 1,
            line_is_broken: false,
            line_began: false,
            records: 0,
            blank_lines: 0,
            malformed: 0,
            malformed_lines: Vec::new(),
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.feed_line(&bytes[start..end]);
            self.line_began = true;
            self.end_line();
            start = end + 1;
        }
        self.feed_line(&bytes[start..]);
    }

    /// What was found. The end of a `sample` may have cut the last line, so it does not count.
    pub(super) fn finish(mut self, sample: bool) -> JsonLines {
        if !sample && self.line_began {
            self.end_line();
        }
        let (fields, fields_truncated) = self.shape.finish();
        JsonLines {
            records: self.records,
            blank_lines: self.blank_lines,
            malformed: self.malformed,
            malformed_at: self.malformed_lines,
            fields,
            fields_truncated,
        }
    }

    fn feed_line(&mut self, bytes: &[u8]) {
        self.line_began |= !bytes.is_empty();
        if !self.line_is_broken {
            self.line_is_broken = self.scanner.feed(bytes, &mut self.shape) != Scanned::All;
        }
    }

    fn end_line(&mut self) {
        let blank = self.scanner.is_blank() && !self.line_is_broken;
        let broken = self.line_is_broken || (!blank && self.scanner.end(&mut self.shape).is_err());
        if broken {
            self.malformed += 1;
            if self.malformed_lines.len() < LINE_NUMBERS_MAX {
                self.malformed_lines.push(self.line);
            }
        } else if blank {
            self.blank_lines += 1;
        } else {
            self.records += 1;
        }
        self.line += 1;
        self.line_began = false;
        self.line_is_broken = false;
        self.scanner.reset();
        self.shape.reset();
    }
}
