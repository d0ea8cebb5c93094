//! Tokens of a rate limit that a process takes ahead of their time, several at once, so that the fleet's row is written
//! once for many calls. Each is good around the time when it is due, and for nothing later: tokens that were saved up
//! would be a burst that nobody allowed.

use crate::limiter::{RateLimit, Taken};

/// How far ahead tokens are taken: as long as a call may wait for its own without giving up its place.
pub const AHEAD_MS: u64 = 500;
/// How late a token may still be used: a timer's and a store's delay.
const LATE_US: u64 = 250_000;

/// The tokens that a process has left of its last grant, and when it asks for more.
#[derive(Debug, Clone, PartialEq)]
pub struct Ahead {
    /// The limit, with room for what comes due within [`AHEAD_MS`].
    wide: RateLimit,
    interval_us: u64,
    burst: u32,
    granted: u32,
    used: u32,
    left: u32,
    /// When the first of those that are left is due.
    due_us: u64,
    /// The limit's theoretical arrival time as it was last seen; the true one is never earlier.
    tat_us: u64,
    /// Tokens that must be free by what was last seen, before it asks: the more, the more of them others take. Never more
    /// than there can be, since what nobody asks for in time is lost.
    patience: u32,
}

/// What a process does for its next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Start it at that time, microseconds since the epoch, which may have passed: a token was taken for it.
    Start {
        /// When the token is due.
        at_us: u64,
    },
    /// Ask for that many tokens of [`Ahead::limit`].
    Ask {
        /// How many.
        tokens: u32,
    },
    /// Come back then, microseconds since the epoch: asking before is likely to be in vain.
    Wait {
        /// When.
        until_us: u64,
    },
}

impl Ahead {
    /// No tokens yet, of this limit.
    pub fn new(limit: &RateLimit) -> Self {
        let wide = limit.ahead(AHEAD_MS);
        let ahead = Self {
            wide,
            interval_us: limit.interval_us(),
            burst: limit.burst(),
            granted: 0,
            used: 0,
            left: 0,
            due_us: 0,
            tat_us: 0,
            patience: 1,
        };
        Self { patience: ahead.worth_asking(), ..ahead }
    }

    /// The limit that tokens are asked of.
    pub fn limit(&self) -> &RateLimit {
        &self.wide
    }

    /// What to do for one call, now.
    pub fn step(&mut self, now_ms: u64) -> Step {
        let now_us = now_ms.saturating_mul(1_000);
        while self.left > 0 {
            let at_us = self.due_us;
            self.left -= 1;
            self.due_us += self.interval_us;
            if now_us <= at_us.saturating_add(LATE_US) {
                self.used += 1;
                return Step::Start { at_us };
            }
        }
        let until_us = self.free_at_us(self.patience);
        if until_us > now_us { Step::Wait { until_us } } else { Step::Ask { tokens: self.wanted() } }
    }

    /// Takes note of the answer to what it asked for at `now_ms`.
    pub fn answered(&mut self, asked: u32, taken: Taken, now_ms: u64) {
        let expected = self.free(now_ms);
        let (tokens, tat_us) = match taken {
            Taken::Granted { tokens, tat_us } => (tokens, tat_us),
            // One will be free then.
            Taken::Wait { until_ms } => {
                let horizon_us = self.interval_us.saturating_mul(u64::from(self.wide.burst()));
                (
                    0,
                    until_ms
                        .saturating_mul(1_000)
                        .saturating_add(horizon_us)
                        .saturating_sub(self.interval_us),
                )
            }
        };
        let least = self.worth_asking();
        self.patience = if tokens < asked {
            // Others take what it expected: it waits until its share is worth a write.
            least.saturating_mul(expected) / tokens.max(1)
        } else {
            self.patience - self.patience / 8
        }
        .clamp(least, self.wide.burst());
        self.tat_us = tat_us;
        if tokens > 0 {
            // The first may start as early as the burst allows.
            let before = u64::from(tokens) + u64::from(self.burst.saturating_sub(1));
            self.due_us = tat_us.saturating_sub(self.interval_us.saturating_mul(before));
            (self.granted, self.used, self.left) = (tokens, 0, tokens);
        }
    }

    /// Twice as many as the last time if all of them were used, else no more than were.
    fn wanted(&self) -> u32 {
        if self.used < self.granted {
            self.used.max(1)
        } else {
            self.granted.saturating_mul(2).clamp(1, self.wide.burst())
        }
    }

    /// Less is not worth a write, where there may soon be more.
    fn worth_asking(&self) -> u32 {
        (self.wide.burst() / 5 * 2).max(1)
    }

    /// When so many tokens would be free, had nobody else taken any.
    fn free_at_us(&self, tokens: u32) -> u64 {
        let tokens_us = self.interval_us.saturating_mul(u64::from(tokens));
        self.tat_us
            .saturating_add(tokens_us)
            .saturating_sub(self.interval_us.saturating_mul(u64::from(self.wide.burst())))
    }

    /// How many would be free now, had nobody else taken any.
    fn free(&self, now_ms: u64) -> u32 {
        let horizon_us = self.interval_us.saturating_mul(u64::from(self.wide.burst()));
        let free_us = now_ms.saturating_mul(1_000).saturating_add(horizon_us).saturating_sub(self.tat_us);
        u32::try_from(free_us / self.interval_us).unwrap_or(u32::MAX).min(self.wide.burst())
    }
}
