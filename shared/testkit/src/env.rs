//! The time that a suite runs in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use gantz_core::host::Clock;

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time that a suite runs in, as its runner sees it: jumped over where the runner owns the clock, slept through where
/// a real service does.
#[derive(Clone)]
pub struct Env {
    clock: Clock,
    tick_ms: u64,
    advance: Arc<dyn Fn(u64) -> Wait + Send + Sync>,
}

impl Env {
    /// A time that `clock` tells and `advance` moves on by so many milliseconds.
    ///
    /// `tick_ms` is the shortest delay that the port can tell from none: 1,000 for SQS, which counts in seconds. Suites
    /// express all their delays in ticks, and wait for at most a few.
    pub fn new<F>(clock: Clock, tick_ms: u64, advance: impl Fn(u64) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { clock, tick_ms, advance: Arc::new(move |ms| Box::pin(advance(ms))) }
    }

    /// A time that passes by itself: tokio's, which a runner may have paused.
    pub fn sleeping(clock: Clock, tick_ms: u64) -> Self {
        Self::new(clock, tick_ms, |ms| tokio::time::sleep(std::time::Duration::from_millis(ms)))
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The clock, for an adapter that needs one.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// `n` times the shortest delay, in milliseconds.
    pub fn ticks(&self, n: u64) -> u64 {
        self.tick_ms * n
    }

    /// Returns when `ms` milliseconds have passed.
    pub async fn advance(&self, ms: u64) {
        (self.advance)(ms).await;
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("tick_ms", &self.tick_ms).finish_non_exhaustive()
    }
}
