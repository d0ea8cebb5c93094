//! Durations (`30s`) and rates (`200/s`).

use super::diagnostic::Problems;
use super::syntax::describe;
use super::tree::{Kind, Node};
use crate::time::{millis, parse_duration_ms};

/// What a rate can be counted per, in seconds.
const RATE_UNITS: [(&str, f64); 3] = [("s", 1.0), ("m", 60.0), ("h", 3_600.0)];

const DURATION_HELP: &str = "durations look like `1500ms`, `30s`, `5m` or `2h`; a bare number is seconds";
const RATE_HELP: &str = "rates look like `200/s`, `10/m` or `1/h`";

/// A duration in milliseconds, within bounds.
pub(super) fn duration_ms(
    node: &Node,
    key: &str,
    min_ms: u64,
    max_ms: u64,
    problems: &mut Problems<'_>,
) -> Option<u64> {
    let duration_ms = match &node.kind {
        Kind::Number(seconds) => seconds.as_f64().and_then(|seconds| millis(seconds * 1_000.0)),
        Kind::Text(text) => parse_duration_ms(text),
        _ => None,
    };
    match duration_ms {
        Some(value) if (min_ms..=max_ms).contains(&value) => Some(value),
        Some(value) => {
            let (value, min, max) = (format_ms(value), format_ms(min_ms), format_ms(max_ms));
            problems.error(node.span, format!("`{key}` is {value}, expected {min} to {max}"));
            None
        }
        None => {
            let message = format!("`{key}`: expected a duration, got {}", describe(node));
            problems.error_help(node.span, message, DURATION_HELP);
            None
        }
    }
}

/// Calls per second.
pub(super) fn per_second(node: &Node, key: &str, problems: &mut Problems<'_>) -> Option<f64> {
    let rate = match &node.kind {
        Kind::Text(text) => parse_rate(text),
        _ => None,
    };
    if rate.is_none() {
        let help = match &node.kind {
            Kind::Number(number) => format!("a rate needs its unit: `{number}/s`"),
            Kind::Text(text) if text.contains("/d") => format!("days are no unit of a rate; {RATE_HELP}"),
            _ => RATE_HELP.to_owned(),
        };
        problems.error_help(node.span, format!("`{key}`: expected a rate, got {}", describe(node)), help);
    }
    rate
}

/// A duration as a manifest writes it, in the largest unit that holds it exactly.
pub(super) fn format_ms(duration_ms: u64) -> String {
    match duration_ms {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

fn parse_rate(text: &str) -> Option<f64> {
    let (count, unit) = text.split_once('/')?;
    let (_, seconds) = RATE_UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    Some(decimal(count.trim())? / seconds)
}

/// Digits with at most one point between them: no sign, no exponent.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { text.parse().ok() } else { None }
}
