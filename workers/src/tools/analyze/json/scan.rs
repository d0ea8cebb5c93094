//! A reader of JSON text (RFC 8259) that comes in pieces: no recursion, no copy of the document, one bit for each level.

use std::hash::{DefaultHasher, Hasher};

use super::super::limits::{KEY_BYTES, NESTING_MAX};
use super::super::report::JsonKind;

/// Hears what a document consists of, in order.
pub(super) trait Visit {
    /// The key of the value that comes next, as it is written, cut to [`KEY_BYTES`]; `hash` is that of all of it.
    fn key(&mut self, name: &[u8], hash: u64);
    /// A scalar ended, or an object or array began.
    fn value(&mut self, kind: JsonKind);
    /// The innermost object or array ended.
    fn close(&mut self);
}

/// Reads one document.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// For each open level whether it is an object.
    levels: Vec<bool>,
    key: Vec<u8>,
    key_hash: DefaultHasher,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value must come.
    Value,
    /// A value or `]`.
    FirstItem,
    /// A key or `}`.
    FirstKey,
    Key,
    Colon,
    /// A comma or the level's end.
    AfterValue,
    String(Text),
    Escape(Text),
    /// So many hexadecimal digits of `\u` are missing.
    Unicode(Text, u8),
    Number(Number),
    /// What is missing of `true`, `false` or `null`.
    Word(&'static [u8], JsonKind),
    /// The document is complete.
    Done,
}

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Key,
    Value,
}

