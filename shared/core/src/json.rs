//! What JSON can write and this program would not give back as it was written.

use std::fmt;

/// An integer of more than 64 bits. Read as a double it would become another number, which an id must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossyInteger {
    /// The integer, as written.
    pub literal: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in bytes, from 1.
    pub column: usize,
}

impl fmt::Display for LossyInteger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.literal.chars().take(40).collect();
        write!(f, "the integer {shown} has more than 64 bits and would lose digits; write it in quotes")
    }
}

/// The first integer in a valid JSON text that would lose digits: neither a signed nor an unsigned 64-bit integer holds it.
/// Numbers with a fraction or an exponent are doubles, as RFC 8259 lets every reader take them.
pub fn lossy_integer(text: &str) -> Option<LossyInteger> {
    let bytes = text.as_bytes();
    let (mut at, mut line, mut line_start) = (0, 1, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let end = end_of_number(bytes, at);
                let literal = text.get(at..end).unwrap_or_default();
                if is_lossy(literal) {
                    return Some(LossyInteger { literal: literal.into(), line, column: at - line_start + 1 });
                }
                at = end;
                continue;
            }
            b'\n' => (line, line_start) = (line + 1, at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Where the quote is that ends the string.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let belongs = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
    start + bytes.get(start..).unwrap_or_default().iter().take_while(|byte| belongs(byte)).count()
}

fn is_lossy(literal: &str) -> bool {
    !literal.contains(['.', 'e', 'E']) && literal.parse::<u64>().is_err() && literal.parse::<i64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_64_bits_are_found_where_they_stand() {
        for (text, expected) in [
            ("18446744073709551615", None),
            ("-9223372036854775808", None),
            ("[0, -0, 1e400, 0.12345678901234567890]", None),
            (r#"{"a": "18446744073709551616", "b\"": "\\", "c": 7}"#, None),
            ("18446744073709551616", Some(("18446744073709551616", 1, 1))),
            ("-9223372036854775809", Some(("-9223372036854775809", 1, 1))),
            ("{\"a\": [1,\n  99999999999999999999]}", Some(("99999999999999999999", 2, 3))),
            (r#"{"\\": 99999999999999999999}"#, Some(("99999999999999999999", 1, 8))),
        ] {
            let found = lossy_integer(text);
            let found = found.as_ref().map(|found| (found.literal.as_str(), found.line, found.column));
            assert_eq!(found, expected, "{text}");
        }
    }
}
