//! PostgreSQL's dates and times as ISO 8601 text.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};

/// The moment from which PostgreSQL counts: 2000-01-01, in seconds of the Unix epoch.
const EPOCH_S: i64 = 946_684_800;
const EPOCH: Date = Date::constant(2000, 1, 1);

/// Microseconds since 2000, in UTC. `None` outside the years that ISO 8601 can write with four digits.
pub(super) fn timestamp_tz(micros: i64) -> Option<String> {
    if let Some(infinite) = infinite(micros) {
        return Some(infinite);
    }
    let timestamp = Timestamp::from_microsecond(micros.checked_add(EPOCH_S * 1_000_000)?).ok()?;
    Some(timestamp.to_string())
}

/// Microseconds since 2000, of a clock in no particular place.
pub(super) fn timestamp(micros: i64) -> Option<String> {
    if let Some(infinite) = infinite(micros) {
        return Some(infinite);
    }
    let since = DateTime::from_parts(EPOCH, Time::midnight());
    Some(since.checked_add(SignedDuration::from_micros(micros)).ok()?.to_string())
}

/// Days since 2000.
pub(super) fn date(days: i32) -> Option<String> {
    match days {
        i32::MAX => return Some("infinity".into()),
        i32::MIN => return Some("-infinity".into()),
        _ => {}
    }
    Some(EPOCH.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).ok()?.to_string())
}

/// Microseconds since midnight. PostgreSQL has a 24:00:00.
pub(super) fn time(micros: i64) -> Option<String> {
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let fraction = if micros == 0 { String::new() } else { fraction(micros) };
    (0..=86_400)
        .contains(&seconds)
        .then(|| format!("{:02}:{:02}:{:02}{fraction}", seconds / 3_600, seconds / 60 % 60, seconds % 60))
}

/// An ISO 8601 duration, its parts as PostgreSQL keeps them.
pub(super) fn interval(micros: i64, days: i32, months: i32) -> String {
    let mut text = String::from("P");
    for (count, unit) in [(months, 'M'), (days, 'D')] {
        if count != 0 {
            text += &format!("{count}{unit}");
        }
    }
    if micros != 0 || text == "P" {
        let sign = if micros < 0 { "-" } else { "" };
        let (seconds, rest) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
        let fraction = if rest == 0 { String::new() } else { fraction(rest.cast_signed()) };
        text += &format!("T{sign}{seconds}{fraction}S");
    }
    text
}

fn fraction(micros: i64) -> String {
    format!(".{micros:06}").trim_end_matches('0').to_owned()
}

fn infinite(micros: i64) -> Option<String> {
    match micros {
        i64::MAX => Some("infinity".into()),
        i64::MIN => Some("-infinity".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_iso_8601() {
        assert_eq!(timestamp_tz(0).as_deref(), Some("2000-01-01T00:00:00Z"));
        assert_eq!(timestamp_tz(1_500_000).as_deref(), Some("2000-01-01T00:00:01.5Z"));
        assert_eq!(timestamp(-1).as_deref(), Some("1999-12-31T23:59:59.999999"));
        assert_eq!(timestamp(i64::MAX).as_deref(), Some("infinity"));
        assert_eq!(timestamp(i64::MAX - 1), None);
        assert_eq!(date(-1).as_deref(), Some("1999-12-31"));
        assert_eq!(date(i32::MIN).as_deref(), Some("-infinity"));
        assert_eq!(date(i32::MAX - 1), None);
        assert_eq!(time(86_399_000_010).as_deref(), Some("23:59:59.00001"));
        assert_eq!(time(86_400_000_000).as_deref(), Some("24:00:00"));
        assert_eq!(time(-1), None);
        assert_eq!(interval(0, 0, 0), "PT0S");
        assert_eq!(interval(-1_500_000, 3, 14), "P14M3DT-1.5S");
        assert_eq!(interval(0, 1, 0), "P1D");
    }
}
