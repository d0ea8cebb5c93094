//! When schedules are due, by the clocks of many places.

use std::collections::HashSet;

use gantz_core::manifest::{Manifest, ScheduleSpec};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn schedule(every: &str, timezone: &str) -> ScheduleSpec {
    let text = format!(
        "name: n\nversion: 1.0.0\ntools:\n  say: {{description: Says, handler: test.say}}\nschedules:\n  s: {{every: '{every}', timezone: {timezone}, job: {{tool: say}}}}\n"
    );
    let manifest = Manifest::parse("gantz.yaml", &text).unwrap_or_else(|error| panic!("{error}"));
    manifest.schedules().next().unwrap().clone()
}

fn ms(text: &str) -> u64 {
    text.parse::<Timestamp>().unwrap().as_millisecond().try_into().unwrap()
}

fn shown(ms: u64) -> String {
    Timestamp::from_millisecond(ms.try_into().unwrap()).unwrap().to_string()
}

/// All runs within a time.
fn runs(schedule: &ScheduleSpec, from: &str, to: &str) -> Vec<String> {
    let (mut at_ms, mut runs) = (ms(from) - 1, Vec::new());
    while let Some(due) = schedule.due_after(at_ms).filter(|due| due.at_ms < ms(to)) {
        at_ms = due.at_ms;
        runs.push(shown(at_ms));
    }
    runs
}

#[test]
fn an_hour_that_the_clocks_skip_has_no_run_and_says_so() {
    let nightly = schedule("cron(30 2 * * ? *)", "America/New_York");
    let expected = ["2026-03-07T07:30:00Z", "2026-03-09T06:30:00Z"];
    assert_eq!(runs(&nightly, "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z"), expected);
    let after = nightly.due_after(ms("2026-03-07T07:30:00Z")).unwrap();
    assert_eq!(after.skipped.as_deref(), Some("2026-03-08T02:30:00"));
    assert_eq!(nightly.due_after(ms("2026-03-08T12:00:00Z")).unwrap().skipped, None, "told once");
}

