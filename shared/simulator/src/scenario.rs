//! What one run is about: the jobs, the fleet that works on them, and what goes wrong meanwhile.

use gantz_core::batch::Tolerance;
use gantz_testkit::random::Random;

use crate::faults::{Fault, Faults, Outage, Rates, TABLE};
use crate::fleet::{FleetPlan, Mapping};
use crate::tool::{Act, ActEnd, Script};
use crate::world::{BIRTH_MS, Settings};

/// One run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// How the services behave.
    pub settings: Settings,
    /// What goes wrong.
    pub faults: Faults,
    /// Who works.
    pub fleet: FleetPlan,
    /// The jobs.
    pub jobs: Vec<JobPlan>,
    /// A batch besides, if there is one.
    pub batch: Option<BatchPlan>,
    /// Bodies on the lane's queue that are no envelopes.
    pub garbage: usize,
    /// What is asked of the fleet.
    pub mode: Mode,
}

/// What is asked of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// That it breaks no promise in so many milliseconds, in which things go wrong all the time.
    Safety {
        /// When it is over.
        ms: u64,
    },
    /// That everything is terminal in the end: within `bound_ms` from when things stop going wrong, after `faults_ms`.
    Liveness {
        /// For how long things go wrong, milliseconds.
        faults_ms: u64,
        /// How long recovering may take, milliseconds.
        bound_ms: u64,
    },
}

/// A job, and what becomes of it from outside.
#[derive(Debug, Clone)]
pub struct JobPlan {
    /// Its id.
    pub id: String,
    /// Its tool.
    pub tool: &'static str,
    /// How the tool behaves.
    pub script: Script,
    /// Whose it is, if it is somebody's.
    pub tenant: Option<&'static str>,
    /// Milliseconds from the beginning until it is submitted.
    pub at_ms: u64,
    /// Milliseconds until its first attempt.
    pub delay_ms: u64,
    /// Milliseconds from its submission until it is no longer worth doing.
    pub deadline_ms: Option<u64>,
    /// Milliseconds from the beginning until somebody cancels it.
    pub cancel_at_ms: Option<u64>,
    /// Milliseconds from the beginning until somebody submits another job under its id.
    pub impostor_at_ms: Option<u64>,
    /// Callers who submit it, at the same time.
    pub callers: u32,
    /// Tries after which a caller gives up; there is no end if left out.
    pub tries: Option<u32>,
}

impl JobPlan {
    /// A job that is submitted at once, by one caller who insists.
    pub fn new(id: impl Into<String>, tool: &'static str, script: Script) -> Self {
        Self {
            id: id.into(),
            tool,
            script,
            tenant: None,
            at_ms: 0,
            delay_ms: 0,
            deadline_ms: None,
            cancel_at_ms: None,
            impostor_at_ms: None,
            callers: 1,
            tries: None,
        }
    }
}

/// A batch over the objects of the bucket.
#[derive(Debug, Clone)]
pub struct BatchPlan {
    /// Its id.
    pub id: String,
    /// How its children behave, one after another.
    pub children: Vec<Script>,
    /// How many may fail.
    pub tolerate: Tolerance,
    /// Milliseconds from the beginning until it is submitted.
    pub at_ms: u64,
    /// Milliseconds from its submission until its children are no longer worth doing.
    pub deadline_ms: Option<u64>,
    /// Milliseconds from the beginning until somebody cancels it.
    pub cancel_at_ms: Option<u64>,
}

impl BatchPlan {
    /// A batch that is submitted at once, and tolerates no failure.
    pub fn new(id: impl Into<String>, children: Vec<Script>) -> Self {
        let tolerate = Tolerance::NONE;
        Self { id: id.into(), children, tolerate, at_ms: 0, deadline_ms: None, cancel_at_ms: None }
    }
}

/// The longest that recovering from anything may take. The parts: a message that a function held is invisible for six
/// times its timeout, up to 192 s, or 360 s if it is a plan; a port that failed is tried again within 60 s; a worker's
/// lease lasts 30 s; an attempt takes 8 s, and the next one follows within 10 s, four times; a breaker lets one probe
/// through in five seconds. One may follow another.
pub const RECOVERY_BOUND_MS: u64 = 1_800_000;

impl Scenario {
    /// The jobs on two long-polling workers, and nothing that goes wrong.
    pub fn calm(seed: u64, jobs: Vec<JobPlan>) -> Self {
        Self {
            settings: Settings::new(seed),
            faults: Faults::none(),
            fleet: FleetPlan::pools(),
            jobs,
            batch: None,
            garbage: 0,
            mode: Mode::Liveness { faults_ms: 0, bound_ms: RECOVERY_BOUND_MS },
        }
    }

    /// Whatever the seed says.
    pub fn of(seed: u64) -> Self {
        let random = &mut Random::new(seed ^ 0x5EED);
        let faults_ms = 10_000 + random.below(230_000);
        let mode = if random.one_in(4) {
            Mode::Safety { ms: faults_ms }
        } else {
            Mode::Liveness { faults_ms, bound_ms: RECOVERY_BOUND_MS }
        };
        let mut settings = Settings::new(seed);
        settings.max_receives = if random.one_in(3) { 3 + small(random, 4) } else { 20 };
        if random.one_in(8) {
            return Self::of_zombies(settings, mode, random);
        }
        let batch = random.one_in(3).then(|| batch(random, faults_ms));
        let jobs = (0..=random.below(6)).map(|n| job(random, n, faults_ms)).collect();
        Self {
            settings,
            faults: faults(random, faults_ms),
            fleet: fleet(random, batch.is_some()),
            jobs,
            batch,
            garbage: usize::from(random.one_in(6)),
            mode,
        }
    }

