//! What goes wrong, and when: at random, or by name and count.

use std::collections::HashMap;

use gantz_testkit::random::Random;

/// Milliseconds after which a client no longer waits for an answer.
pub const CLIENT_TIMEOUT_MS: u64 = 10_000;

/// What can happen to one call of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// It fails before anything is applied.
    Error,
    /// It is applied, and the answer is an error.
    Lost,
    /// It is applied twice, and the second answer arrives.
    Twice,
    /// The service asks for fewer calls, and applies nothing.
    Throttled,
    /// The client waits in vain, and it is applied only after that.
    Stalled,
    /// The caller's process dies before it is applied.
    CrashBefore,
    /// The caller's process dies after it was applied.
    CrashAfter,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::Error,
        Self::Lost,
        Self::Twice,
        Self::Throttled,
        Self::Stalled,
        Self::CrashBefore,
        Self::CrashAfter,
    ];
}

/// Which call a forced fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The `n`th call of a port's method, counted from 1.
    Named(&'static str, u64),
    /// The `n`th call of all, counted from 1.
    Nth(u64),
}

/// How often something goes wrong in a thousand cases. Nothing does by default.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    /// Calls of ports that fail in one of `kinds`.
    pub calls: u64,
    /// The ways in which they do.
    pub kinds: Vec<Fault>,
    /// Entries of batch calls that are refused for the moment.
    pub entries: u64,
    /// Deliveries that another receiver gets, too.
    pub duplicates: u64,
    /// Deletes that do nothing, so that the message comes back later.
    pub deletes: u64,
}

/// A time in which some calls get no answer.
#[derive(Debug, Clone)]
pub struct Outage {
    /// When it begins, milliseconds since the epoch.
    pub from_ms: u64,
    /// When it is over.
    pub until_ms: u64,
    /// The methods that fail.
    pub methods: &'static [&'static str],
    /// How.
    pub fault: Fault,
}

/// Everything that reads or writes a row.
pub const TABLE: &[&str] = &[
    "accept",
    "get",
    "claim",
    "heartbeat",
    "finish",
    "release",
    "cancel",
    "give_up",
    "changed",
    "open_batch",
    "progress",
    "open_shard",
    "advance",
    "end_planning",
    "mark",
    "cancel_batch",
];

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    rates: Rates,
    forced: Vec<(Which, Fault)>,
    outages: Vec<Outage>,
    by_name: HashMap<&'static str, u64>,
    calls: u64,
    hits: u64,
    is_over: bool,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Faults at random.
    pub fn random(rates: Rates) -> Self {
        Self { rates, ..Self::default() }
    }

    /// Exactly these.
    pub fn forced(forced: impl IntoIterator<Item = (Which, Fault)>) -> Self {
        Self { forced: forced.into_iter().collect(), ..Self::default() }
    }

    /// These, and an outage.
    #[must_use]
    pub fn with_outage(mut self, outage: Outage) -> Self {
        self.add_outage(outage);
        self
    }

    /// An outage besides.
    pub fn add_outage(&mut self, outage: Outage) {
        self.outages.push(outage);
    }

    /// Nothing goes wrong from now on, at random or by an outage.
    pub fn stop(&mut self) {
        self.is_over = true;
    }

    /// Whether things may still go wrong.
    pub fn are_over(&self) -> bool {
        self.is_over
    }

    /// Whether chance has a part in it.
    pub(crate) fn is_by_chance(&self) -> bool {
        self.rates.calls > 0
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls of one method so far.
    pub fn calls_of(&self, method: &str) -> u64 {
        self.by_name.get(method).copied().unwrap_or(0)
    }

    /// Faults so far.
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// Counts a call, and says what is to happen to it.
    pub(crate) fn decide(&mut self, method: &'static str, now_ms: u64, random: &mut Random) -> Option<Fault> {
        self.calls += 1;
        let of_name = self.by_name.entry(method).or_default();
        *of_name += 1;
        let (nth, of_name) = (self.calls, *of_name);
        let is_meant = |which: &Which| match which {
            Which::Named(name, n) => *name == method && *n == of_name,
            Which::Nth(n) => *n == nth,
        };
        let forced = self.forced.iter().find(|(which, _)| is_meant(which)).map(|(_, fault)| *fault);
        let fault = forced.or_else(|| self.by_chance(method, now_ms, random));
        self.hits += u64::from(fault.is_some());
        fault
    }

    fn by_chance(&self, method: &str, now_ms: u64, random: &mut Random) -> Option<Fault> {
        if self.is_over {
            return None;
        }
        let covers = |outage: &&Outage| {
            (outage.from_ms..outage.until_ms).contains(&now_ms) && outage.methods.contains(&method)
        };
        if let Some(outage) = self.outages.iter().find(covers) {
            return Some(outage.fault);
        }
        let kinds = &self.rates.kinds;
        if kinds.is_empty() || !self.happens(self.rates.calls, random) {
            return None;
        }
        let place = usize::try_from(random.below(kinds.len() as u64)).unwrap_or(0);
        kinds.get(place).copied()
    }

    fn happens(&self, per_mille: u64, random: &mut Random) -> bool {
        !self.is_over && per_mille > 0 && random.below(1_000) < per_mille
    }

    pub(crate) fn refuses_entry(&self, random: &mut Random) -> bool {
        self.happens(self.rates.entries, random)
    }

    pub(crate) fn duplicates(&self, random: &mut Random) -> bool {
        self.happens(self.rates.duplicates, random)
    }

    pub(crate) fn spares_deleted(&self, random: &mut Random) -> bool {
        self.happens(self.rates.deletes, random)
    }
}