#[test]
fn an_hour_that_they_repeat_has_one_run_of_a_nightly_schedule_and_both_of_a_frequent_one() {
    let nightly = schedule("cron(30 1 * * ? *)", "America/New_York");
    let expected = ["2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"];
    assert_eq!(runs(&nightly, "2026-10-31T00:00:00Z", "2026-11-03T00:00:00Z"), expected);
    let frequent = schedule("cron(0/15 * * * ? *)", "America/New_York");
    let day = runs(&frequent, "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
    assert_eq!(day.len(), 100, "a day of 25 hours has no hole");
}

#[test]
fn a_skipped_hour_is_told_once_by_the_run_after_it() {
    let daytime = schedule("cron(30 0-20 * * ? *)", "America/New_York");
    let (mut at_ms, mut told) = (ms("2026-03-08T04:00:00Z"), Vec::new());
    while at_ms < ms("2026-03-09T04:00:00Z") {
        let due = daytime.due_after(at_ms).unwrap();
        at_ms = due.at_ms;
        told.extend(due.skipped.map(|clock| (clock, shown(at_ms))));
    }
    assert_eq!(told, [("2026-03-08T02:30:00".to_owned(), "2026-03-08T07:30:00Z".to_owned())]);
}

/// Every minute of that time at which the clocks of the place show one of those hours and minutes: of an hour that is
/// shown twice, the first alone, unless all hours are wanted.
fn seen_on_the_clock(zone: &str, hours: &[i8], minutes: &[i8], from: &str, to: &str) -> Vec<String> {
    let zone = TimeZone::get(zone).unwrap();
    let (mut shown_before, mut seen) = (HashSet::new(), Vec::new());
    for at_ms in (ms(from)..ms(to)).step_by(60_000) {
        let clock = zone.to_datetime(Timestamp::from_millisecond(at_ms.try_into().unwrap()).unwrap());
        let wanted = hours.contains(&clock.hour()) && minutes.contains(&clock.minute());
        if wanted && (shown_before.insert(clock) || hours.len() == 24) {
            seen.push(shown(at_ms));
        }
    }
    seen
}

#[test]
fn runs_are_when_a_clock_on_the_wall_shows_them() {
    let places = [
        // Set back from 00:01 to 23:01 of the day before, and forward at the same time.
        ("America/St_Johns", "2006-10-28T00:00:00Z", "2006-10-31T00:00:00Z"),
        ("America/St_Johns", "2006-04-01T00:00:00Z", "2006-04-04T00:00:00Z"),
        // From midnight to 23:00.
        ("Asia/Beirut", "2026-10-23T00:00:00Z", "2026-10-27T00:00:00Z"),
        ("Asia/Beirut", "2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z"),
        // By half an hour; by two hours.
        ("Australia/Lord_Howe", "2026-04-03T00:00:00Z", "2026-04-07T00:00:00Z"),
        ("Antarctica/Troll", "2026-10-23T00:00:00Z", "2026-10-27T00:00:00Z"),
        // A whole day that was not.
        ("Pacific/Apia", "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z"),
    ];
    let all: Vec<i8> = (0..24).collect();
    let times: [(&str, &[i8], &[i8]); 4] = [
        ("cron(0/10 * * * ? *)", &all, &[0, 10, 20, 30, 40, 50]),
        ("cron(0,30 23,0 * * ? *)", &[0, 23], &[0, 30]),
        ("cron(5,50 0-3 * * ? *)", &[0, 1, 2, 3], &[5, 50]),
        ("cron(30 * * * ? *)", &all, &[30]),
    ];
    for (zone, from, to) in places {
        for (every, hours, minutes) in times {
            let expected = seen_on_the_clock(zone, hours, minutes, from, to);
            assert_eq!(runs(&schedule(every, zone), from, to), expected, "{every} in {zone}");
        }
    }
}

#[test]
fn fields_mean_what_they_mean_on_aws() {
    let table: &[(&str, &str, &[&str])] = &[
        ("cron(0 8 ? * MON-FRI *)", "2026-11-27", &["2026-11-27T08:00:00Z", "2026-11-30T08:00:00Z"]),
        ("cron(0 8 ? * 2 *)", "2026-11-27", &["2026-11-30T08:00:00Z", "2026-12-07T08:00:00Z"]),
        ("cron(0 0 L * ? *)", "2026-02-01", &["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]),
        ("cron(0 0 LW * ? *)", "2026-01-15", &["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"]),
        ("cron(0 0 1W * ? *)", "2026-07-15", &["2026-08-03T00:00:00Z", "2026-09-01T00:00:00Z"]),
        ("cron(0 0 15W * ? *)", "2026-11-01", &["2026-11-16T00:00:00Z", "2026-12-15T00:00:00Z"]),
        ("cron(0 0 ? * 6L *)", "2026-11-01", &["2026-11-27T00:00:00Z", "2026-12-25T00:00:00Z"]),
        ("cron(0 0 ? * 2#1 *)", "2026-11-01", &["2026-11-02T00:00:00Z", "2026-12-07T00:00:00Z"]),
        ("cron(0 0 ? * L *)", "2026-11-27", &["2026-11-28T00:00:00Z", "2026-12-05T00:00:00Z"]),
        ("cron(0 0 29 2 ? *)", "2026-01-01", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("cron(5,50 23 * * ? 2026-2027)", "2027-12-31", &["2027-12-31T23:05:00Z", "2027-12-31T23:50:00Z"]),
        ("cron(0 12 * * MON,SUN)", "2026-11-27", &["2026-11-29T12:00:00Z", "2026-11-30T12:00:00Z"]),
        ("rate(90 minutes)", "2026-11-27", &["2026-11-27T00:00:00Z", "2026-11-27T01:30:00Z"]),
    ];
    for (every, from, expected) in table {
        let schedule = schedule(every, "UTC");
        let mut at_ms = ms(&format!("{from}T00:00:00Z")) - 1;
        let found: Vec<String> = std::iter::from_fn(|| {
            at_ms = schedule.due_after(at_ms)?.at_ms;
            Some(shown(at_ms))
        })
        .take(2)
        .collect();
        assert_eq!(found, *expected, "{every}");
    }
}

#[test]
fn what_is_over_is_never_due_again() {
    let once = schedule("at(2026-12-31T08:00:00)", "Europe/Stockholm");
    assert_eq!(once.due_after(0).map(|due| shown(due.at_ms)).as_deref(), Some("2026-12-31T07:00:00Z"));
    assert_eq!(once.due_after(ms("2026-12-31T07:00:00Z")), None);
    let last = schedule("cron(0 0 1 1 ? 2027)", "UTC");
    assert_eq!(last.due_after(ms("2027-01-01T00:00:00Z")), None);
    assert_eq!(schedule("cron(0 0 31 2 ? *)", "UTC").due_after(0), None, "a day that no month has");
}

proptest! {
    #[test]
    fn runs_come_later_and_later_and_none_is_between(after_s in 1_600_000_000_u64..2_500_000_000, zone in 0_usize..4) {
        let zone = ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut"][zone];
        let frequent = schedule("cron(0/30 * * * ? *)", zone);
        let first = frequent.due_after(after_s * 1_000).unwrap();
        prop_assert!(first.at_ms > after_s * 1_000);
        // Half hours of every clock here are half hours of all.
        prop_assert!(first.at_ms - after_s * 1_000 <= 30 * 60_000, "{}", shown(first.at_ms));
        let nightly = schedule("cron(15 3 * * ? *)", zone);
        let next = nightly.due_after(after_s * 1_000).unwrap();
        prop_assert_eq!(nightly.due_after(next.at_ms - 1).unwrap().at_ms, next.at_ms);
    }
}
