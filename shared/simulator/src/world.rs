//! The world outside of the processes: what the services hold, the time, and the log of what happened.
//!
//! Everything lies behind one lock, and nothing awaits while it is held, so that each change is atomic as a service's
//! is, and a seed decides the order of all of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gantz_core::event::Event;
use gantz_core::ids::{JobId, QueueName};
use gantz_core::job::JobRecord;
use gantz_core::ports::Object;
use gantz_testkit::random::Random;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::faults::Faults;
use crate::observer::Observer;
use crate::ports::{BatchRow, Dial, Queues, Stored};
use crate::process::Process;
use crate::tool::Script;

/// Where every world's time begins, milliseconds since the epoch.
pub const BIRTH_MS: u64 = 1_700_000_000_000;

/// How the services behave when nothing goes wrong, and in which way they are built wrong, if a test wants that.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What everything random follows from.
    pub seed: u64,
    /// Milliseconds that one way of a call takes, at least and at most.
    pub latency_ms: (u64, u64),
    /// Receives before a lane gives up on a message.
    pub max_receives: u32,
    /// Milliseconds after its time that an expired row is deleted.
    pub ttl_lag_ms: u64,
    /// What is built wrong.
    pub mutation: Option<Mutation>,
    /// Whether what happens is written down.
    pub is_logged: bool,
}

impl Settings {
    /// Services that are built right, near, and keep no log.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            latency_ms: (1, 20),
            max_receives: 20,
            ttl_lag_ms: 48 * 60 * 60 * 1000,
            mutation: None,
            is_logged: false,
        }
    }
}

/// A promise that a service, or the code in front of it, breaks. The observer has to notice each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A message is deleted before the event that it stands for is handed over.
    AckBeforePublish,
    /// An end is written whatever attempt it comes from.
    UnfencedFinish,
    /// An end is written over another end.
    RewrittenEnd,
    /// One message in four is answered for, and not kept.
    LostMessage,
    /// One event in four is answered for, and not kept.
    LostEvent,
    /// A claim does not ask how the last attempt ended.
    NoCleanAttemptCheck,
    /// A claim is granted although attempts are used up.
    UncountedAttempts,
    /// Children's ends are counted, instead of marked in a set.
    CounterInsteadOfSet,
    /// A message whose lease somebody else holds is acknowledged.
    AckOnHeldLease,
    /// Whoever submits is told how a job ended before it is looked whether it is theirs.
    FinishedReadBeforeHash,
}

/// The services, the time, and whoever watches.
pub struct World {
    birth: Instant,
    state: Mutex<State>,
    /// What wakes those who wait for the end of the faults, or for a violation.
    pub(crate) turn: Notify,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("birth", &self.birth).finish_non_exhaustive()
    }
}

/// What the services hold.
pub struct State {
    /// The true time, milliseconds since the epoch.
    pub now_ms: u64,
    /// What chooses faults, delays and orders.
    pub random: Random,
    /// How the services behave.
    pub settings: Settings,
    /// What goes wrong.
    pub faults: Faults,
    /// Who checks.
    pub observer: Observer,
    /// Rows of jobs.
    pub rows: BTreeMap<JobId, JobRecord>,
    /// Events that were accepted, in order.
    pub events: Vec<Event>,
    /// How the tool behaves, by job.
    pub scripts: HashMap<JobId, Script>,
    /// What the tools' provider has done, by idempotency key.
    pub provider: HashMap<JobId, Value>,
    /// Whether what the fragile tools depend on is up.
    pub is_dependency_up: bool,
    /// The objects of the one bucket there is, by key.
    pub objects: BTreeMap<String, Object>,
    pub(crate) taken: HashMap<(String, String), JobId>,
    pub(crate) looked_at_until_ms: HashMap<String, u64>,
    pub(crate) batches: BTreeMap<JobId, BatchRow>,
    pub(crate) queues: Queues,
    pub(crate) blobs: HashMap<String, Vec<u8>>,
    pub(crate) dials: HashMap<String, Dial>,
    pub(crate) unpublished: Vec<Event>,
    pub(crate) watchers: HashMap<JobId, Arc<Notify>>,
    pub(crate) processes: Vec<Process>,
    /// Calls of ports so far.
    pub calls: u64,
    /// Tools that were stopped before they ended.
    pub aborted: Vec<JobId>,
    pub(crate) invocations: u64,
    /// Milliseconds from the end of the faults until everything had ended.
    pub(crate) recovery_ms: u64,
    digest: u64,
    log: Option<Vec<String>>,
}

