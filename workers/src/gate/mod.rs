//! The gate before the claim: a tool's circuit breaker, its bound of calls at once, and its rate limit. Who does not
//! pass goes back to the queue, and has used up no attempt.

mod breaker;
mod keyed;
mod pace;

use std::sync::Arc;

use gantz_core::breaker::Permit;
use gantz_core::host::{Clock, Entropy};
use gantz_core::ids::Tenant;
use gantz_core::policy::ToolPolicy;
use gantz_core::ports::{Limits, PortResult, Postponed};
use gantz_core::retry;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use breaker::Watched;
use keyed::Keyed;
use pace::{Pace, Pacer};

/// The gates of all tools of a process.
pub(crate) struct Gates {
    breakers: Keyed<Watched>,
    rooms: Keyed<Semaphore>,
    pacers: Keyed<Pacer>,
    limits: Arc<dyn Limits>,
    clock: Clock,
    entropy: Entropy,
}

/// A call that wants to start.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) tool: &'a str,
    pub(crate) tenant: &'a Tenant,
    pub(crate) parameters: &'a Value,
    /// How often its message was received, this time included.
    pub(crate) receives: u32,
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
    breaker: Option<Arc<Watched>>,
    probe: bool,
    reported: bool,
    /// The call's place among those at once, free again when this is dropped.
    room: Option<OwnedSemaphorePermit>,
}

impl Gates {
    pub(crate) fn new(limits: Arc<dyn Limits>, clock: Clock, entropy: Entropy) -> Self {
        let (breakers, rooms, pacers) = (Keyed::default(), Keyed::default(), Keyed::default());
        Self { breakers, rooms, pacers, limits, clock, entropy }
    }

    /// Asks for one call. Tokens of a rate limit come last: they are gone once they are taken.
    ///
    /// # Errors
    /// When the fleet's rate limit cannot be asked: to go on would be to have none.
    pub(crate) async fn admit(&self, wish: Wish<'_>, policy: &ToolPolicy) -> PortResult<Admission> {
        let breaker = self.breaker(wish, policy);
        let probe = match &breaker {
            None => false,
            Some(watched) => match watched.check(&*self.limits, || self.clock.now_ms()).await {
                Permit::Allowed => false,
                Permit::Probe => true,
                Permit::Denied { until_ms } => {
                    let delay_ms = self.after(until_ms);
                    return Ok(Admission::Later { delay_ms, why: Postponed::BreakerOpen });
                }
            },
        };
        let mut pass = Pass { breaker, probe, reported: false, room: None };
        if let Some(room) = self.room(wish, policy) {
            let Ok(place) = room.try_acquire_owned() else {
                self.give_back(pass).await;
                let delay_ms = retry::no_room_ms(wish.receives, self.entropy.next());
                return Ok(Admission::Later { delay_ms, why: Postponed::NoRoom });
            };
            pass.room = Some(place);
        }
        let Some(pacer) = self.pacer(wish, policy) else { return Ok(Admission::Go(pass)) };
        match pacer.pace(self.entropy.next()).await {
            Ok(Pace::Go) => Ok(Admission::Go(pass)),
            Ok(Pace::Later { delay_ms }) => {
                self.give_back(pass).await;
                Ok(Admission::Later { delay_ms, why: Postponed::RateLimited })
            }
            Err(error) => {
                self.give_back(pass).await;
                Err(error)
            }
        }
    }

    /// Takes note of how a call went.
    pub(crate) async fn report(&self, mut pass: Pass, success: bool) {
        pass.reported = true;
        if let Some(watched) = &pass.breaker {
            let (now_ms, random) = (self.clock.now_ms(), self.entropy.next());
            watched.report(&*self.limits, success, pass.probe, now_ms, random).await;
        }
    }

    /// Takes back a pass whose call was not made, or did not end by itself.
    pub(crate) async fn give_back(&self, pass: Pass) {
        if let (true, Some(watched)) = (pass.probe, &pass.breaker) {
            watched.give_back_probe(&*self.limits, self.clock.now_ms()).await;
        }
    }

    fn breaker(&self, wish: Wish<'_>, policy: &ToolPolicy) -> Option<Arc<Watched>> {
        let rule = policy.breaker.as_ref()?;
        let key = rule.key.of(wish.tool, wish.tenant, wish.parameters);
        Some(self.breakers.get(&key, || Watched::new(key.clone(), rule.policy, policy)))
    }

    fn room(&self, wish: Wish<'_>, policy: &ToolPolicy) -> Option<Arc<Semaphore>> {
        let rule = policy.concurrency.as_ref()?;
        let key = rule.key.of(wish.tool, wish.tenant, wish.parameters);
        Some(self.rooms.get(&key, || Semaphore::new(rule.max as usize)))
    }

    fn pacer(&self, wish: Wish<'_>, policy: &ToolPolicy) -> Option<Arc<Pacer>> {
        let rule = policy.rate_limit.as_ref()?;
        let key = rule.key.of(wish.tool, wish.tenant, wish.parameters);
        let make = || Pacer::new(rule, &key, Arc::clone(&self.limits), self.clock.clone());
        Some(self.pacers.get(&key, make))
    }

    /// Milliseconds until then, with a tenth of jitter on top so that those who wait do not all return at once.
    fn after(&self, until_ms: u64) -> u64 {
        let delay_ms = until_ms.saturating_sub(self.clock.now_ms()).max(1);
        delay_ms + gantz_core::host::uniform(self.entropy.next(), delay_ms / 10)
    }
}

impl Drop for Pass {
    /// A call that was not made says nothing. A probe that was not made leaves the way free for this process's next
    /// one; for the fleet's, once it was given back or written off.
    fn drop(&mut self) {
        if self.probe
            && !self.reported
            && let Some(watched) = &self.breaker
        {
            watched.forget_probe();
        }
    }
}
