//! A process's rate limit of one tool: `governor` says whether, this file says when.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gantz_core::host::{Clock, uniform};
use gantz_core::limiter::RateLimit;
use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A wait this short is cheaper spent here than by giving the message back.
const HOLD_MAX_MS: u64 = 50;
/// Calls are spread over this much time ahead; later ones come back then and ask again.
const HORIZON_MS: u64 = 60_000;

/// Whether a call may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Pace {
    Go,
    Later { delay_ms: u64 },
}

/// The limit and the slots it has promised.
pub(crate) struct Pacer {
    limiter: RateLimiter<NotKeyed, InMemoryState, InjectedClock, NoOpMiddleware<Nanos>>,
    clock: Clock,
    interval_us: u64,
    /// Where the next call that has to wait will be sent. Each gets a slot of its own, so that a backlog does not come
    /// back all at once for one free token.
    next_slot_us: Mutex<u64>,
}

impl Pacer {
    pub(crate) fn new(limit: &RateLimit, clock: Clock) -> Self {
        let interval_us = limit.interval_us();
        let burst = NonZeroU32::new(limit.burst()).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(Duration::from_micros(interval_us))
            .unwrap_or(Quota::per_second(NonZeroU32::MIN))
            .allow_burst(burst);
        let limiter = RateLimiter::direct_with_clock(quota, InjectedClock(clock.clone()));
        Self { limiter, clock, interval_us, next_slot_us: Mutex::new(0) }
    }

    /// Asks for one call, waiting a moment if that is all it takes.
    pub(crate) async fn pace(&self, random: u64) -> Pace {
        loop {
            let Err(not_until) = self.limiter.check() else { return Pace::Go };
            let wait = not_until.wait_time_from(InjectedClock(self.clock.clone()).now());
            let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX).max(1);
            let delay_ms = self.promise(wait_us, random);
            if delay_ms > HOLD_MAX_MS {
                return Pace::Later { delay_ms };
            }
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
    }

    /// The time until a slot that nobody else was sent to.
    fn promise(&self, wait_us: u64, random: u64) -> u64 {
        let now_us = self.clock.now_ms() * 1_000;
        let mut next_slot_us = self.next_slot_us.lock().unwrap_or_else(PoisonError::into_inner);
        let slot_us = (*next_slot_us).max(now_us.saturating_add(wait_us));
        let delay_ms = (slot_us - now_us).div_ceil(1_000);
        if delay_ms > HORIZON_MS {
            return HORIZON_MS / 2 + uniform(random, HORIZON_MS / 2);
        }
        *next_slot_us = slot_us + self.interval_us;
        delay_ms
    }
}

#[derive(Debug, Clone)]
struct InjectedClock(Clock);

impl GovernorClock for InjectedClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(Duration::from_millis(self.0.now_ms()))
    }
}

/// Compiles only while `Nanos` counts as a moment to `governor`.
const fn _assert_reference<T: Reference>() {}
const _: () = _assert_reference::<Nanos>();
