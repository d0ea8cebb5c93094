//! Cron expressions: the five fields that Unix has, or the six of EventBridge Scheduler, checked field by field.

use std::collections::BTreeSet;
use std::fmt;

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

/// A cron expression in the form of EventBridge Scheduler: minute, hour, day of the month, month, day of the week, year;
/// exactly one of the two days is `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    fields: [String; 6],
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fields.join(" "))
    }
}

/// What is wrong with a cron expression, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CronError {
    pub(super) message: String,
    pub(super) help: String,
}

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

/// A field: what it is called, its bounds, its names (the first stands for `min`), and what else it may be.
struct Field {
    what: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// The last value of `*` and of open steps.
    last: u32,
    /// Whether an item is right that is neither a number, a range, nor a step of them.
    special: fn(&str) -> bool,
    steps: bool,
}

const MINUTE: Field =
    Field { what: "minute", min: 0, max: 59, last: 59, names: &[], special: |_| false, steps: true };
const HOUR: Field =
    Field { what: "hour", min: 0, max: 23, last: 23, names: &[], special: |_| false, steps: true };
const DAY: Field = Field {
    what: "day of the month",
    min: 1,
    max: 31,
    last: 31,
    names: &[],
    special: |_| false,
    steps: true,
};
const DAY_AWS: Field = Field { special: is_special_day, ..DAY };
const MONTH: Field =
    Field { what: "month", min: 1, max: 12, last: 12, names: &MONTHS, special: |_| false, steps: true };
/// Unix counts from Sunday as 0, and takes 7 for it too.
const WEEKDAY: Field =
    Field { what: "day of the week", min: 0, max: 7, last: 6, names: &DAYS, special: |_| false, steps: true };
/// AWS counts from Sunday as 1.
const WEEKDAY_AWS: Field = Field {
    what: "day of the week",
    min: 1,
    max: 7,
    last: 7,
    names: &DAYS,
    special: is_special_weekday,
    steps: false,
};
const YEAR: Field =
    Field { what: "year", min: 1970, max: 2199, last: 2199, names: &[], special: |_| false, steps: true };

const FIELDS_HELP: &str = "five fields: minute hour day month weekday, as in `0 8 * * MON-FRI`; a sixth, the year, makes it AWS's form";

impl Cron {
    /// Whether it runs on that day of the calendar.
    pub(super) fn is_due_on(&self, date: Date) -> bool {
        let [_, _, day, month, weekday, year] = &self.fields;
        holds(&YEAR, year, date.year())
            && holds(&MONTH, month, date.month().into())
            && (day == "?" || day.split(',').any(|item| is_day(item, date)))
            && (weekday == "?" || weekday.split(',').any(|item| is_weekday(item, date)))
    }

    /// The hours at which it runs, in order.
    pub(super) fn hours(&self) -> BTreeSet<i8> {
        small(&HOUR, &self.fields[1])
    }

    /// The minutes of those hours, in order.
    pub(super) fn minutes(&self) -> BTreeSet<i8> {
        small(&MINUTE, &self.fields[0])
    }

    /// Reads five fields as Unix has them, or six as AWS has them; `cron(…)` around them is taken off.
    pub(super) fn parse(text: &str) -> Result<Self, CronError> {
        let bare = text.trim();
        let bare = bare.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(bare);
        let fields: Vec<String> = bare.split_whitespace().map(str::to_ascii_uppercase).collect();
        match fields.as_slice() {
            [minute, hour, day, month, weekday] => unix([minute, hour, day, month, weekday]),
            [minute, hour, day, month, weekday, year] => aws([minute, hour, day, month, weekday, year]),
            other => Err(error(
                format!("a cron expression of {} fields, expected 5 or 6", other.len()),
                FIELDS_HELP,
            )),
        }
    }
}

fn unix([minute, hour, day, month, weekday]: [&String; 5]) -> Result<Cron, CronError> {
    check(&MINUTE, minute)?;
    check(&HOUR, hour)?;
    check(&DAY, day)?;
    check(&MONTH, month)?;
    let weekdays = check(&WEEKDAY, weekday)?;
    let (day, weekday) = match (day.as_str(), weekday.as_str()) {
        (day, "*") => (day.to_owned(), "?".to_owned()),
        ("*", _) => ("?".to_owned(), day_names(&weekdays)),
        _ => {
            return Err(error(
                "a day of the month and a day of the week together",
                "make two schedules of it; Unix would run on either, AWS allows one of them",
            ));
        }
    };
    Ok(Cron { fields: [minute.clone(), hour.clone(), day, month.clone(), weekday, "*".to_owned()] })
}

fn aws([minute, hour, day, month, weekday, year]: [&String; 6]) -> Result<Cron, CronError> {
    check(&MINUTE, minute)?;
    check(&HOUR, hour)?;
    if day != "?" {
        check(&DAY_AWS, day)?;
    }
    check(&MONTH, month)?;
    if weekday != "?" {
        check(&WEEKDAY_AWS, weekday)?;
    }
    check(&YEAR, year)?;
    if (day == "?") == (weekday == "?") {
        return Err(error(
            "six fields need a `?` for the day of the month or for the day of the week, and not for both",
            "`0 8 ? * MON-FRI *` or `0 8 1 * ? *`; with five fields, no `?` is needed",
        ));
    }
    Ok(Cron { fields: [minute, hour, day, month, weekday, year].map(Clone::clone) })
}

fn holds(field: &Field, text: &str, value: i16) -> bool {
    let value = u32::try_from(value).ok();
    value.is_some_and(|value| check(field, text).is_ok_and(|values| values.contains(&value)))
}

