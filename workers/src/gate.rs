//! The gate before the claim: a tool's rate limit and its circuit breaker. Who does not pass goes back to the queue,
//! and has used up no attempt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_core::breaker::{Breaker, Change, Permit};
use gantz_core::host::{Clock, Entropy};
use gantz_core::limits::SETTLE_MARGIN_MS;
use gantz_core::policy::ToolPolicy;
use gantz_core::ports::{BreakerState, Limits, Postponed};

use crate::pace::{Pace, Pacer};

/// The fleet's view of a breaker is read at most this often per key.
const SHARED_VIEW_MS: u64 = 1_000;

/// The gates of all tools of a process.
pub(crate) struct Gates {
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    limits: Arc<dyn Limits>,
    clock: Clock,
    entropy: Entropy,
}

struct Gate {
    pacer: Option<Pacer>,
    breaker: Option<Mutex<Watched>>,
    /// When the fleet's view of the breaker was last read. Whoever finds it out of date reads it, and the others wait:
    /// a worker that starts with many jobs at once must not send them to a dependency that the fleet knows to be down.
    seen_shared_ms: tokio::sync::Mutex<u64>,
}

struct Watched {
    breaker: Breaker,
    /// Whether the fleet knows that the breaker is open: only then does its word close it.
    shared: bool,
}

/// Whether a call may start.
#[must_use]
pub(crate) enum Admission {
    /// It may; say through the pass how it went.
    Go(Pass),
    /// Not yet.
    Later { delay_ms: u64, why: Postponed },
}

/// Leave to make one call: to be reported, or given back.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    probe: bool,
    reported: bool,
}

impl Gates {
    pub(crate) fn new(limits: Arc<dyn Limits>, clock: Clock, entropy: Entropy) -> Self {
        Self { gates: Mutex::default(), limits, clock, entropy }
    }

    /// Asks for one call of `tool`.
    pub(crate) async fn admit(&self, tool: &str, policy: &ToolPolicy) -> Admission {
        let gate = self.gate(tool, policy);
        let probe = match self.check_breaker(tool, &gate).await {
            Permit::Allowed => false,
            Permit::Probe => true,
            Permit::Denied { until_ms } => {
                let delay_ms = self.after(until_ms);
                return Admission::Later { delay_ms, why: Postponed::BreakerOpen };
            }
        };
        let pass = Pass { gate: Arc::clone(&gate), probe, reported: false };
        match &gate.pacer {
            None => Admission::Go(pass),
            Some(pacer) => match pacer.pace(self.entropy.next()).await {
                Pace::Go => Admission::Go(pass),
                Pace::Later { delay_ms } => {
                    self.give_back(tool, pass).await;
                    Admission::Later { delay_ms, why: Postponed::RateLimited }
                }
            },
        }
    }

    /// Takes note of how a call went, and tells the fleet if that opened or closed the breaker.
    pub(crate) async fn report(&self, tool: &str, mut pass: Pass, success: bool) {
        pass.reported = true;
        let Some(watched) = &pass.gate.breaker else { return };
        let (now_ms, random) = (self.clock.now_ms(), self.entropy.next());
        let change = lock(watched).breaker.on_result(success, pass.probe, now_ms, random);
        let told = match change {
            Change::None => return,
            Change::Opened { until_ms } => {
                tracing::warn!(tool, until_ms, "the breaker opened");
                self.limits.trip(tool, until_ms).await
            }
            Change::Closed => {
                tracing::info!(tool, "the breaker closed");
                self.limits.reset(tool).await
            }
        };
        lock(watched).shared = told.is_ok() && change != Change::Closed;
        if let Err(error) = told {
            // The rest of the fleet will find out by itself; this process already knows.
            tracing::warn!(tool, %error, "failed to share the breaker's state");
        }
    }

    /// Takes back a pass whose call was not made, or did not end by itself. A probe is then anybody's again.
    pub(crate) async fn give_back(&self, tool: &str, pass: Pass) {
        if !pass.probe {
            return;
        }
        // Its time has come already, so this only frees the probe. Unheard, the fleet writes it off by itself.
        if let Err(error) = self.limits.trip(tool, self.clock.now_ms()).await {
            tracing::warn!(tool, %error, "failed to give a probe back");
        }
    }

    async fn check_breaker(&self, tool: &str, gate: &Gate) -> Permit {
        let Some(watched) = &gate.breaker else { return Permit::Allowed };
        self.look_at_fleet(tool, gate, watched).await;
        let now_ms = self.clock.now_ms();
        let (permit, probe_ms) = {
            let mut watched = lock(watched);
            (watched.breaker.check(now_ms), watched.breaker.probe_ms())
        };
        if permit != Permit::Probe {
            return permit;
        }
        let until_ms = now_ms + probe_ms;
        match self.limits.probe(tool, until_ms, now_ms).await {
            Ok(true) => Permit::Probe,
            // Somebody else of the fleet probes; or nobody can tell, and then waiting is safe.
            Ok(false) | Err(_) => {
                lock(watched).breaker.open_until(now_ms + SHARED_VIEW_MS);
                Permit::Denied { until_ms: now_ms + SHARED_VIEW_MS }
            }
        }
    }

    /// Reads the fleet's view of the breaker, if the last one is out of date.
    async fn look_at_fleet(&self, tool: &str, gate: &Gate, watched: &Mutex<Watched>) {
        let mut seen_shared_ms = gate.seen_shared_ms.lock().await;
        let now_ms = self.clock.now_ms();
        if now_ms < *seen_shared_ms + SHARED_VIEW_MS {
            return;
        }
        match self.limits.breaker(tool).await {
            Ok(state) => lock(watched).adopt(state),
            Err(error) => tracing::warn!(tool, %error, "failed to read the fleet's breaker"),
        }
        *seen_shared_ms = now_ms;
    }

    /// Milliseconds until then, with a tenth of jitter on top so that those who wait do not all return at once.
    fn after(&self, until_ms: u64) -> u64 {
        let delay_ms = until_ms.saturating_sub(self.clock.now_ms()).max(1);
        delay_ms + gantz_core::host::uniform(self.entropy.next(), delay_ms / 10)
    }

    fn gate(&self, tool: &str, policy: &ToolPolicy) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(tool) {
            return Arc::clone(gate);
        }
        // What comes after the call, until its end is known here, is a part of it.
        let call_ms = policy.timeout_ms.saturating_add(SETTLE_MARGIN_MS);
        let gate = Arc::new(Gate {
            pacer: policy.rate_limit.map(|limit| Pacer::new(&limit, self.clock.clone())),
            breaker: policy
                .breaker
                .map(|policy| Mutex::new(Watched { breaker: Breaker::new(policy, call_ms), shared: false })),
            seen_shared_ms: tokio::sync::Mutex::default(),
        });
        gates.insert(tool.to_owned(), Arc::clone(&gate));
        gate
    }
}

impl Watched {
    fn adopt(&mut self, state: BreakerState) {
        match state {
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

impl Drop for Pass {
    /// A call that was not made says nothing. A probe that was not made leaves the way free for this process's next
    /// one; for the fleet's, once it was given back or written off.
    fn drop(&mut self) {
        if self.probe
            && !self.reported
            && let Some(watched) = &self.gate.breaker
        {
            lock(watched).breaker.open_until(0);
        }
    }
}

fn lock(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}
