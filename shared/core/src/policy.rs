//! What the manifest says about how a tool is run, each policy valid by construction.

use serde::{Deserialize, Serialize};

pub use crate::breaker::BreakerPolicy;
pub use crate::limit_key::LimitKey;
pub use crate::limiter::RateLimit;
pub use crate::retry::RetryPolicy;

/// A policy's value lies outside its bounds.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{key}` is {value}, expected {min} to {max}")]
pub struct PolicyError {
    /// The key, as the manifest spells it.
    pub key: &'static str,
    /// The value given.
    pub value: f64,
    /// The least value allowed.
    pub min: f64,
    /// The greatest value allowed.
    pub max: f64,
}

impl PolicyError {
    pub(crate) fn check(key: &'static str, value: u64, min: u64, max: u64) -> Result<(), Self> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "bounds are far below 2^53; the float is only printed"
        )]
        Self::check_ratio(key, value as f64, min as f64, max as f64)
    }

    pub(crate) fn check_ratio(key: &'static str, value: f64, min: f64, max: f64) -> Result<(), Self> {
        if value >= min && value <= max { Ok(()) } else { Err(Self { key, value, min, max }) }
    }
}

/// What a second run of a tool with the same parameters would do to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effects {
    /// Nothing: it only looks.
    ReadOnly,
    /// Nothing more: the tool hands its idempotency key (the job id) to a provider that honours it.
    #[default]
    Keyed,
    /// Harm: it is started once. A crash while it runs leaves the job `IN_DOUBT`.
    AtMostOnce,
}

impl Effects {
    /// The name in manifests, rows and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Keyed => "keyed",
            Self::AtMostOnce => "at_most_once",
        }
    }

    /// Of a job that was recorded without: the strictest.
    pub(crate) fn unrecorded() -> Self {
        Self::AtMostOnce
    }
}

/// A rate limit, and which calls it counts together.
#[derive(Debug, Clone, PartialEq)]
pub struct RateRule {
    /// How many calls.
    pub limit: RateLimit,
    /// Whose calls.
    pub scope: Scope,
    /// Which of the tool's calls.
    pub key: LimitKey,
}

/// Whose calls a rate limit counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Those of each worker process by itself.
    #[default]
    Process,
    /// Those of all workers.
    Fleet,
}

impl Scope {
    /// The name in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Fleet => "fleet",
        }
    }
}

/// A bound of calls at once in each worker process, and which calls it counts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrencyRule {
    /// Calls at once, 1 to [`ConcurrencyRule::MAX`].
    pub max: u32,
    /// Which of the tool's calls.
    pub key: LimitKey,
}

impl ConcurrencyRule {
    /// More calls at once than a process ever has.
    pub const MAX: u32 = 10_000;
}

/// A breaker, and which calls it counts together.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerRule {
    /// When it opens, and for how long.
    pub policy: BreakerPolicy,
    /// Which of the tool's calls.
    pub key: LimitKey,
}

impl ToolPolicy {
    /// Each parameter whose value tells apart what is counted together.
    pub fn key_parameters(&self) -> impl Iterator<Item = &str> {
        let keys = [
            self.rate_limit.as_ref().map(|rule| &rule.key),
            self.concurrency.as_ref().map(|rule| &rule.key),
            self.breaker.as_ref().map(|rule| &rule.key),
        ];
        keys.into_iter().flatten().filter_map(|key| match key {
            LimitKey::Parameter(name) => Some(name.as_str()),
            LimitKey::Tool | LimitKey::Tenant => None,
        })
    }
}

/// How a tool is run.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolPolicy {
    /// Milliseconds one attempt may take, 1 to [`crate::limits::TIMEOUT_MAX_MS`].
    pub timeout_ms: u64,
    /// Attempts and the waits between them.
    pub retry: RetryPolicy,
    /// Calls per second, if bounded.
    pub rate_limit: Option<RateRule>,
    /// Calls at once, if bounded.
    pub concurrency: Option<ConcurrencyRule>,
    /// When to stop calling a dependency that fails, if at all.
    pub breaker: Option<BreakerRule>,
    /// What a second run would do.
    pub effects: Effects,
    /// The queue its jobs wait in.
    pub lane: crate::ids::Lane,
}
