//! A rate limit: who may call, and when the others come back. Of one process, `governor` says whether; of the fleet,
//! the tokens that it was granted.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gantz_core::ahead::{Ahead, Step};
use gantz_core::host::{Clock, uniform};
use gantz_core::limiter::RateLimit;
use gantz_core::policy::{RateRule, Scope};
use gantz_core::ports::{Limits, PortResult};
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
pub(super) enum Pace {
    Go,
    Later { delay_ms: u64 },
}

/// A limit, and the slots it has promised.
pub(super) struct Pacer {
    source: Source,
    clock: Clock,
    interval_us: u64,
    /// Where the next call that has to wait will be sent. Each gets a slot of its own, so that a backlog does not come
    /// back all at once for one free token.
    next_slot_us: Mutex<u64>,
}

/// Where tokens come from.
enum Source {
    Process(RateLimiter<NotKeyed, InMemoryState, InjectedClock, NoOpMiddleware<Nanos>>),
    Fleet(Shared),
}

/// A caller's turn, in microseconds since the epoch.
enum Turn {
    /// It has a token, which is due then.
    At(u64),
    /// There is none before then.
    NotBefore(u64),
}

impl Pacer {
    pub(super) fn new(rule: &RateRule, key: &str, limits: Arc<dyn Limits>, clock: Clock) -> Self {
        let source = match rule.scope {
            Scope::Process => Source::Process(governed(&rule.limit, clock.clone())),
            Scope::Fleet => Source::Fleet(Shared::new(&rule.limit, key, limits)),
        };
        Self { source, clock, interval_us: rule.limit.interval_us(), next_slot_us: Mutex::new(0) }
    }

    /// Asks for one call, waiting a moment if that is all it takes.
    pub(super) async fn pace(&self, random: u64) -> PortResult<Pace> {
        loop {
            match self.turn().await? {
                Turn::At(due_us) => {
                    self.sleep_until(due_us).await;
                    return Ok(Pace::Go);
                }
                Turn::NotBefore(us) => {
                    let delay_ms = self.promise(us, random);
                    if delay_ms > HOLD_MAX_MS {
                        return Ok(Pace::Later { delay_ms });
                    }
                    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                }
            }
        }
    }

    async fn turn(&self) -> PortResult<Turn> {
        let now_us = self.clock.now_ms() * 1_000;
        match &self.source {
            Source::Process(limiter) => Ok(match limiter.check() {
                Ok(()) => Turn::At(now_us),
                Err(not_until) => {
                    let wait = not_until.wait_time_from(InjectedClock(self.clock.clone()).now());
                    let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX).max(1);
                    Turn::NotBefore(now_us.saturating_add(wait_us))
                }
            }),
            Source::Fleet(shared) => shared.turn(&self.clock).await,
        }
    }

    async fn sleep_until(&self, due_us: u64) {
        let wait_ms = due_us.div_ceil(1_000).saturating_sub(self.clock.now_ms());
        if wait_ms > 0 {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// The time until a slot that nobody else was sent to, not before `us`.
    fn promise(&self, us: u64, random: u64) -> u64 {
        let now_us = self.clock.now_ms() * 1_000;
        let mut next_slot_us = self.next_slot_us.lock().unwrap_or_else(PoisonError::into_inner);
        let slot_us = (*next_slot_us).max(us).max(now_us);
        let delay_ms = (slot_us - now_us).div_ceil(1_000);
        if delay_ms > HORIZON_MS {
            return HORIZON_MS / 2 + uniform(random, HORIZON_MS / 2);
        }
        *next_slot_us = slot_us + self.interval_us;
        delay_ms
    }
}

/// Tokens of the fleet's limit, taken some ahead.
struct Shared {
    key: String,
    limits: Arc<dyn Limits>,
    /// Whoever finds none left asks for more, and the others wait for the answer.
    ahead: tokio::sync::Mutex<Ahead>,
}

impl Shared {
    fn new(limit: &RateLimit, key: &str, limits: Arc<dyn Limits>) -> Self {
        Self { key: key.to_owned(), limits, ahead: tokio::sync::Mutex::new(Ahead::new(limit)) }
    }

    async fn turn(&self, clock: &Clock) -> PortResult<Turn> {
        let mut ahead = self.ahead.lock().await;
        loop {
            let now_ms = clock.now_ms();
            match ahead.step(now_ms) {
                Step::Start { at_us } => return Ok(Turn::At(at_us)),
                Step::Wait { until_us } => return Ok(Turn::NotBefore(until_us)),
                Step::Ask { tokens } => {
                    let taken = self.limits.take(&self.key, ahead.limit(), tokens, now_ms).await?;
                    ahead.answered(tokens, taken, now_ms);
                }
            }
        }
    }
}

fn governed(
    limit: &RateLimit,
    clock: Clock,
) -> RateLimiter<NotKeyed, InMemoryState, InjectedClock, NoOpMiddleware<Nanos>> {
    let burst = NonZeroU32::new(limit.burst()).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(Duration::from_micros(limit.interval_us()))
        .unwrap_or(Quota::per_second(NonZeroU32::MIN))
        .allow_burst(burst);
    RateLimiter::direct_with_clock(quota, InjectedClock(clock))
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
