//! A breaker of this process, and what the fleet knows of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gantz_core::breaker::{Breaker, Change, Permit};
use gantz_core::limits::SETTLE_MARGIN_MS;
use gantz_core::policy::{BreakerPolicy, ToolPolicy};
use gantz_core::ports::{BreakerState, Limits};

/// The fleet's view of a breaker is read at most this often per key.
const SHARED_VIEW_MS: u64 = 1_000;

/// What calls of one key share.
pub(super) struct Watched {
    key: String,
    state: Mutex<State>,
    /// When the fleet's view was last read. Whoever finds it out of date reads it, and the others wait: a worker that
    /// starts with many jobs at once must not send them to a dependency that the fleet knows to be down.
    seen_shared_ms: tokio::sync::Mutex<u64>,
}

struct State {
    breaker: Breaker,
    /// Whether the fleet knows that the breaker is open: only then does its word close it.
    shared: bool,
}

impl Watched {
    pub(super) fn new(key: String, rule: BreakerPolicy, policy: &ToolPolicy) -> Self {
        // What comes after the call, until its end is known here, is a part of it.
        let call_ms = policy.timeout_ms.saturating_add(SETTLE_MARGIN_MS);
        let state = State { breaker: Breaker::new(rule, call_ms), shared: false };
        Self { key, state: Mutex::new(state), seen_shared_ms: tokio::sync::Mutex::default() }
    }

    /// Asks for one call.
    pub(super) async fn check(&self, limits: &dyn Limits, now_ms: impl Fn() -> u64) -> Permit {
        self.look_at_fleet(limits, &now_ms).await;
        let now_ms = now_ms();
        let (permit, probe_ms) = {
            let mut state = self.lock();
            (state.breaker.check(now_ms), state.breaker.probe_ms())
        };
        if permit != Permit::Probe {
            return permit;
        }
        match limits.probe(&self.key, now_ms + probe_ms, now_ms).await {
            Ok(true) => Permit::Probe,
            // Somebody else of the fleet probes; or nobody can tell, and then waiting is safe.
            Ok(false) | Err(_) => {
                self.lock().breaker.open_until(now_ms + SHARED_VIEW_MS);
                Permit::Denied { until_ms: now_ms + SHARED_VIEW_MS }
            }
        }
    }

    /// Takes note of how a call went, and tells the fleet if that opened or closed the breaker.
    pub(super) async fn report(
        &self,
        limits: &dyn Limits,
        success: bool,
        probe: bool,
        now_ms: u64,
        random: u64,
    ) {
        let change = self.lock().breaker.on_result(success, probe, now_ms, random);
        let key = &self.key;
        let told = match change {
            Change::None => return,
            Change::Opened { until_ms } => {
                tracing::warn!(key, until_ms, "the breaker opened");
                limits.trip(key, until_ms).await
            }
            Change::Closed => {
                tracing::info!(key, "the breaker closed");
                limits.reset(key).await
            }
        };
        self.lock().shared = told.is_ok() && change != Change::Closed;
        if let Err(error) = told {
            // The rest of the fleet will find out by itself; this process already knows.
            tracing::warn!(key, %error, "failed to share the breaker's state");
        }
    }

    /// Takes back a probe that was not made, or did not end by itself: it is anybody's again.
    pub(super) async fn give_back_probe(&self, limits: &dyn Limits, now_ms: u64) {
        // Its time has come already, so this only frees the probe. Unheard, the fleet writes it off by itself.
        if let Err(error) = limits.trip(&self.key, now_ms).await {
            tracing::warn!(key = self.key, %error, "failed to give a probe back");
        }
    }

    /// Leaves the way free for this process's next probe.
    pub(super) fn forget_probe(&self) {
        self.lock().breaker.open_until(0);
    }

    /// Reads the fleet's view, if the last one is out of date.
    async fn look_at_fleet(&self, limits: &dyn Limits, now_ms: impl Fn() -> u64) {
        let mut seen_shared_ms = self.seen_shared_ms.lock().await;
        let now_ms = now_ms();
        if now_ms < *seen_shared_ms + SHARED_VIEW_MS {
            return;
        }
        match limits.breaker(&self.key).await {
            Ok(shared) => self.lock().adopt(shared),
            Err(error) => tracing::warn!(key = self.key, %error, "failed to read the fleet's breaker"),
        }
        *seen_shared_ms = now_ms;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn adopt(&mut self, shared: BreakerState) {
        match shared {
            BreakerState::OpenUntil { until_ms } => {
                self.breaker.open_until(until_ms);
                self.shared = true;
            }
            BreakerState::Closed if self.shared && !self.breaker.is_closed() => {
                self.breaker.close();
                self.shared = false;
            }
            BreakerState::Closed => {}
        }
    }
}
