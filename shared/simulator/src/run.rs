//! One run of a scenario.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gantz_core::job::JobRecord;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use crate::callers;
use crate::fleet;
use crate::observer::{Story, Violation};
use crate::panics;
use crate::scenario::{Mode, Scenario};
use crate::verdict;
use crate::world::World;

/// How often it is looked whether everything has ended, in the world's own time.
const LOOK: Duration = Duration::from_millis(250);

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Promises that were broken; only the first one is sure to be one by itself.
    pub violations: Vec<Violation>,
    /// Panics that no script asked for. They are no violations, but bugs of the fleet's or the simulator's code.
    pub panics: Vec<String>,
    /// Milliseconds from the end of the faults until everything had ended.
    pub recovery_ms: u64,
    /// Milliseconds that the world existed.
    pub world_ms: u64,
    /// Calls of ports.
    pub calls: u64,
    /// Calls that something happened to.
    pub faults: u64,
    /// Two runs share it only if the same happened in both, at the same times.
    pub digest: u64,
    /// Every row, as it was in the end.
    pub rows: Vec<JobRecord>,
    /// What the observer knows of each row's job.
    pub stories: Vec<Story>,
    /// What happened, if that was written down.
    pub log: Vec<String>,
}

impl Report {
    /// Whether every promise was kept, and nothing panicked.
    pub fn is_fine(&self) -> bool {
        self.violations.is_empty() && self.panics.is_empty()
    }
}

/// Runs a scenario in a world of its own.
pub fn run(scenario: &Scenario) -> Report {
    in_world(scenario, async |world| {
        fleet::start(&world, &scenario.fleet);
        play(&world, scenario).await;
    })
}

/// Runs something else in the world of a scenario, whose fleet it starts itself if it wants one.
///
/// # Panics
/// When no runtime can be had.
pub fn in_world(scenario: &Scenario, life: impl AsyncFnOnce(Arc<World>)) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (report, panics) = panics::watched(|| {
        LocalSet::new().block_on(&runtime, async {
            let world = World::new(scenario.settings.clone(), scenario.faults.clone());
            life(Arc::clone(&world)).await;
            report(&world)
        })
    });
    let mut report = report.unwrap_or_default();
    report.panics = panics;
    report
}

fn report(world: &World) -> Report {
    world.with(|state| {
        // Processes know their world: nobody else ends that circle.
        state.processes.clear();
        let rows: Vec<JobRecord> = state.rows.values().cloned().collect();
        Report {
            violations: state.observer.violations().to_vec(),
            panics: vec![],
            recovery_ms: state.recovery_ms,
            world_ms: state.now_ms - crate::world::BIRTH_MS,
            calls: state.calls,
            faults: state.faults.hits(),
            digest: state.digest(),
            stories: rows.iter().map(|row| state.observer.story(&row.id)).collect(),
            rows,
            log: state.take_log(),
        }
    })
}

/// Lets everybody act as the scenario says, and judges.
pub async fn play(world: &Arc<World>, scenario: &Scenario) {
    callers::send_garbage(world, scenario.garbage);
    tokio::spawn(fleet::chaos(Arc::clone(world), scenario.fleet.mishaps));
    let jobs = scenario.jobs.iter().map(|plan| spawn_local(callers::call(Arc::clone(world), plan.clone())));
    let batch =
        scenario.batch.iter().map(|plan| spawn_local(callers::call_batch(Arc::clone(world), plan.clone())));
    let wishes = jobs.chain(batch).collect::<Vec<_>>();
    match scenario.mode {
        Mode::Safety { ms } => {
            within(world, ms).await;
            world.with(|state| verdict::judge(state, scenario, false));
        }
        Mode::Liveness { faults_ms, bound_ms } => {
            if within(world, faults_ms).await {
                return;
            }
            world.calm();
            settle(world, scenario, bound_ms, async {
                join_all(wishes).await;
            })
            .await;
        }
    }
}

/// Waits until everything that was accepted has ended, as [`play`] does in the end.
pub async fn settled(world: &World, scenario: &Scenario) {
    let bound_ms = match scenario.mode {
        Mode::Safety { ms } => ms,
        Mode::Liveness { bound_ms, .. } => bound_ms,
    };
    settle(world, scenario, bound_ms, std::future::ready(())).await;
}

/// Waits for so long, or until a promise is broken: true then.
async fn within(world: &World, ms: u64) -> bool {
    let broken = world.turn.notified();
    tokio::pin!(broken);
    broken.as_mut().enable();
    if world.with(|state| state.observer.is_broken()) {
        return true;
    }
    tokio::time::timeout(Duration::from_millis(ms), broken).await.is_ok()
}

/// Waits until everything has ended, as it must within the bound, and judges.
async fn settle(world: &World, scenario: &Scenario, bound_ms: u64, wishes: impl Future<Output = ()>) {
    let began = Instant::now();
    let bound = Duration::from_millis(bound_ms);
    let is_answered = tokio::time::timeout(bound, wishes).await.is_ok();
    loop {
        let open =
            world.with(
                |state| {
                    if state.observer.is_broken() { None } else { verdict::unsettled(state, scenario) }
                },
            );
        let is_over = open.is_none();
        if is_over || began.elapsed() >= bound {
            world.with(|state| {
                state.recovery_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                if let Some(open) = open {
                    state.observer.broken("I8", format!("not over after {bound:?}: {open}"));
                }
                if !is_answered {
                    state.observer.broken("I8", "a caller never had an answer");
                }
                if !state.observer.is_broken() {
                    verdict::judge(state, scenario, true);
                }
            });
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
