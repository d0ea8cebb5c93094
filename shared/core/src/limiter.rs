//! The generic cell rate algorithm (GCRA, ITU-T I.371) as a pure function: a rate limit in one number.
//!
//! The number is the *theoretical arrival time* (`tat`): the moment up to which the past calls have used up the rate. A
//! call may start when `tat` lies no further ahead than the burst allows, and moves it on by one interval.

use serde::{Deserialize, Serialize};

use crate::policy::PolicyError;

/// So many calls a second, with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateLimit {
    per_second: f64,
    burst: u32,
}

impl RateLimit {
    /// `per_second` calls (0.0001 to 1,000,000), of which `burst` (1 to 1,000,000) may start at once.
    ///
    /// # Errors
    /// When a bound is broken, naming the key and the value that would do.
    pub fn try_new(per_second: f64, burst: u32) -> Result<Self, PolicyError> {
        PolicyError::check_ratio("rate_limit", per_second, 0.000_1, 1_000_000.0)?;
        PolicyError::check("burst", u64::from(burst), 1, 1_000_000)?;
        Ok(Self { per_second, burst })
    }

    /// The burst that fits a rate when none is given: a twentieth of a second's calls, so that timers that are late
    /// by some milliseconds do not lower the rate, and a second's count stays within a few percent of it.
    pub fn default_burst(per_second: f64) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the range of u32"
        )]
        let burst = (per_second / 20.0).clamp(1.0, 1_000_000.0) as u32;
        burst
    }

    /// The same rate, with room for what comes due within so many milliseconds: for [tokens taken
    /// ahead](crate::ahead).
    #[must_use]
    pub fn ahead(&self, ms: u64) -> Self {
        let more = u32::try_from(ms.saturating_mul(1_000) / self.interval_us()).unwrap_or(u32::MAX);
        Self { burst: self.burst.saturating_add(more), ..*self }
    }

    /// Calls per second.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Calls that may start at once.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// Microseconds between two calls at the full rate, rounded up, so that the rate is never exceeded.
    pub fn interval_us(&self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 10^10")]
        let interval = (1_000_000.0 / self.per_second).ceil() as u64;
        interval
    }
}

/// What came of asking for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// At least one token was had.
    Granted {
        /// Tokens had: as many as asked for, or as the burst had left.
        tokens: u32,
        /// The limit's new theoretical arrival time, microseconds since the epoch.
        tat_us: u64,
    },
    /// None is free.
    Wait {
        /// The time at which one will be, milliseconds since the epoch, rounded up.
        until_ms: u64,
    },
}

/// Takes up to `wanted` tokens from a limit whose theoretical arrival time is `tat_us` (0 for a new one).
pub fn take(tat_us: u64, limit: &RateLimit, wanted: u32, now_ms: u64) -> Taken {
    let now_us = now_ms.saturating_mul(1_000);
    let interval_us = limit.interval_us();
    let start_us = tat_us.max(now_us);
    let horizon_us = now_us.saturating_add(interval_us.saturating_mul(u64::from(limit.burst)));
    let free = horizon_us.saturating_sub(start_us) / interval_us;
    let tokens = u32::try_from(free).unwrap_or(u32::MAX).min(wanted);
    if tokens == 0 {
        let ready_us = start_us.saturating_add(interval_us).saturating_sub(horizon_us - now_us);
        return Taken::Wait { until_ms: ready_us.div_ceil(1_000).max(now_ms.saturating_add(1)) };
    }
    Taken::Granted { tokens, tat_us: start_us.saturating_add(interval_us.saturating_mul(u64::from(tokens))) }
}
