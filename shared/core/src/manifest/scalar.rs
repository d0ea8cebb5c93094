//! What a plain YAML scalar stands for: the core schema of YAML 1.2 (section 10.3.2), limited to what JSON can say.

use serde_json::Number;

use super::tree::Kind;

/// Resolves a scalar written without quotes. `yes`, `no`, `on` and `off` are strings, as YAML 1.2 has it.
pub(super) fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ => number(text).map_or_else(|| Kind::Text(text.to_owned()), Kind::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let integral = !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit());
    if integral {
        let text = text.strip_prefix('+').unwrap_or(text);
        let small = text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from));
        return small.ok().or_else(|| Number::from_f64(text.parse().ok()?));
    }
    // Rust reads more than YAML writes: `inf`, `nan` and `infinity` are words here.
    let starts_as_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if starts_as_number && unsigned.contains(|c: char| c.is_ascii_digit()) {
        return Number::from_f64(text.parse().ok()?);
    }
    None
}

fn radix(digits: &str, radix: u32) -> Option<Number> {
    let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if valid { u64::from_str_radix(digits, radix).ok().map(Number::from) } else { None }
}
