//! Bytes of a file that go into a report: always short, always printable.

use gantz_core::outcome::truncate;

/// The text of `bytes`, cut to `max_bytes`. What is no UTF-8 is read as Latin-1; control characters, which JSON would
/// write six times as long, become `�`.
pub(super) fn keep(bytes: &[u8], max_bytes: usize) -> String {
    // Four bytes more than needed, so that the cut below sees that there was more.
    let bytes = &bytes[..bytes.len().min(max_bytes + 4)];
    let mut text: String = match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().map(printable).collect(),
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).chars().map(printable).collect()
        }
        Err(_) => bytes.iter().map(|&byte| printable(char::from(byte))).collect(),
    };
    truncate(&mut text, max_bytes);
    text
}

/// The same, but nothing is guessed and nothing lost: of what is no UTF-8, bytes that are no printable ASCII become
/// `\xNN`, and `\` becomes `\\`.
pub(super) fn keep_exact(bytes: &[u8], max_bytes: usize) -> String {
    if std::str::from_utf8(bytes).is_ok() {
        return keep(bytes, max_bytes);
    }
    let mut text = bytes[..bytes.len().min(max_bytes + 4)].escape_ascii().to_string();
    truncate(&mut text, max_bytes);
    text
}

fn printable(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}
