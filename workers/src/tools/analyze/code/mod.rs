//! Source code: lines of code, of comment, and blank ones.

pub(super) mod languages;

use self::languages::Language;
use super::limits::CODE_LINE_BYTES;
use super::report::Code;

/// Counts the lines of a source file that comes in pieces. Roughly: strings are not parsed, and a comment counts only
/// where it starts its line.
#[derive(Debug)]
pub(super) struct CodeCounter {
    language: &'static Language,
    code: u64,
    comment: u64,
    blank: u64,
    /// What ends the block comment that the next line is in.
    block_end: Option<&'static str>,
    /// The start of a line that the next piece goes on with.
    partial: Vec<u8>,
    line_is_open: bool,
}

impl CodeCounter {
    pub(super) fn new(language: &'static Language) -> Self {
        Self {
            language,
            code: 0,
            comment: 0,
            blank: 0,
            block_end: None,
            partial: Vec::new(),
            line_is_open: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            self.end_line(&bytes[start..end]);
            start = end + 1;
        }
        let rest = &bytes[start..];
        if !rest.is_empty() {
            self.line_is_open = true;
            let room = CODE_LINE_BYTES - self.partial.len();
            self.partial.extend_from_slice(&rest[..rest.len().min(room)]);
        }
    }

    pub(super) fn finish(mut self) -> Code {
        if self.line_is_open {
            self.end_line(b"");
        }
        Code {
            language: self.language.name,
            code_lines: self.code,
            comment_lines: self.comment,
            blank_lines: self.blank,
        }
    }

    fn end_line(&mut self, rest: &[u8]) {
        if self.partial.is_empty() {
            self.classify(&rest[..rest.len().min(CODE_LINE_BYTES)]);
        } else {
            let mut line = std::mem::take(&mut self.partial);
            let room = CODE_LINE_BYTES - line.len();
            line.extend_from_slice(&rest[..rest.len().min(room)]);
            self.classify(&line);
            line.clear();
            self.partial = line;
        }
        self.line_is_open = false;
    }

    fn classify(&mut self, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            self.blank += 1;
        } else if let Some(end) = self.block_end {
            self.comment += 1;
            if contains(line, end) {
                self.block_end = None;
            }
        } else if let Some(&(start, end)) =
            self.language.block.iter().find(|(start, _)| line.starts_with(start.as_bytes()))
        {
            self.comment += 1;
            if !contains(&line[start.len()..], end) {
                self.block_end = Some(end);
            }
        } else if self.language.line.iter().any(|mark| line.starts_with(mark.as_bytes())) {
            self.comment += 1;
        } else {
            self.code += 1;
        }
    }
}

fn contains(line: &[u8], text: &str) -> bool {
    memchr::memmem::find(line, text.as_bytes()).is_some()
}
