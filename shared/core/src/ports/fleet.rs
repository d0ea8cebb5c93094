use async_trait::async_trait;

use super::PortResult;
use crate::limiter::{RateLimit, Taken};

/// What the fleet shares about a dependency: rate limits and breakers, by key.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Takes up to `tokens` from the limit of `key`. Tokens granted are gone, also if they are never used.
    async fn take(&self, key: &str, limit: &RateLimit, tokens: u32, now_ms: u64) -> PortResult<Taken>;

    /// The breaker of `key` as the fleet knows it.
    async fn breaker(&self, key: &str) -> PortResult<BreakerState>;

    /// Opens the breaker of `key` for the fleet until `until_ms`; never shortens a time that is already set.
    async fn trip(&self, key: &str, until_ms: u64) -> PortResult<()>;

    /// Opens the breaker of `key` for the fleet until `until_ms`, whatever was set before.
    async fn open(&self, key: &str, until_ms: u64) -> PortResult<()>;

    /// Asks to be the one prober of an open breaker whose time has come. True for at most one caller until `until_ms`,
    /// or until the breaker is tripped or reset.
    async fn probe(&self, key: &str, until_ms: u64, now_ms: u64) -> PortResult<bool>;

    /// Closes the breaker of `key`.
    async fn reset(&self, key: &str) -> PortResult<()>;
}

/// A breaker as the fleet knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls flow.
    Closed,
    /// No call may start until then, and then one probe.
    OpenUntil {
        /// Milliseconds since the epoch.
        until_ms: u64,
    },
}
