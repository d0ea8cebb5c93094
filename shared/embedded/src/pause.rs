//! Waiting on a thread that may block, for what another process does.

use std::time::Duration;

#[expect(
    clippy::disallowed_methods,
    reason = "another process cannot be waited for, it has to be asked again"
)]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
