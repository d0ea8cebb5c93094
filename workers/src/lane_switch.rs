//! Whether a lane is paused, as a process knows it that works it.

use std::time::Duration;

use gantz_core::ids::Lane;
use gantz_core::pause;
use gantz_core::ports::Limits;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The fleet's view is read at most this often: a pause holds after so many milliseconds, everywhere.
pub(crate) const SEEN_FOR_MS: u64 = 2_000;
/// Deliveries wait for the view of the fleet no longer: it is read from one row.
const ASKED_FOR: Duration = Duration::from_secs(1);

pub(crate) struct LaneSwitch {
    lane: Lane,
    /// Locked while the fleet is asked: what was asked for after a pause must not begin by an older view.
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    /// When the fleet was asked.
    at_ms: Option<u64>,
    until_ms: Option<u64>,
}

impl LaneSwitch {
    pub(crate) fn of(lane: Lane) -> Self {
        Self { lane, seen: Mutex::default() }
    }

    /// Whether nothing may be begun now. While the fleet cannot be asked, what was known before holds.
    pub(crate) async fn is_paused(&self, limits: &dyn Limits, now_ms: u64) -> bool {
        let mut seen = self.seen.lock().await;
        if seen.at_ms.is_none_or(|at_ms| now_ms.abs_diff(at_ms) >= SEEN_FOR_MS) {
            seen.at_ms = Some(now_ms);
            match timeout(ASKED_FOR, pause::paused_until_ms(limits, &self.lane, now_ms)).await {
                Ok(Ok(until_ms)) => {
                    if until_ms.is_some() != seen.until_ms.is_some() {
                        let state = if until_ms.is_some() { "paused" } else { "resumed" };
                        tracing::info!(lane = %self.lane, state, "the lane's switch was turned");
                    }
                    seen.until_ms = until_ms;
                }
                Ok(Err(error)) => {
                    tracing::warn!(lane = %self.lane, %error, "cannot tell whether the lane is paused");
                }
                Err(_) => {
                    tracing::warn!(lane = %self.lane, waited = ?ASKED_FOR, "cannot tell whether the lane is paused");
                }
            }
        }
        seen.until_ms.is_some_and(|until_ms| until_ms > now_ms)
    }
}
