//! A process: what calls the ports, has a clock of its own, and can be frozen or killed at any moment.
//!
//! A process that was killed stays where it is: its next call never returns, and changes nothing. To everybody else that
//! is what `kill -9` at that very point looks like, whatever tasks the process had.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gantz_core::host::{Clock, Entropy};
use gantz_core::ports::{PortError, PortResult, Ports};
use tokio::sync::Notify;

use crate::faults::{CLIENT_TIMEOUT_MS, Fault};
use crate::world::{State, World};

/// A forced stall lands this long after its call began: when its sender has given up, and perhaps tried again.
const LANDS_AFTER_MS: u64 = CLIENT_TIMEOUT_MS + 2_000;
/// A stall by chance lands within this time.
const LANDS_WITHIN_MS: u64 = 4 * CLIENT_TIMEOUT_MS;

/// A handle on a process. Clones are the same process.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    world: Arc<World>,
    name: String,
    skew_ms: i64,
    life: Mutex<Life>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Alive,
    Frozen,
    Dead,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Process").field(&self.0.name).finish()
    }
}

impl Process {
    /// A new process, whose clock is off by so many milliseconds.
    pub fn start(world: &Arc<World>, name: impl Into<String>, skew_ms: i64) -> Self {
        let process = Self::new(world, name.into(), skew_ms);
        world.with(|state| {
            state.note(process.name(), || format!("starts, its clock off by {skew_ms} ms"));
            state.processes.retain(Self::is_alive);
            state.processes.push(process.clone());
        });
        process
    }

    /// A process that nothing happens to but by its own calls.
    pub(crate) fn unlisted(world: &Arc<World>, name: impl Into<String>) -> Self {
        Self::new(world, name.into(), 0)
    }

    fn new(world: &Arc<World>, name: String, skew_ms: i64) -> Self {
        let (life, changed) = (Mutex::new(Life::Alive), Notify::new());
        Self(Arc::new(Inner { world: Arc::clone(world), name, skew_ms, life, changed }))
    }

    /// Its name, unlike every other's.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The world it lives in.
    pub fn world(&self) -> &Arc<World> {
        &self.0.world
    }

    /// Its clock.
    pub fn clock(&self) -> Clock {
        let (world, skew_ms) = (Arc::clone(&self.0.world), self.0.skew_ms);
        Clock::new(move || world.now_ms().saturating_add_signed(skew_ms))
    }

    /// Its random numbers.
    pub fn entropy(&self) -> Entropy {
        let state = AtomicU64::new(self.0.world.with(|state| state.random.bits()));
        Entropy::new(move || {
            let seed = state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            gantz_testkit::random::Random::new(seed).bits()
        })
    }

    /// All ports, as this process calls them.
    pub fn ports(&self) -> Ports {
        Ports::of(self.clone())
    }

    /// Ends it where it stands.
    pub fn kill(&self) {
        self.become_(Life::Dead, "dies");
    }

    /// Stops it until it is thawed.
    pub fn freeze(&self) {
        self.become_(Life::Frozen, "freezes");
    }

    /// Lets it go on, if it is frozen.
    pub fn thaw(&self) {
        if self.life() == Life::Frozen {
            self.become_(Life::Alive, "thaws");
        }
    }

    /// Whether it was not killed.
    pub fn is_alive(&self) -> bool {
        self.life() != Life::Dead
    }

    /// Returns once it was killed.
    pub async fn died(&self) {
        self.until(|life| life == Life::Dead).await;
    }

    /// Returns as soon as the process can go on. Of one that was killed, never.
    pub(crate) async fn go_on(&self) {
        if self.life() != Life::Alive {
            self.until(|life| life == Life::Alive).await;
        }
    }

    async fn until(&self, wanted: impl Fn(Life) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if wanted(self.life()) {
                return;
            }
            changed.await;
        }
    }

    fn life(&self) -> Life {
        *self.0.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn become_(&self, next: Life, verb: &'static str) {
        let mut life = self.0.life.lock().unwrap_or_else(PoisonError::into_inner);
        if *life == next || *life == Life::Dead {
            return;
        }
        *life = next;
        drop(life);
        self.0.world.with(|state| state.note(self.name(), || verb.to_owned()));
        self.0.changed.notify_waiters();
    }

    /// One call of a port: there, applied, and back, unless something goes wrong.
    pub(crate) async fn call<T, F>(&self, method: &'static str, about: &str, apply: F) -> PortResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut State) -> T + Send + 'static,
    {
        self.go_on().await;
        let fault = self.decide(method, about);
        self.travel().await;
        self.deliver(method, fault, apply).await
    }

    /// Counts a call, and says what is to happen to it.
    pub(crate) fn decide(&self, method: &'static str, about: &str) -> Option<Fault> {
        self.0.world.with(|state| {
            state.calls += 1;
            let fault = state.faults.decide(method, state.now_ms, &mut state.random);
            state.stir(method.len() as u64);
            let nth = state.faults.calls();
            state.note(self.name(), || match fault {
                None => format!("#{nth} {method} {about}"),
                Some(fault) => format!("#{nth} {method} {about}   <== {fault:?}"),
            });
            fault
        })
    }

    async fn deliver<T, F>(&self, method: &'static str, fault: Option<Fault>, mut apply: F) -> PortResult<T>
    where
        T: Send + 'static,
        F: FnMut(&mut State) -> T + Send + 'static,
    {
        let world = &self.0.world;
        match fault {
            None => {
                let answer = world.with(apply);
                self.travel().await;
                Ok(answer)
            }
            Some(Fault::Twice) => {
                world.with(&mut apply);
                self.travel().await;
                let answer = world.with(apply);
                self.travel().await;
                Ok(answer)
            }
            Some(fault) => {
                match fault {
                    Fault::Lost | Fault::CrashAfter => {
                        world.with(apply);
                    }
                    Fault::Stalled => self.land_later(method, apply),
                    Fault::Error | Fault::Throttled | Fault::CrashBefore | Fault::Twice => {}
                }
                Err(self.fail(fault).await)
            }
        }
    }

    /// What a call that fails so answers, if it ever does.
    pub(crate) async fn fail(&self, fault: Fault) -> PortError {
        match fault {
            Fault::CrashBefore | Fault::CrashAfter => self.kill(),
            Fault::Stalled => tokio::time::sleep(Duration::from_millis(CLIENT_TIMEOUT_MS)).await,
            Fault::Error | Fault::Lost | Fault::Twice | Fault::Throttled => {}
        }
        self.travel().await;
        match fault {
            Fault::Throttled => PortError::Throttled("slow down".into()),
            Fault::Stalled => PortError::Transient("no answer within ten seconds".into()),
            _ => PortError::Transient("the connection was reset".into()),
        }
    }

    /// A request that is still on its way when its sender has given up on it, or is dead.
    fn land_later<T, F>(&self, method: &'static str, mut apply: F)
    where
        F: FnMut(&mut State) -> T + Send + 'static,
    {
        let (world, name) = (Arc::clone(&self.0.world), self.0.name.clone());
        let after_ms = world.with(|state| {
            if state.faults.is_by_chance() { state.random.below(LANDS_WITHIN_MS) } else { LANDS_AFTER_MS }
        });
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            world.with(|state| {
                state.note(&name, || format!("{method} lands late"));
                apply(state);
            });
        });
    }

    /// One way of a call.
    pub(crate) async fn travel(&self) {
        let ms = self.0.world.with(|state| state.between(state.settings.latency_ms));
        tokio::time::sleep(Duration::from_millis(ms)).await;
        self.go_on().await;
    }
}
