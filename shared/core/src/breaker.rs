//! A circuit breaker: stops calling a dependency that fails, and tries it again with one probe.
//!
//! A pure state machine over an injected clock. It counts over a window of ten buckets, opens when the share of
//! failures reaches the policy's ratio over a minimum of calls, and half-opens for a single call at a time.

use serde::{Deserialize, Serialize};

use crate::host::uniform;
use crate::limits;
use crate::policy::PolicyError;

const BUCKETS: usize = 10;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BreakerPolicy {
    failure_ratio: f64,
    min_calls: u32,
    window_ms: u64,
    open_ms: u64,
}

impl BreakerPolicy {
    /// Opens for 30 seconds when half of at least ten calls within a minute failed.
    pub const DEFAULT: Self = Self { failure_ratio: 0.5, min_calls: 10, window_ms: 60_000, open_ms: 30_000 };

    /// A breaker that opens for `open_ms` (1 to [`limits::POSTPONE_MAX_MS`]) once at least `minimum` (1 to 100,000)
    /// ended within `window_ms` (10 ms to an hour) and `failure_ratio` (0.01 to 1) of them failed.
    ///
    /// # Errors
    /// When a bound is broken, naming the key and the value that would do.
    pub fn try_new(
        failure_ratio: f64,
        min_calls: u32,
        window_ms: u64,
        open_ms: u64,
    ) -> Result<Self, PolicyError> {
        PolicyError::check_ratio("failure_ratio", failure_ratio, 0.01, 1.0)?;
        PolicyError::check("minimum", u64::from(min_calls), 1, 100_000)?;
        PolicyError::check("window", window_ms, 10, 3_600_000)?;
        PolicyError::check("open", open_ms, 1, limits::POSTPONE_MAX_MS)?;
        Ok(Self { failure_ratio, min_calls, window_ms, open_ms })
    }

    /// The share of failed calls that opens it.
    pub fn failure_ratio(&self) -> f64 {
        self.failure_ratio
    }

    /// Calls within the window below which it does not open.
    pub fn min_calls(&self) -> u32 {
        self.min_calls
    }

    /// Milliseconds over which calls are counted.
    pub fn window_ms(&self) -> u64 {
        self.window_ms
    }

    /// How long it stays open, before jitter.
    pub fn open_ms(&self) -> u64 {
        self.open_ms
    }
}

/// May a call start?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Permit {
    /// Yes; the breaker is closed.
    Allowed,
    /// Yes, as the one probe that decides whether the breaker closes.
    Probe,
    /// No; ask again at this time.
    Denied {
        /// Milliseconds since the epoch.
        until_ms: u64,
    },
}

/// What a call's end changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// Nothing.
    None,
    /// The breaker opened, or stays open after a failed probe.
    Opened {
        /// Milliseconds since the epoch at which a probe is due.
        until_ms: u64,
    },
    /// The probe succeeded; calls flow again.
    Closed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    slot: u64,
    calls: u32,
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until_ms: u64,
    },
    /// One probe is out; a probe that never reports is given up at this time.
    Probing {
        until_ms: u64,
    },
}

/// The breaker of one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Breaker {
    policy: BreakerPolicy,
    probe_ms: u64,
    state: State,
    buckets: [Bucket; BUCKETS],
}

impl Breaker {
    /// A closed breaker of calls that take up to `call_ms`.
    pub fn new(policy: BreakerPolicy, call_ms: u64) -> Self {
        let probe_ms = policy.open_ms.max(call_ms);
        Self { policy, probe_ms, state: State::Closed, buckets: [Bucket::default(); BUCKETS] }
    }

    /// How long a probe is waited for, milliseconds: the policy's open time, but never less than a call may take. A
    /// slow probe is not a lost one, and a second one beside it would be one call too many for who just recovers.
    pub fn probe_ms(&self) -> u64 {
        self.probe_ms
    }

    /// Asks for one call. A [`Permit::Probe`] must be answered by [`Breaker::on_result`]; one that is not is written
    /// off after [`Breaker::probe_ms`].
    pub fn check(&mut self, now_ms: u64) -> Permit {
        match self.state {
            State::Closed => Permit::Allowed,
            State::Open { until_ms } | State::Probing { until_ms } if now_ms < until_ms => {
                Permit::Denied { until_ms }
            }
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Probing { until_ms: now_ms.saturating_add(self.probe_ms) };
                Permit::Probe
            }
        }
    }

    /// Takes note of a call's end. `random` spreads the reopening of many breakers over a quarter of the open time.
    pub fn on_result(&mut self, success: bool, probe: bool, now_ms: u64, random: u64) -> Change {
        match (self.state, probe, success) {
            // Also when the fleet's view reopened it meanwhile: the probe knows better.
            (State::Open { .. } | State::Probing { .. }, true, true) => {
                self.close();
                Change::Closed
            }
            (State::Open { .. } | State::Probing { .. }, true, false) => self.open(now_ms, random),
            // A straggler from before the breaker opened says nothing about the dependency's present state.
            (State::Open { .. } | State::Probing { .. }, ..) => Change::None,
            (State::Closed, ..) => {
                self.count(success, now_ms);
                if self.should_open(now_ms) { self.open(now_ms, random) } else { Change::None }
            }
        }
    }

    /// Opens until `until_ms`, because another member of the fleet found the dependency failing.
    pub fn open_until(&mut self, until_ms: u64) {
        self.state = State::Open { until_ms };
    }

    /// Whether calls flow.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Closes, because another member's probe succeeded.
    pub fn close(&mut self) {
        *self = Self::new(self.policy, self.probe_ms);
    }

    fn open(&mut self, now_ms: u64, random: u64) -> Change {
        let open_ms = self.policy.open_ms;
        let until_ms = now_ms.saturating_add(open_ms).saturating_add(uniform(random, open_ms / 4));
        self.state = State::Open { until_ms };
        Change::Opened { until_ms }
    }

    fn slot(&self, now_ms: u64) -> u64 {
        now_ms / (self.policy.window_ms / BUCKETS as u64).max(1)
    }

    fn count(&mut self, success: bool, now_ms: u64) {
        let slot = self.slot(now_ms);
        let bucket = &mut self.buckets[usize::try_from(slot % BUCKETS as u64).unwrap_or(0)];
        if bucket.slot != slot {
            *bucket = Bucket { slot, ..Bucket::default() };
        }
        bucket.calls = bucket.calls.saturating_add(1);
        bucket.failures = bucket.failures.saturating_add(u32::from(!success));
    }

    fn should_open(&self, now_ms: u64) -> bool {
        let oldest = self.slot(now_ms).saturating_sub(BUCKETS as u64 - 1);
        let live = self.buckets.iter().filter(|bucket| bucket.slot >= oldest);
        let (calls, failures) =
            live.fold((0u64, 0u64), |(c, f), b| (c + u64::from(b.calls), f + u64::from(b.failures)));
        #[expect(clippy::cast_precision_loss, reason = "counts of one window are far below 2^53")]
        let ratio = failures as f64 / calls.max(1) as f64;
        calls >= u64::from(self.policy.min_calls) && ratio >= self.policy.failure_ratio
    }
}