    /// Long jobs on workers that freeze, and whose clocks are off by more than a lease: some go on when others have their
    /// jobs.
    fn of_zombies(settings: Settings, mode: Mode, random: &mut Random) -> Self {
        let job = |n: u64, random: &mut Random| {
            let script = Script::always(20_000 + random.below(30_000), ActEnd::Done);
            JobPlan { at_ms: random.below(20_000), ..JobPlan::new(format!("job-{n:05}"), "slow", script) }
        };
        Self {
            settings,
            faults: Faults::random(Rates { duplicates: 300, ..Rates::default() }),
            fleet: FleetPlan {
                pools: 3,
                mishaps: 1_000,
                skews_ms: vec![0, 45_000, -45_000],
                has_planner: false,
                ..FleetPlan::pools()
            },
            jobs: (0..8).map(|n| job(n, random)).collect(),
            batch: None,
            garbage: 0,
            mode,
        }
    }
}

fn faults(random: &mut Random, faults_ms: u64) -> Faults {
    // Each run has its own few kinds of trouble: all of them at once would mask each other.
    let kinds = Fault::ALL.into_iter().filter(|_| random.one_in(2)).collect();
    let calls = [0, 5, 20, 60, 150, 300][below(random, 6)];
    let often = |random: &mut Random, rates: &[u64]| rates[below(random, rates.len())];
    let faults = Faults::random(Rates {
        calls,
        kinds,
        entries: often(random, &[0, 0, 20, 200]),
        duplicates: often(random, &[0, 0, 50, 300]),
        deletes: often(random, &[0, 0, 50, 300]),
    });
    if !random.one_in(6) {
        return faults;
    }
    let from_ms = BIRTH_MS + random.below(faults_ms);
    let until_ms = from_ms + random.below(120_000);
    let fault = if random.one_in(2) { Fault::Throttled } else { Fault::Error };
    faults.with_outage(Outage { from_ms, until_ms, methods: TABLE, fault })
}

fn fleet(random: &mut Random, has_planner: bool) -> FleetPlan {
    let skews_ms = match random.below(4) {
        0 => (0..3).map(|_| i64::from(small(random, 20_000)) - 10_000).collect(),
        _ => vec![0],
    };
    let mapping = random.one_in(2).then(|| Mapping {
        sandboxes: 1 + below(random, 3),
        timeout_ms: 22_000 + random.below(10_000),
        batch: 1 + below(random, 10),
        throttled: [0, 0, 100, 500][below(random, 4)],
        killed: [0, 0, 50, 200][below(random, 4)],
        ..Mapping::default()
    });
    // Now and then both share a lane.
    let pools = if mapping.is_none() || random.one_in(4) { 1 + below(random, 2) } else { 0 };
    FleetPlan {
        pools,
        concurrency: 1 + small(random, 5),
        mapping,
        skews_ms,
        restart_ms: random.below(5_000),
        has_planner,
        mishaps: [0, 60, 600, 3_000][below(random, 4)],
    }
}

fn job(random: &mut Random, n: u64, faults_ms: u64) -> JobPlan {
    let tool = ["look", "pay", "pay", "launch", "launch", "shaky", "paced", "slow", "slow"][below(random, 9)];
    let within = |random: &mut Random, odds: u64, ms: u64| random.one_in(odds).then(|| 1 + random.below(ms));
    JobPlan {
        id: format!("job-{n:05}"),
        tool,
        script: if tool == "slow" {
            Script::always(random.below(50_000), ActEnd::Done)
        } else {
            script(random)
        },
        tenant: None,
        at_ms: random.below(faults_ms / 2),
        delay_ms: within(random, 6, 20_000).unwrap_or(0),
        deadline_ms: within(random, 5, 90_000),
        cancel_at_ms: within(random, 5, faults_ms),
        impostor_at_ms: within(random, 8, faults_ms),
        callers: 1 + u32::from(random.one_in(5)),
        tries: random.one_in(6).then_some(2),
    }
}

fn batch(random: &mut Random, faults_ms: u64) -> BatchPlan {
    let children = (0..=random.below(6)).map(|_| script(random)).collect();
    let tolerate = if random.one_in(2) { Tolerance::NONE } else { Tolerance::Count(small(random, 4)) };
    BatchPlan {
        id: "batch-0001".into(),
        children,
        tolerate,
        at_ms: random.below(faults_ms / 2),
        deadline_ms: random.one_in(6).then(|| 1 + random.below(90_000)),
        cancel_at_ms: random.one_in(5).then(|| random.below(faults_ms)),
    }
}

fn script(random: &mut Random) -> Script {
    let acts = 1 + random.below(4);
    let mut acts: Vec<Act> = (0..acts).map(|_| act(random)).collect();
    if matches!(acts.last(), Some(Act { end: ActEnd::Defer(_), .. })) {
        // The last act is for ever, and a job may defer itself a thousand times.
        acts.push(Act { ms: 10, end: ActEnd::Done });
    }
    Script::new(acts)
}

fn act(random: &mut Random) -> Act {
    let end = match random.below(16) {
        0..=8 => ActEnd::Done,
        9 => ActEnd::Large(20_000),
        10 | 11 => ActEnd::Transient,
        12 => ActEnd::After(random.below(20_000)),
        13 => [ActEnd::Permanent, ActEnd::Panic][below(random, 2)],
        14 => ActEnd::Defer(random.below(20_000)),
        _ => ActEnd::Hang,
    };
    let ms = if random.one_in(4) { random.below(9_000) } else { random.below(500) };
    Act { ms, end }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}

fn small(random: &mut Random, bound: u32) -> u32 {
    u32::try_from(random.below(u64::from(bound))).unwrap_or(0)
}