impl World {
    /// An empty world. Must be made inside of a paused runtime, whose time becomes the world's.
    pub fn new(settings: Settings, faults: Faults) -> Arc<Self> {
        let state = State {
            now_ms: BIRTH_MS,
            random: Random::new(settings.seed),
            log: settings.is_logged.then(Vec::new),
            settings,
            faults,
            observer: Observer::default(),
            rows: BTreeMap::new(),
            events: Vec::new(),
            scripts: HashMap::new(),
            provider: HashMap::new(),
            is_dependency_up: true,
            objects: BTreeMap::new(),
            taken: HashMap::new(),
            looked_at_until_ms: HashMap::new(),
            batches: BTreeMap::new(),
            queues: Queues::default(),
            blobs: HashMap::new(),
            dials: HashMap::new(),
            unpublished: Vec::new(),
            watchers: HashMap::new(),
            processes: Vec::new(),
            calls: 0,
            aborted: Vec::new(),
            invocations: 0,
            recovery_ms: 0,
            digest: 0,
        };
        Arc::new(Self { birth: Instant::now(), state: Mutex::new(state), turn: Notify::new() })
    }

    /// The true time, milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        BIRTH_MS + u64::try_from(self.birth.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Looks at the world, or changes it, at once.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        let now_ms = self.now_ms();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now_ms = now_ms;
        let seen = look(&mut state);
        let is_broken = state.observer.is_broken();
        drop(state);
        if is_broken {
            self.turn.notify_waiters();
        }
        seen
    }

    /// Ends all faults: processes thaw, and services answer from now on.
    pub fn calm(&self) {
        let processes = self.with(|state| {
            state.note("", || "-- the faults stop --".to_owned());
            state.faults.stop();
            state.processes.clone()
        });
        for process in processes {
            process.thaw();
        }
    }
}

impl State {
    /// Writes down what happened. Every line counts for [`State::digest`] by its time, written or not.
    pub fn note(&mut self, who: &str, what: impl FnOnce() -> String) {
        self.stir(self.now_ms);
        if let Some(log) = &mut self.log {
            let since_ms = self.now_ms.saturating_sub(BIRTH_MS);
            log.push(format!("{:>6}.{:03} {who:<12} {}", since_ms / 1_000, since_ms % 1_000, what()));
        }
    }

    /// What was written down.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        self.log.take().unwrap_or_default()
    }

    /// A number that two runs share only if the same happened at the same times.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn stir(&mut self, with: u64) {
        self.digest = (self.digest.rotate_left(7) ^ with).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.random.below(most.saturating_sub(least) + 1)
    }

    /// The messages of a queue, in the order in which they were sent.
    pub fn messages(&self, queue: &QueueName) -> Vec<Stored> {
        self.queues.messages(queue).cloned().collect()
    }

    /// Takes the row's expiry into account: one whose time is long up is gone.
    pub(crate) fn row(&mut self, id: &JobId) -> Option<&JobRecord> {
        let lag_ms = self.settings.ttl_lag_ms;
        let gone = self.rows.get(id).is_some_and(|row| {
            row.expires_at_s.is_some_and(|expires_at_s| expires_at_s * 1_000 + lag_ms <= self.now_ms)
        });
        if gone {
            self.note("ttl", || format!("deletes the row of {id}"));
            self.forget(id);
            self.rows.remove(id);
        }
        self.rows.get(id)
    }

    /// Another job may have this id from now on.
    pub(crate) fn forget(&mut self, id: &JobId) {
        self.observer.forget(id);
    }
}
