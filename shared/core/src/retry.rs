//! The retry schedule of a job: exponential, capped, with full jitter.

use serde::{Deserialize, Serialize};

use crate::host::uniform;
use crate::limits;
use crate::policy::PolicyError;

/// How long a message waits that a port failed under, by how often it was received.
pub fn after_port_failure_ms(receives: u32) -> u64 {
    let doublings = receives.saturating_sub(1).min(16);
    (limits::PORT_RETRY_MS << doublings).min(limits::PORT_RETRY_MAX_MS)
}

/// How long a message waits that this worker cannot handle but another one may, by how often it was received: between
/// half of a ceiling and all of it, which doubles with each receive.
pub fn not_here_ms(receives: u32, random: u64) -> u64 {
    let doublings = receives.saturating_sub(1).min(16);
    let ceiling_ms = (limits::NOT_HERE_MS << doublings).min(limits::NOT_HERE_MAX_MS);
    ceiling_ms / 2 + uniform(random, ceiling_ms / 2)
}

/// How long a message waits whose tool has all the calls under way that it may have, by how often it was received:
/// anything up to a ceiling that doubles with each receive, since nobody knows when a call ends.
pub fn no_room_ms(receives: u32, random: u64) -> u64 {
    let doublings = receives.saturating_sub(1).min(16);
    uniform(random, (limits::NO_ROOM_MS << doublings).min(limits::NO_ROOM_MAX_MS)).max(1)
}

/// How often and how patiently a tool is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    max_attempts: u32,
    first_ms: u64,
    /// In hundredths, so that policies compare.
    factor_percent: u32,
    max_ms: u64,
}

impl RetryPolicy {
    /// The steepest growth of delays: from a second to a quarter of an hour in three steps.
    pub const FACTOR_MAX: f64 = 10.0;

    /// Three attempts, from one second, doubling, at most a quarter of an hour apart.
    pub const DEFAULT: Self = Self { max_attempts: 3, first_ms: 1_000, factor_percent: 200, max_ms: 900_000 };

    /// A policy of `max_attempts` (1 to [`limits::ATTEMPTS_MAX`]) whose ceiling starts at `first_ms`, grows by `factor`
    /// (1 to 10, taken to the hundredth) with each attempt, and never exceeds `max_ms` (at most
    /// [`limits::POSTPONE_MAX_MS`]).
    ///
    /// # Errors
    /// When a bound is broken, naming the key and the value that would do.
    pub fn try_new(max_attempts: u32, first_ms: u64, factor: f64, max_ms: u64) -> Result<Self, PolicyError> {
        PolicyError::check("max_attempts", u64::from(max_attempts), 1, u64::from(limits::ATTEMPTS_MAX))?;
        PolicyError::check("max", max_ms, 1, limits::POSTPONE_MAX_MS)?;
        PolicyError::check("first", first_ms, 1, max_ms)?;
        PolicyError::check_ratio("factor", factor, 1.0, Self::FACTOR_MAX)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 100 to 1,000")]
        let factor_percent = (factor * 100.0).round() as u32;
        Ok(Self { max_attempts, first_ms, factor_percent, max_ms })
    }

    /// Attempts in all, the first included.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// The longest wait after attempt number `attempt` (from 1), before jitter.
    pub fn ceiling_ms(&self, attempt: u32) -> u64 {
        let factor = u64::from(self.factor_percent);
        let mut ceiling_ms = self.first_ms;
        // A delay that does not grow any more is the longest, whatever the attempt.
        for _ in 1..attempt {
            let next_ms = (ceiling_ms.saturating_mul(factor) / 100).min(self.max_ms);
            if next_ms == ceiling_ms {
                break;
            }
            ceiling_ms = next_ms;
        }
        ceiling_ms
    }

    /// The wait after attempt number `attempt`: uniform between zero and the ceiling ("full jitter", AWS Architecture
    /// Blog, *Exponential Backoff and Jitter*), and never before `retry_after_ms`, to which jitter is added so that
    /// callers told the same moment do not all return at it.
    pub fn delay_ms(&self, attempt: u32, retry_after_ms: Option<u64>, random: u64) -> u64 {
        let floor_ms = retry_after_ms.unwrap_or(0);
        let ceiling_ms = self.ceiling_ms(attempt);
        let spread_ms = if retry_after_ms.is_some() { ceiling_ms.min(floor_ms / 4) } else { ceiling_ms };
        floor_ms.saturating_add(uniform(random, spread_ms)).min(limits::POSTPONE_MAX_MS)
    }
}
