//! UTF-16 to UTF-8, piece by piece, so that everything after it reads one encoding.

use super::report::Encoding;

/// Heads shorter than this are too few characters to tell by.
const UNMARKED_MIN_BYTES: usize = 8;

/// The order in which the head is text without a byte order mark, if it is: mostly ASCII characters, all of them such as
/// text has. Numbers of two bytes look alike, but have control characters among them before long.
pub(super) fn unmarked(head: &[u8]) -> Option<Encoding> {
    let (units, odd) = head.as_chunks::<2>();
    if head.len() < UNMARKED_MIN_BYTES || !odd.is_empty() {
        return None;
    }
    let is_text = |read: fn([u8; 2]) -> u16| {
        let mut ascii = 0;
        for c in char::decode_utf16(units.iter().map(|&unit| read(unit))) {
            match c {
                Ok(c) if c.is_control() && !c.is_ascii_whitespace() => return false,
                Ok(c) => ascii += usize::from(c.is_ascii()),
                // The head may end within a character.
                Err(error) if (0xd800..0xdc00).contains(&error.unpaired_surrogate()) => {}
                Err(_) => return false,
            }
        }
        ascii * 2 >= units.len()
    };
    if is_text(u16::from_le_bytes) {
        return Some(Encoding::Utf16Le);
    }
    is_text(u16::from_be_bytes).then_some(Encoding::Utf16Be)
}

/// Decodes UTF-16. Lone surrogates become `�`.
#[derive(Debug)]
pub(super) struct Utf16 {
    read_unit: fn([u8; 2]) -> u16,
    odd_byte: Option<u8>,
    high_surrogate: Option<u16>,
}

impl Utf16 {
    pub(super) fn little_endian() -> Self {
        Self { read_unit: u16::from_le_bytes, odd_byte: None, high_surrogate: None }
    }

    pub(super) fn big_endian() -> Self {
        Self { read_unit: u16::from_be_bytes, odd_byte: None, high_surrogate: None }
    }

    /// The text of the next piece. A character that is cut at its end comes with the piece that completes it.
    pub(super) fn decode(&mut self, mut bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len());
        if let (Some(first), Some((&second, rest))) = (self.odd_byte, bytes.split_first()) {
            self.push(&mut text, (self.read_unit)([first, second]));
            self.odd_byte = None;
            bytes = rest;
        }
        let (pairs, odd) = bytes.as_chunks::<2>();
        for &pair in pairs {
            self.push(&mut text, (self.read_unit)(pair));
        }
        self.odd_byte = odd.first().copied().or(self.odd_byte);
        text
    }

    /// What is left over at the end: half a character, if anything.
    pub(super) fn finish(&mut self) -> String {
        let cut = self.odd_byte.take().is_some() || self.high_surrogate.take().is_some();
        if cut { char::REPLACEMENT_CHARACTER.into() } else { String::new() }
    }

    fn push(&mut self, text: &mut String, unit: u16) {
        let unit = u32::from(unit);
        if let Some(high) = self.high_surrogate.take() {
            if let 0xdc00..0xe000 = unit {
                let code = 0x10000 + ((u32::from(high) - 0xd800) << 10) + (unit - 0xdc00);
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                return;
            }
            text.push(char::REPLACEMENT_CHARACTER);
        }
        match unit {
            0xd800..0xdc00 => self.high_surrogate = u16::try_from(unit).ok(),
            _ => text.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
}