/// How far a number was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// How reading a piece went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// All of it, and the document may go on.
    All,
    /// The document ended, and something follows it, at this offset in the piece.
    Ended(usize),
    /// What stands at this offset is no JSON.
    Fault(usize, &'static str),
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { state: State::Value, levels: Vec::new(), key: Vec::new(), key_hash: DefaultHasher::new() }
    }

    /// Forgets the document, and waits for another.
    pub(super) fn reset(&mut self) {
        self.state = State::Value;
        self.levels.clear();
    }

    /// Whether nothing but white space was read.
    pub(super) fn is_blank(&self) -> bool {
        self.state == State::Value && self.levels.is_empty()
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Says that no more comes: what ends a number that stands alone.
    pub(super) fn end(&mut self, visit: &mut impl Visit) -> Result<(), &'static str> {
        if let State::Number(number) = self.state {
            self.end_number(number, visit)?;
        }
        if self.is_done() { Ok(()) } else { Err("the text ends before the value does") }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], visit: &mut impl Visit) -> Scanned {
        let mut at = 0;
        while at < bytes.len() {
            if let State::String(text) = self.state {
                at += self.skip_plain(text, &bytes[at..]);
                if at == bytes.len() {
                    break;
                }
            }
            let byte = bytes[at];
            if self.state == State::Done && !is_space(byte) {
                return Scanned::Ended(at);
            }
            match self.step(byte, visit) {
                Ok(Took::Byte) => at += 1,
                Ok(Took::Nothing) => {}
                Err(what) => return Scanned::Fault(at, what),
            }
        }
        Scanned::All
    }

    /// The length of what needs no look at each byte: the inside of a string.
    fn skip_plain(&mut self, text: Text, bytes: &[u8]) -> usize {
        let plain =
            bytes.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len());
        self.keep_key(text, &bytes[..plain]);
        plain
    }

    fn step(&mut self, byte: u8, visit: &mut impl Visit) -> Result<Took, &'static str> {
        match self.state {
            State::Value
            | State::FirstItem
            | State::FirstKey
            | State::Key
            | State::Colon
            | State::AfterValue
                if is_space(byte) => {}
            State::Value => self.begin_value(byte, visit)?,
            State::FirstItem if byte == b']' => self.end_level(visit),
            State::FirstItem => self.begin_value(byte, visit)?,
            State::FirstKey if byte == b'}' => self.end_level(visit),
            State::FirstKey | State::Key => self.begin_key(byte)?,
            State::Colon if byte == b':' => self.state = State::Value,
            State::Colon => return Err("expected `:`"),
            State::AfterValue => self.after_value(byte, visit)?,
            State::String(text) => self.string(text, byte, visit)?,
            State::Escape(text) => self.escape(text, byte)?,
            State::Unicode(text, missing) => self.unicode(text, missing, byte)?,
            State::Number(number) => return self.number(number, byte, visit),
            State::Word(missing, kind) => self.word(missing, kind, byte, visit)?,
            State::Done => {}
        }
        Ok(Took::Byte)
    }

    fn begin_value(&mut self, byte: u8, visit: &mut impl Visit) -> Result<(), &'static str> {
        self.state = match byte {
            b'{' => return self.begin_level(JsonKind::Object, State::FirstKey, visit),
            b'[' => return self.begin_level(JsonKind::Array, State::FirstItem, visit),
            b'"' => State::String(Text::Value),
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Integer),
            b't' => State::Word(b"rue", JsonKind::Boolean),
            b'f' => State::Word(b"alse", JsonKind::Boolean),
            b'n' => State::Word(b"ull", JsonKind::Null),
            _ => return Err("expected a value"),
        };
        Ok(())
    }

    fn begin_level(
        &mut self,
        kind: JsonKind,
        state: State,
        visit: &mut impl Visit,
    ) -> Result<(), &'static str> {
        if self.levels.len() == NESTING_MAX {
            return Err("too_deep: nested deeper than 10,000 levels");
        }
        self.levels.push(kind == JsonKind::Object);
        self.state = state;
        visit.value(kind);
        Ok(())
    }

    fn end_level(&mut self, visit: &mut impl Visit) {
        self.levels.pop();
        visit.close();
        self.end_value();
    }

    fn end_value(&mut self) {
        self.state = if self.levels.is_empty() { State::Done } else { State::AfterValue };
    }

    fn after_value(&mut self, byte: u8, visit: &mut impl Visit) -> Result<(), &'static str> {
        match (byte, self.levels.last()) {
            (b',', Some(true)) => self.state = State::Key,
            (b',', _) => self.state = State::Value,
            (b'}', Some(true)) | (b']', Some(false)) => self.end_level(visit),
            (_, Some(true)) => return Err("expected `,` or `}`"),
            _ => return Err("expected `,` or `]`"),
        }
        Ok(())
    }

    fn begin_key(&mut self, byte: u8) -> Result<(), &'static str> {
        if byte != b'"' {
            return Err("expected a key in double quotes");
        }
        self.key.clear();
        self.key_hash = DefaultHasher::new();
        self.state = State::String(Text::Key);
        Ok(())
    }

    fn string(&mut self, text: Text, byte: u8, visit: &mut impl Visit) -> Result<(), &'static str> {
        match byte {
            b'"' if text == Text::Key => {
                visit.key(&self.key, self.key_hash.finish());
                self.state = State::Colon;
            }
            b'"' => {
                visit.value(JsonKind::String);
                self.end_value();
            }
            b'\\' => {
                self.keep_key(text, b"\\");
                self.state = State::Escape(text);
            }
            _ => return Err("control characters must be escaped in a string"),
        }
        Ok(())
    }

    fn escape(&mut self, text: Text, byte: u8) -> Result<(), &'static str> {
        self.keep_key(text, &[byte]);
        self.state = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::String(text),
            b'u' => State::Unicode(text, 4),
            _ => return Err("no such escape in a string"),
        };
        Ok(())
    }

    fn unicode(&mut self, text: Text, missing: u8, byte: u8) -> Result<(), &'static str> {
        if !byte.is_ascii_hexdigit() {
            return Err("expected four hexadecimal digits");
        }
        self.keep_key(text, &[byte]);
        self.state = if missing == 1 { State::String(text) } else { State::Unicode(text, missing - 1) };
        Ok(())
    }

    fn number(&mut self, number: Number, byte: u8, visit: &mut impl Visit) -> Result<Took, &'static str> {
        let next = match (number, byte) {
            (Number::Minus, b'0') => Number::Zero,
            (Number::Minus | Number::Integer, b'0'..=b'9') => Number::Integer,
            (Number::Zero | Number::Integer, b'.') => Number::Point,
            (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
            (Number::Zero | Number::Integer | Number::Fraction, b'e' | b'E') => Number::Exponent,
            (Number::Exponent, b'+' | b'-') => Number::ExponentSign,
            (Number::Exponent | Number::ExponentSign | Number::ExponentDigits, b'0'..=b'9') => {
                Number::ExponentDigits
            }
            _ => {
                self.end_number(number, visit)?;
                return Ok(Took::Nothing);
            }
        };
        self.state = State::Number(next);
        Ok(Took::Byte)
    }

    fn end_number(&mut self, number: Number, visit: &mut impl Visit) -> Result<(), &'static str> {
        visit.value(match number {
            Number::Zero | Number::Integer => JsonKind::Integer,
            Number::Fraction | Number::ExponentDigits => JsonKind::Number,
            Number::Minus | Number::Point | Number::Exponent | Number::ExponentSign => {
                return Err("expected a digit");
            }
        });
        self.end_value();
        Ok(())
    }

    fn word(
        &mut self,
        missing: &'static [u8],
        kind: JsonKind,
        byte: u8,
        visit: &mut impl Visit,
    ) -> Result<(), &'static str> {
        match missing {
            [last] if *last == byte => {
                visit.value(kind);
                self.end_value();
            }
            [first, rest @ ..] if *first == byte => self.state = State::Word(rest, kind),
            _ => return Err("expected `true`, `false` or `null`"),
        }
        Ok(())
    }

    fn keep_key(&mut self, text: Text, bytes: &[u8]) {
        if text == Text::Key {
            let room = KEY_BYTES - self.key.len();
            self.key.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.key_hash.write(bytes);
        }
    }
}

/// Whether a step consumed its byte. A number's end is only seen at what follows it.
enum Took {
    Byte,
    Nothing,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
