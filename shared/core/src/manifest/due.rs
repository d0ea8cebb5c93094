//! When a schedule is due, as EventBridge Scheduler has it.
//!
//! An hour that the clocks skip has no runs. Of an hour that they repeat, a schedule of certain hours runs in the first
//! one alone, and a schedule of every hour in both: no run is missing and none is there twice.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

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

/// The first run later than a moment. A day's first one may come after one of the next day, as clocks that are set back
/// over midnight show the day before once more: so from the day before to the day after the one that has it.
fn first(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Due> {
    let times = Times { hours: cron.hours(), minutes: cron.minutes() };
    let mut date = zone.to_datetime(after).date().yesterday().ok()?;
    let mut ahead = Ahead::default();
    while date.year() <= YEAR_MAX {
        let last = ahead.run.is_some();
        if cron.is_due_on(date) {
            times.look(zone, date, after, &mut ahead);
        }
        if last {
            break;
        }
        date = date.tomorrow().ok()?;
    }
    let run = ahead.run?;
    let skipped = ahead.gap.filter(|(would_be, _)| *would_be <= run);
    Some(Due { at_ms: millis(run)?, skipped: skipped.map(|(_, clock)| clock.to_string()) })
}

/// What lies ahead of a moment, as far as was looked.
#[derive(Default)]
struct Ahead {
    /// The first run.
    run: Option<Timestamp>,
    /// The first time that the clocks skip: when it would have been, had they not, and what they would have shown.
    gap: Option<(Timestamp, DateTime)>,
}

/// The times of the day at which an expression runs.
struct Times {
    hours: BTreeSet<i8>,
    minutes: BTreeSet<i8>,
}

impl Times {
    /// Looks through the runs of a day that are later than a moment.
    fn look(&self, zone: &TimeZone, date: Date, after: Timestamp, ahead: &mut Ahead) {
        let every_hour = self.hours.len() == 24;
        let mut meet = |clock: DateTime, offset: Offset| {
            if let Some(at) = offset.to_timestamp(clock).ok().filter(|at| *at > after) {
                ahead.run = earlier(ahead.run, at);
            }
        };
        for clock in self.on(date) {
            match zone.to_ambiguous_timestamp(clock).offset() {
                AmbiguousOffset::Unambiguous { offset } => meet(clock, offset),
                AmbiguousOffset::Fold { before, after } => {
                    meet(clock, before);
                    if every_hour {
                        meet(clock, after);
                    }
                }
                AmbiguousOffset::Gap { before, .. } => {
                    if let Some(would_be) = before.to_timestamp(clock).ok().filter(|at| *at > after) {
                        ahead.gap = earlier(ahead.gap, (would_be, clock));
                    }
                }
            }
        }
    }

    fn on(&self, date: Date) -> impl Iterator<Item = DateTime> {
        let of_hour = move |hour| self.minutes.iter().map(move |minute| date.at(hour, *minute, 0, 0));
        self.hours.iter().flat_map(move |hour| of_hour(*hour))
    }
}

fn earlier<T: Ord>(known: Option<T>, other: T) -> Option<T> {
    known.into_iter().chain([other]).min()
}

fn millis(at: Timestamp) -> Option<u64> {
    u64::try_from(at.as_millisecond()).ok()
}
