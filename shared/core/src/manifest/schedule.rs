//! What runs without being asked each time: tools on a schedule.

use std::fmt;

use serde_json::Value;

use super::cron::Cron;
use crate::batch::Tolerance;
use crate::ids::Lane;

/// Something that is done at certain times.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleSpec {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub name: String,
    /// When it runs.
    pub when: When,
    /// The time zone that `cron` and `at` are read in, such as `Europe/Berlin`; UTC if absent.
    pub timezone: Option<String>,
    /// Minutes within which a run may start, 1 to [`ScheduleSpec::JITTER_MAX_MINUTES`]; absent for on the minute.
    pub jitter_minutes: Option<u32>,
    /// The tool, one of the manifest's.
    pub tool: String,
    /// The tool's parameters. They fit it as they are; of a batch, together with `bucket` and `key`.
    pub parameters: Value,
    /// The lane of its jobs; the tool's own if absent.
    pub lane: Option<Lane>,
    /// If there is one, each run is a batch of objects, instead of a single job.
    pub batch: Option<ScheduledBatch>,
}

impl ScheduleSpec {
    /// The longest jitter: a day, what EventBridge Scheduler allows.
    pub const JITTER_MAX_MINUTES: u32 = 1_440;
}

/// When a schedule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// At the minutes that match.
    Cron(Cron),
    /// Every so many minutes, 1 to [`When::RATE_MAX_MINUTES`].
    RateMinutes(u32),
    /// Once, at this moment: `2026-12-31T08:00:00`, in the schedule's time zone.
    At(String),
}

impl When {
    /// The longest rate: a year. Longer ones are a unit mistaken for another.
    pub const RATE_MAX_MINUTES: u32 = 366 * 24 * 60;
}

impl fmt::Display for When {
    /// As EventBridge Scheduler writes it: `cron(0 8 ? * MON-FRI *)`, `rate(15 minutes)`, `at(2026-12-31T08:00:00)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(cron) => write!(f, "cron({cron})"),
            Self::RateMinutes(1) => f.write_str("rate(1 minute)"),
            Self::RateMinutes(minutes) => write!(f, "rate({minutes} minutes)"),
            Self::At(moment) => write!(f, "at({moment})"),
        }
    }
}

/// What a run of a schedule makes a batch of.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledBatch {
    /// The bucket; the stack's uploads bucket if absent.
    pub bucket: Option<String>,
    /// What the objects' keys begin with; may be empty.
    pub prefix: String,
    /// Whether each run takes only objects that no earlier run has taken.
    pub new_only: bool,
    /// How many children may fail; none if absent.
    pub tolerate: Option<Tolerance>,
}
