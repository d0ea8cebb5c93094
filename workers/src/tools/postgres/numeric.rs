//! PostgreSQL's `numeric` as text, to the last digit.

/// Digits come in groups of four.
const GROUP: usize = 4;

/// Reads the binary form: counts of groups, weight of the first, sign, digits after the point, and the groups.
pub(super) fn to_text(raw: &[u8]) -> Option<String> {
    let mut words = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let count = usize::from(words.next()?);
    let weight = i32::from(words.next()?.cast_signed());
    let sign = match words.next()? {
        0x0000 => "",
        0x4000 => "-",
        0xC000 => return Some("NaN".into()),
        0xD000 => return Some("Infinity".into()),
        0xF000 => return Some("-Infinity".into()),
        _ => return None,
    };
    let scale = usize::from(words.next()?);
    let groups: Vec<u16> = words.take(count).collect();
    if groups.len() != count || groups.iter().any(|&group| group > 9_999) {
        return None;
    }
    let group = |power: i32| -> u16 {
        usize::try_from(weight - power).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    let whole: String = (0..=weight.max(0)).rev().map(|power| format!("{:04}", group(power))).collect();
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if scale == 0 {
        return Some(format!("{sign}{whole}"));
    }
    let after = i32::try_from(scale.div_ceil(GROUP)).ok()?;
    let mut fraction: String = (1..=after).map(|power| format!("{:04}", group(-power))).collect();
    fraction.truncate(scale);
    Some(format!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[u16], expect: Option<&str>) {
        let raw: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(to_text(&raw).as_deref(), expect, "{words:x?}");
    }

    #[test]
    fn reads_every_digit() {
        check(&[0, 0, 0, 0], Some("0"));
        check(&[0, 0, 0, 2], Some("0.00"));
        check(&[1, 0, 0, 0, 7], Some("7"));
        check(&[2, 1, 0, 0, 1, 2], Some("10002"));
        check(&[1, 1, 0, 0, 1], Some("10000"));
        check(&[2, 0, 0x4000, 2, 12, 3400], Some("-12.34"));
        check(&[1, 0xFFFF, 0, 4, 5], Some("0.0005"));
        check(&[1, 0xFFFE, 0, 7, 1200], Some("0.0000120"));
        check(&[0, 0, 0xC000, 0], Some("NaN"));
        check(&[0, 0, 0xF000, 0], Some("-Infinity"));
    }

    #[test]
    fn refuses_what_is_none() {
        check(&[2, 0, 0, 0, 1], None);
        check(&[1, 0, 0, 0, 10_000], None);
        check(&[1, 0, 0x1234, 0, 1], None);
        check(&[1], None);
    }
}
