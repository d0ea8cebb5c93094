//! A fleet's limits that tell how often a rate's row was written, and fail when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use gantz_core::limiter::{RateLimit, Taken};
use gantz_core::ports::{BreakerState, Limits, PortError, PortResult};

/// Limits around others.
pub struct CountedLimits {
    inner: Arc<dyn Limits>,
    counts: Arc<Counts>,
}

/// What was counted of one or more limits.
#[derive(Debug, Default)]
pub struct Counts {
    grants: AtomicUsize,
    failures_left: AtomicUsize,
}

impl Counts {
    /// Counts whose first takes fail, so many of them.
    pub fn failing_first(failures: usize) -> Self {
        Self { failures_left: AtomicUsize::new(failures), ..Self::default() }
    }

    /// How often tokens were granted: each grant is a write.
    pub fn grants(&self) -> usize {
        self.grants.load(Ordering::Relaxed)
    }
}

impl CountedLimits {
    /// Limits around `inner` that count into `counts`.
    pub fn new(inner: Arc<dyn Limits>, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }
}

#[async_trait]
impl Limits for CountedLimits {
    async fn take(&self, key: &str, limit: &RateLimit, tokens: u32, now_ms: u64) -> PortResult<Taken> {
        let counts = &self.counts;
        let one_less = |left: usize| left.checked_sub(1);
        if counts.failures_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            return Err(PortError::Transient("the limits are away".into()));
        }
        let taken = self.inner.take(key, limit, tokens, now_ms).await?;
        if matches!(taken, Taken::Granted { .. }) {
            counts.grants.fetch_add(1, Ordering::Relaxed);
        }
        Ok(taken)
    }

    async fn breaker(&self, key: &str) -> PortResult<BreakerState> {
        self.inner.breaker(key).await
    }

    async fn trip(&self, key: &str, until_ms: u64) -> PortResult<()> {
        self.inner.trip(key, until_ms).await
    }

    async fn open(&self, key: &str, until_ms: u64) -> PortResult<()> {
        self.inner.open(key, until_ms).await
    }

    async fn probe(&self, key: &str, until_ms: u64, now_ms: u64) -> PortResult<bool> {
        self.inner.probe(key, until_ms, now_ms).await
    }

    async fn reset(&self, key: &str) -> PortResult<()> {
        self.inner.reset(key).await
    }
}