fn small(field: &Field, text: &str) -> BTreeSet<i8> {
    let values = check(field, text).unwrap_or_default();
    values.into_iter().filter_map(|value| i8::try_from(value).ok()).collect()
}

fn is_day(item: &str, date: Date) -> bool {
    match (item, item.strip_suffix('W')) {
        ("L", _) => date == date.last_of_month(),
        ("LW", _) => Some(date) == next_weekday(date.last_of_month()),
        (_, Some(day)) => {
            let day = value(&DAY, day).and_then(|day| i8::try_from(day).ok());
            let wished = day.and_then(|day| Date::new(date.year(), date.month(), day).ok());
            wished.and_then(next_weekday) == Some(date)
        }
        _ => contains(&DAY, item, date.day()),
    }
}

/// The working day that is next to a day and in the same month.
fn next_weekday(date: Date) -> Option<Date> {
    let moved = match date.weekday() {
        Weekday::Saturday if date.day() > 1 => date.checked_sub(1.day()),
        Weekday::Saturday => date.checked_add(2.days()),
        Weekday::Sunday if date < date.last_of_month() => date.checked_add(1.day()),
        Weekday::Sunday => date.checked_sub(2.days()),
        _ => Ok(date),
    };
    moved.ok()
}

fn is_weekday(item: &str, date: Date) -> bool {
    let today = date.weekday().to_sunday_one_offset();
    let is = |text: &str| value(&WEEKDAY_AWS, text) == u32::try_from(today).ok();
    match (item, item.strip_suffix('L'), item.split_once('#')) {
        ("L", ..) => date.weekday() == Weekday::Saturday,
        (_, Some(day), _) => is(day) && date.day() + 7 > date.days_in_month(),
        (_, _, Some((day, nth))) => is(day) && number(nth) == u32::try_from((date.day() + 6) / 7).ok(),
        _ => contains(&WEEKDAY_AWS, item, today),
    }
}

fn contains(field: &Field, item: &str, value: i8) -> bool {
    let value = u32::try_from(value).ok();
    value.is_some_and(|value| item_values(field, item).is_some_and(|values| values.contains(&value)))
}

/// Names instead of numbers, as the two forms number days differently; a list, as ranges would wrap.
fn day_names(weekdays: &[u32]) -> String {
    let named = (0..7).filter(|day| weekdays.contains(day) || *day == 0 && weekdays.contains(&7));
    let names: Vec<_> = named.filter_map(|day| DAYS.get(usize::try_from(day).ok()?).copied()).collect();
    names.join(",")
}

/// The values that a field stands for, apart from special ones.
fn check(field: &Field, text: &str) -> Result<Vec<u32>, CronError> {
    let mut values = Vec::new();
    for item in text.split(',') {
        match item_values(field, item) {
            Some(range) => values.extend(range),
            None if (field.special)(item) => {}
            None => return Err(misfit(field, item)),
        }
    }
    Ok(values)
}

fn item_values(field: &Field, item: &str) -> Option<Vec<u32>> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) if field.steps => (range, Some(number(step)?)),
        Some(_) => return None,
        None => (item, None),
    };
    let (from, to) = match range.split_once('-') {
        // Where a range ends with Sunday by its name, Unix means the end of the week.
        Some((from, "SUN")) if field.last < field.max => (value(field, from)?, field.max),
        Some((from, to)) => (value(field, from)?, value(field, to)?),
        None if range == "*" => (field.min, field.last),
        None => {
            let from = value(field, range)?;
            (from, if step.is_some() { field.last } else { from })
        }
    };
    let step = step.unwrap_or(1);
    let valid = from <= to && (1..=field.max - field.min + 1).contains(&step);
    valid.then(|| (from..=to).step_by(usize::try_from(step).unwrap_or(1)).collect())
}

fn value(field: &Field, text: &str) -> Option<u32> {
    let named = field.names.iter().position(|name| *name == text);
    let named = named.and_then(|index| u32::try_from(index).ok()).map(|index| index + field.min);
    named.or_else(|| number(text)).filter(|value| (field.min..=field.max).contains(value))
}

/// Digits alone: no sign.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `L` (the last day), `LW` (the last weekday), `15W` (the weekday next to the 15th).
fn is_special_day(item: &str) -> bool {
    matches!(item, "L" | "LW") || item.strip_suffix('W').and_then(|day| value(&DAY, day)).is_some()
}

/// `L` (Saturday), `6L` (the month's last Friday), `2#1` (the month's first Monday).
fn is_special_weekday(item: &str) -> bool {
    let day = |text: &str| value(&WEEKDAY_AWS, text).is_some();
    let nth = |text: &str| number(text).is_some_and(|nth| (1..=5).contains(&nth));
    item == "L"
        || item.strip_suffix('L').is_some_and(day)
        || item.split_once('#').is_some_and(|(weekday, count)| day(weekday) && nth(count))
}

fn misfit(field: &Field, item: &str) -> CronError {
    let Field { what, min, max, names, .. } = field;
    let names = match names {
        [first, .., last] => format!(" or {first} to {last}"),
        _ => String::new(),
    };
    let steps = if field.steps { ", `*/15`" } else { "" };
    error(
        format!("`{}` is no {what}", super::syntax::cut(item)),
        format!("the {what} is {min} to {max}{names}; also `*`, lists with `,`, ranges with `-`{steps}"),
    )
}

fn error(message: impl Into<String>, help: impl Into<String>) -> CronError {
    CronError { message: message.into(), help: help.into() }
}
