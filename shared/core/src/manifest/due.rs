//! When a schedule is due, as EventBridge Scheduler has it.
//!
//! An hour that the clocks skip has no runs. Of an hour that they repeat, a schedule of certain hours runs in the first
//! one alone, and a schedule of every hour in both: no run is missing and none is there twice.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::cron::Cron;
use super::schedule::{ScheduleSpec, When};

/// The last year that a cron expression can name.
const YEAR_MAX: i16 = 2199;
const MINUTE_MS: u64 = 60_000;

/// When a schedule is due next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// A run before it that there is not, as the clocks skip its time: that time on the clock.
    pub skipped: Option<String>,
}

impl ScheduleSpec {
    /// The first moment later than `after_ms`, milliseconds since the epoch, at which it is due. A rate counts from the
    /// epoch, so that a restart does not move it. `None` once there is none any more.
    pub fn due_after(&self, after_ms: u64) -> Option<Due> {
        let on_time = |at_ms| Due { at_ms, skipped: None };
        match &self.when {
            When::RateMinutes(minutes) => {
                let period_ms = u64::from(*minutes) * MINUTE_MS;
                Some(on_time((after_ms / period_ms + 1) * period_ms))
            }
            When::At(moment) => {
                let at = self.zone()?.to_timestamp(moment.parse().ok()?).ok()?;
                millis(at).filter(|at_ms| *at_ms > after_ms).map(on_time)
            }
            When::Cron(cron) => {
                let after = Timestamp::from_millisecond(i64::try_from(after_ms).ok()?).ok()?;
                first(cron, &self.zone()?, after)
            }
        }
    }

    /// Its time zone. The manifest's reader has seen that there is one.
    fn zone(&self) -> Option<TimeZone> {
        self.timezone.as_deref().map_or(Some(TimeZone::UTC), |name| TimeZone::get(name).ok())
    }
}

fn first(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Due> {
    // Clocks that are set back at midnight show the day before once more.
    let mut date = zone.to_datetime(after).date().yesterday().ok()?;
    let mut skipped = None;
    while date.year() <= YEAR_MAX {
        if cron.is_due_on(date) {
            let Day { first, gap } = on(cron, zone, date, after);
            skipped = skipped.or(gap);
            if let Some(at) = first {
                return Some(Due { at_ms: millis(at)?, skipped: skipped.map(|gap| gap.to_string()) });
            }
        }
        date = date.checked_add(1.day()).ok()?;
    }
    None
}

/// The first run of a day that is later than a moment, and a time before it that the clocks skip.
struct Day {
    first: Option<Timestamp>,
    gap: Option<DateTime>,
}

fn on(cron: &Cron, zone: &TimeZone, date: Date, after: Timestamp) -> Day {
    let (hours, minutes) = (cron.hours(), cron.minutes());
    let every_hour = hours.len() == 24;
    let mut day = Day { first: None, gap: None };
    for (hour, minute) in hours.iter().flat_map(|hour| minutes.iter().map(move |minute| (*hour, *minute))) {
        let clock = date.at(hour, minute, 0, 0);
        let runs = match zone.to_ambiguous_timestamp(clock).offset() {
            AmbiguousOffset::Unambiguous { offset } => [Some(offset), None],
            AmbiguousOffset::Fold { before, after } => [Some(before), every_hour.then_some(after)],
            AmbiguousOffset::Gap { before, .. } => {
                let would_be = before.to_timestamp(clock).ok();
                if would_be.is_some_and(|at| at > after) {
                    day.gap = day.gap.or(Some(clock));
                }
                continue;
            }
        };
        let runs = runs.into_iter().flatten().filter_map(|offset| offset.to_timestamp(clock).ok());
        let later = runs.filter(|at| *at > after);
        day.first = later.chain(day.first).min();
    }
    day
}

fn millis(at: Timestamp) -> Option<u64> {
    u64::try_from(at.as_millisecond()).ok()
}
