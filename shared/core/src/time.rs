//! Lengths of time as people write them: the one reader behind the manifest and every submission.

/// Reads `1500ms`, `30s`, `1.5m`, `2h` or `1d` as milliseconds; a bare number is seconds. `None` if it is none of these,
/// or more than fits.
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit.trim_start() {
        "ms" => 1.0,
        "" | "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    number.parse().ok().and_then(|number: f64| millis(number * unit_ms))
}

/// Whole milliseconds, if `ms` is a number of them that fits.
pub fn millis(ms: f64) -> Option<u64> {
    const MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 2^53")]
    (0.0..=MAX).contains(&ms).then(|| ms.round() as u64)
}
