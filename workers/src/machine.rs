//! The machine's own clock and randomness, for a program's shell: everything else takes them as arguments.

use std::time::{SystemTime, UNIX_EPOCH};

use gantz_core::host::{Clock, Entropy};

/// The system's clock. Before 1970 it stands still.
#[expect(clippy::disallowed_methods, reason = "this is what the shell hands on")]
pub fn clock() -> Clock {
    Clock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Random numbers of the operating system.
///
/// # Panics
/// When it is asked for one and the operating system has none, which it says at start or never.
#[expect(clippy::disallowed_methods, reason = "this is what the shell hands on")]
#[expect(clippy::panic, reason = "ids without randomness would collide; there is nothing safe left to do")]
pub fn entropy() -> Entropy {
    Entropy::new(|| match getrandom::u64() {
        Ok(random) => random,
        Err(error) => panic!("the operating system has no random numbers: {error}"),
    })
}
