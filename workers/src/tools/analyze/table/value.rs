//! The type of one cell.

/// What the text of a cell is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Number(f64),
    Boolean,
    Date,
    DateTime,
    Text,
}

/// The narrowest type that `cell` fits; white space around it does not count.
pub(super) fn classify(cell: &[u8]) -> Value {
    let cell = cell.trim_ascii();
    match cell {
        b"" | b"null" | b"NULL" | b"\\N" => Value::Null,
        [b'0'..=b'9' | b'+' | b'-' | b'.', ..] => classify_number(cell),
        _ if is_boolean(cell) => Value::Boolean,
        _ => Value::Text,
    }
}

fn is_boolean(cell: &[u8]) -> bool {
    cell.len() <= 5
        && ["true", "false", "yes", "no"].iter().any(|word| cell.eq_ignore_ascii_case(word.as_bytes()))
}

fn classify_number(cell: &[u8]) -> Value {
    if cell.iter().any(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return classify_date(cell);
    }
    let digits = cell.strip_prefix(b"-").or(cell.strip_prefix(b"+")).unwrap_or(cell);
    // 00501 is a code, and would lose its zeros as a number.
    if let [b'0', b'0'..=b'9', ..] = digits {
        return Value::Text;
    }
    let text = std::str::from_utf8(cell).unwrap_or("");
    match (text.parse(), text.parse::<f64>()) {
        (Ok(integer), _) => Value::Integer(integer),
        (_, Ok(number)) if number.is_finite() => Value::Number(number),
        _ => classify_date(cell),
    }
}

/// `2026-11-23`, and perhaps `T` or a space, `19:40`, seconds, a fraction and an offset.
fn classify_date(cell: &[u8]) -> Value {
    let Some((date, time)) = cell.split_at_checked(10) else {
        return Value::Text;
    };
    let is_date = fits(date, b"dddd-dd-dd")
        && (1..=12).contains(&two_digits(&date[5..]))
        && (1..=31).contains(&two_digits(&date[8..]));
    match time {
        _ if !is_date => Value::Text,
        b"" => Value::Date,
        _ if is_time(time) => Value::DateTime,
        _ => Value::Text,
    }
}

fn is_time(time: &[u8]) -> bool {
    let Some((minutes, rest)) = time.split_at_checked(6) else {
        return false;
    };
    let separated = matches!(minutes[0], b'T' | b't' | b' ');
    if !separated || !fits(&minutes[1..], b"dd:dd") || two_digits(&minutes[1..]) > 24 {
        return false;
    }
    let rest = match rest.split_at_checked(3) {
        Some((seconds, rest)) if fits(seconds, b":dd") => rest,
        _ => rest,
    };
    let rest = match rest {
        [b'.' | b',', fraction @ ..] => without_digits(fraction),
        _ => rest,
    };
    let zone = rest.trim_ascii();
    matches!(zone, b"" | b"Z" | b"z" | b"UTC") || {
        let offset = zone.strip_prefix(b"+").or(zone.strip_prefix(b"-")).unwrap_or(b"");
        fits(offset, b"dd:dd") || fits(offset, b"dddd") || fits(offset, b"dd")
    }
}

/// Whether `text` has the form of `pattern`, in which `d` is a digit and all else stands for itself.
fn fits(text: &[u8], pattern: &[u8]) -> bool {
    text.len() == pattern.len()
        && text.iter().zip(pattern).all(|(byte, &wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            _ => *byte == wanted,
        })
}

fn two_digits(text: &[u8]) -> u8 {
    (text[0] - b'0') * 10 + (text[1] - b'0')
}

/// What follows the digits that `text` starts with.
fn without_digits(text: &[u8]) -> &[u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &text[digits..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_get_the_narrowest_type() {
        #[rustfmt::skip]
        let cases: &[(&str, Value)] = &[
            ("", Value::Null), ("  ", Value::Null), ("NULL", Value::Null), (r"\N", Value::Null),
            ("0", Value::Integer(0)), ("-12", Value::Integer(-12)), ("+7", Value::Integer(7)),
            (" 42 ", Value::Integer(42)), ("9223372036854775807", Value::Integer(i64::MAX)),
            ("9223372036854775808", Value::Number(9223372036854775808.0)),
            ("007", Value::Text), ("-01", Value::Text), ("0.5", Value::Number(0.5)), (".5", Value::Number(0.5)),
            ("1e3", Value::Number(1000.0)), ("1e999", Value::Text), ("-", Value::Text), ("+-1", Value::Text),
            ("-inf", Value::Text), ("nan", Value::Text), ("1.2.3", Value::Text), ("1 2", Value::Text),
            ("true", Value::Boolean), ("No", Value::Boolean), ("nope", Value::Text),
            ("2026-11-23", Value::Date), ("2026-13-01", Value::Text), ("2026-11-2", Value::Text),
            ("2026-11-23T19:40:33Z", Value::DateTime), ("2026-11-23 19:40", Value::DateTime),
            ("2026-11-23T19:40:33.123456+01:00", Value::DateTime), ("2026-11-23T19:40:33 -0500", Value::DateTime),
            ("2026-11-23T", Value::Text), ("2026-11-23T99:40", Value::Text), ("2026-11-23x19:40", Value::Text),
            ("née", Value::Text),
        ];
        for &(cell, expect) in cases {
            assert_eq!(classify(cell.as_bytes()), expect, "{cell:?}");
        }
    }
}
