use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many children of a batch may end without success before the batch counts as failed: `3` or `2.5%`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "String")]
pub enum Tolerance {
    /// At most this many.
    Count(u32),
    /// At most this share of all, in percent.
    Percent(f64),
}

/// A text that is no tolerance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no tolerance: expected a number of children such as `3`, or a share such as `2.5%` between 0% and 100%"
)]
pub struct ToleranceError(String);

impl Tolerance {
    /// None may fail.
    pub const NONE: Self = Self::Count(0);

    /// Whether `unsuccessful` of `total` children are still tolerated.
    pub fn allows(&self, unsuccessful: u32, total: u32) -> bool {
        match *self {
            Self::Count(count) => unsuccessful <= count,
            Self::Percent(percent) => {
                // 0.29 percent of 50,000 are 145, though as floating-point numbers a little less.
                const ROUNDING: f64 = 1e-6;
                f64::from(unsuccessful) * 100.0 <= percent * f64::from(total) + ROUNDING
            }
        }
    }
}

impl FromStr for Tolerance {
    type Err = ToleranceError;

    fn from_str(text: &str) -> Result<Self, ToleranceError> {
        let error = || ToleranceError(text.chars().take(40).collect());
        let trimmed = text.trim();
        match trimmed.strip_suffix('%') {
            None => trimmed.parse().map(Self::Count).map_err(|_| error()),
            Some(number) => match number.trim_end().parse() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(error()),
            },
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl From<Tolerance> for String {
    fn from(tolerance: Tolerance) -> Self {
        tolerance.to_string()
    }
}

/// On the wire a count may also be a plain number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wire {
    Count(u32),
    Text(String),
}

impl TryFrom<Wire> for Tolerance {
    type Error = ToleranceError;

    fn try_from(wire: Wire) -> Result<Self, ToleranceError> {
        match wire {
            Wire::Count(count) => Ok(Self::Count(count)),
            Wire::Text(text) => text.parse(),
        }
    }
}
