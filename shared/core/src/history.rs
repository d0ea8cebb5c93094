//! What a job went through, as its row tells it: the states it was in, and the attempts that did not end it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::job::JobStatus;
use crate::outcome::JobError;

/// A state that a job came into. As text, in rows and on the wire: `STATUS attempt ms`, `RUNNING 1 1767225600000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HistoryEntry {
    /// The state.
    pub status: JobStatus,
    /// The claims until then.
    pub attempt: u32,
    /// The row's `updated_at` then, milliseconds since the epoch.
    pub at_ms: u64,
}

impl fmt::Display for HistoryEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.status.as_str(), self.attempt, self.at_ms)
    }
}

impl From<HistoryEntry> for String {
    fn from(entry: HistoryEntry) -> Self {
        entry.to_string()
    }
}

/// A text that is no entry of a history.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no entry of a history, expected `STATUS attempt ms`")]
pub struct NoEntry(String);

impl FromStr for HistoryEntry {
    type Err = NoEntry;

    fn from_str(text: &str) -> Result<Self, NoEntry> {
        let mut words = text.split(' ');
        let entry = (|| {
            let status = JobStatus::from_wire(words.next()?)?;
            let attempt = words.next()?.parse().ok()?;
            let at_ms = words.next()?.parse().ok()?;
            words.next().is_none().then_some(Self { status, attempt, at_ms })
        })();
        entry.ok_or_else(|| NoEntry(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for HistoryEntry {
    type Error = NoEntry;

    fn try_from(text: String) -> Result<Self, NoEntry> {
        text.parse()
    }
}

/// An attempt that ended without ending the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastAttempt {
    /// When it ended, or was found to have crashed, milliseconds since the epoch.
    #[serde(rename = "at")]
    pub at_ms: u64,
    /// When it began.
    #[serde(default, rename = "started_at", skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<u64>,
    /// Which one.
    pub attempt: u32,
    /// Whether it counts towards the tool's `max_attempts`.
    pub counted: bool,
    /// Why it ended.
    pub error: JobError,
    /// When the next one is due, milliseconds since the epoch.
    #[serde(rename = "retry_at")]
    pub retry_at_ms: u64,
}
