//! What the domain may not ask the machine for: the time and random numbers.
//!
//! Pure functions take both as arguments. The shells around them carry a [`Clock`] and an [`Entropy`], made once in a
//! binary's `main`, or by a test from paused time and a seed.

use std::fmt;
use std::sync::Arc;

/// The wall clock in milliseconds since the Unix epoch.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// A clock that reads `now_ms`.
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A source of uniformly distributed random numbers.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Entropy {
    /// Random numbers drawn from `next`, each uniform over all of `u64`.
    pub fn new(next: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// The next random number.
    pub fn next(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// Maps a uniform random number onto `0..=max`.
pub fn uniform(random: u64, max: u64) -> u64 {
    let wide = u128::from(random) * (u128::from(max) + 1);
    u64::try_from(wide >> 64).unwrap_or(max)
}
