//! Lines, words and encoding of text, in tight loops: these run over every byte.

use memchr::memchr_iter;

use super::report::{Encoding, LineEnding, TextReport};

/// Counts lines and words of text that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct TextCounter {
    line_feeds: u64,
    /// Those before a line feed, and all of them.
    returns_before_feeds: u64,
    returns: u64,
    words: u64,
    longest_line: u64,
    current_line: u64,
    last: Option<u8>,
}

impl TextCounter {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
            return;
        };
        let before = self.last.unwrap_or(b' ');
        self.words += u64::from(is_space(before) && !is_space(first)) + count_word_starts(bytes);
        self.count_lines(before, bytes);
        self.last = Some(last);
    }

    pub(super) fn finish(&self, encoding: Encoding, bom: bool) -> TextReport {
        let unended = self.last.is_some_and(|last| last != b'\n');
        TextReport {
            encoding,
            bom,
            line_ending: self.line_ending(),
            lines: self.line_feeds + u64::from(unended),
            words: self.words,
            longest_line_bytes: self.longest_line.max(self.current_line),
        }
    }

    fn line_ending(&self) -> LineEnding {
        let both = self.returns_before_feeds;
        match (self.line_feeds - both, both, self.returns - both) {
            (0, 0, 0) => LineEnding::None,
            (_, 0, 0) => LineEnding::Lf,
            (0, _, 0) => LineEnding::Crlf,
            (0, 0, _) => LineEnding::Cr,
            _ => LineEnding::Mixed,
        }
    }

    fn count_lines(&mut self, before: u8, bytes: &[u8]) {
        self.returns += memchr_iter(b'\r', bytes).count() as u64;
        let mut start = 0;
        for end in memchr_iter(b'\n', bytes) {
            let previous = if end == 0 { before } else { bytes[end - 1] };
            self.line_feeds += 1;
            self.returns_before_feeds += u64::from(previous == b'\r');
            self.longest_line = self.longest_line.max(self.current_line + (end - start) as u64);
            self.current_line = 0;
            start = end + 1;
        }
        self.current_line += (bytes.len() - start) as u64;
    }
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte.wrapping_sub(b'\t') < 5
}

/// Words that start within `bytes`, other than at its first byte.
fn count_word_starts(bytes: &[u8]) -> u64 {
    let next = &bytes[1..];
    // Runs of 255 count in one byte each, which the compiler turns into wide instructions.
    bytes
        .chunks(255)
        .zip(next.chunks(255))
        .map(|(a, b)| {
            let starts = a.iter().zip(b).map(|(&a, &b)| u8::from(is_space(a) & !is_space(b)));
            u64::from(starts.fold(0u8, u8::wrapping_add))
        })
        .sum()
}

/// Finds out how the bytes of a text are encoded, piece by piece.
#[derive(Debug)]
pub(super) struct EncodingCheck {
    ascii: bool,
    utf8: bool,
    nul: bool,
    control: bool,
    /// The start of a character that the next piece ends.
    partial: Vec<u8>,
}

impl EncodingCheck {
    pub(super) fn new() -> Self {
        Self { ascii: true, utf8: true, nul: false, control: false, partial: Vec::new() }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.nul = self.nul || memchr::memchr(0, bytes).is_some();
        self.control = self.control || bytes.iter().fold(false, |found, &byte| found | is_odd_control(byte));
        self.ascii = self.ascii && bytes.is_ascii();
        if self.utf8 && !self.ascii {
            self.utf8 = self.check_utf8(bytes);
        }
    }

    /// Whether the bytes so far look like text that may go on.
    pub(super) fn is_text(&self) -> bool {
        !self.nul && (self.utf8 || !self.control)
    }

    /// The encoding. The end of a `sample` may have cut a character.
    pub(super) fn finish(&self, sample: bool) -> Encoding {
        match self {
            Self { nul: true, .. } => Encoding::Unknown8Bit,
            Self { ascii: true, .. } => Encoding::Ascii,
            Self { utf8: true, partial, .. } if sample || partial.is_empty() => Encoding::Utf8,
            Self { control: false, .. } => Encoding::Latin1,
            _ => Encoding::Unknown8Bit,
        }
    }

    fn check_utf8(&mut self, mut bytes: &[u8]) -> bool {
        while let (false, Some((&next, rest))) = (self.partial.is_empty(), bytes.split_first()) {
            self.partial.push(next);
            bytes = rest;
            match std::str::from_utf8(&self.partial) {
                Ok(_) => self.partial.clear(),
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                self.partial.extend_from_slice(&bytes[error.valid_up_to()..]);
                true
            }
            Err(_) => false,
        }
    }
}

/// Control characters that do not occur in text: all but white space, backspace and escape.
fn is_odd_control(byte: u8) -> bool {
    byte < 0x20 && !(0x08..=0x0d).contains(&byte) && byte != 0x1b
}
