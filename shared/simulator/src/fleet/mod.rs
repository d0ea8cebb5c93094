//! The production code, as processes that are started again when they die.

mod chaos;
mod mapping;

pub(crate) use chaos::chaos;
pub use mapping::Mapping;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use gantz_core::ids::{Lane, QueueName};
use gantz_core::manifest::Manifest;
use gantz_dispatcher::{Dispatcher, plan};
use gantz_workers::{Registry, Switch, ToolSettings, Toolbox, Worker, dead_letters, pool};

use crate::process::Process;
use crate::tool::ScriptedTool;
use crate::world::World;

/// One tool of each kind.
const MANIFEST: &str = "\
name: simulation
version: 1.0.0

defaults:
  timeout: 8s
  retry: {max_attempts: 4, first: 1s, max: 10s}

triggers:
  incoming:
    s3: {prefix: uploads/}
    tool: file

tools:
  look: {description: Looks, handler: sim.scripted, effects: read_only, parameters: {n: {type: integer}}}
  pay: {description: Pays, handler: sim.scripted, effects: keyed, parameters: {n: {type: integer}}}
  launch: {description: Launches, handler: sim.scripted, effects: at_most_once, parameters: {n: {type: integer}}}
  slow:
    description: Takes its time
    handler: sim.scripted
    timeout: 60s
    parameters: {n: {type: integer}}
  patient:
    description: Tries often
    handler: sim.scripted
    retry: {max_attempts: 18, first: 1s, max: 2s}
    parameters: {n: {type: integer}}
  shaky:
    description: Depends on something
    handler: sim.scripted
    breaker: {failure_ratio: 0.5, minimum: 4, window: 20s, open: 5s}
    parameters: {n: {type: integer}}
  broken:
    description: Depends on something that is away for long
    handler: sim.scripted
    breaker: {failure_ratio: 0.5, minimum: 10, window: 60s, open: 30s}
    retry: {max_attempts: 30, first: 1s, max: 1m}
    parameters: {n: {type: integer}}
  rare:
    description: Must be waited for
    handler: sim.scripted
    rate_limit: {rate: 1/m, burst: 1}
    parameters: {n: {type: integer}}
  paced:
    description: Must not be hurried
    handler: sim.scripted
    rate_limit: {rate: 2/s, burst: 1}
    parameters: {n: {type: integer}}
  file:
    description: Reads an object
    handler: sim.scripted
    parameters: {bucket: {type: string, required: true}, key: {type: string, required: true}}
";

static PARSED: LazyLock<Arc<Manifest>> = LazyLock::new(|| match Manifest::parse("simulation", MANIFEST) {
    Ok(manifest) => Arc::new(manifest),
    Err(error) => unreachable!("{error}"),
});

/// The bucket that batches and triggers are about.
pub const BUCKET: &str = "incoming";

/// The processes of a fleet.
#[derive(Debug, Clone)]
pub struct FleetPlan {
    /// Long-polling workers.
    pub pools: usize,
    /// Jobs that each works on at once.
    pub concurrency: u32,
    /// The functions' event source, if there are functions.
    pub mapping: Option<Mapping>,
    /// Milliseconds that clocks are off by, handed out in turn.
    pub skews_ms: Vec<i64>,
    /// Milliseconds until a process that died is started again.
    pub restart_ms: u64,
    /// Whether there is a planner, for batches.
    pub has_planner: bool,
    /// Processes that something happens to, within an hour.
    pub mishaps: u64,
}

impl FleetPlan {
    /// Two long-polling workers that work on four jobs each, with right clocks.
    pub fn pools() -> Self {
        Self {
            pools: 2,
            concurrency: 4,
            mapping: None,
            skews_ms: vec![0],
            restart_ms: 1_000,
            has_planner: true,
            mishaps: 0,
        }
    }

    /// Two sandboxes of the workers' function.
    pub fn functions() -> Self {
        Self { pools: 0, mapping: Some(Mapping::default()), ..Self::pools() }
    }

    fn skew_ms(&self, n: usize) -> i64 {
        self.skews_ms.get(n % self.skews_ms.len().max(1)).copied().unwrap_or(0)
    }
}

/// The manifest of every world.
pub fn manifest() -> Arc<Manifest> {
    Arc::clone(&PARSED)
}

/// The lane of every job here.
pub fn lane() -> QueueName {
    QueueName::Lane(Lane::default_lane())
}

/// What that lane gives up on.
pub fn dead() -> QueueName {
    QueueName::Dead(Lane::default_lane())
}

/// A dispatcher in a process.
pub fn dispatcher(process: &Process) -> Dispatcher {
    let mut dispatcher = Dispatcher::new(process.ports(), manifest(), process.clock(), process.entropy());
    dispatcher.objects = Some(Arc::new(process.clone()));
    dispatcher.new_objects = Some(Arc::new(process.clone()));
    dispatcher
}

/// A worker in a process.
///
/// # Panics
/// When the manifest's tools cannot be set up.
pub fn worker(process: &Process) -> Worker {
    let registry = Registry::default().with(ScriptedTool(process.clone()));
    let settings = ToolSettings::new("", &process.clock());
    let tools = Toolbox::build(&PARSED, &registry, &settings).unwrap();
    Worker::new(process.ports(), tools, process.clock(), process.entropy(), process.name())
}

/// Starts every process of the plan.
pub fn start(world: &Arc<World>, plan: &FleetPlan) {
    for n in 0..plan.pools {
        let concurrency = plan.concurrency;
        supervise(world, plan, n, "worker", move |process| {
            let switch = Switch::default();
            let serve =
                pool::serve(Arc::new(worker(&process)), Lane::default_lane(), concurrency, switch.stop());
            async move {
                serve.await;
                drop(switch);
            }
        });
    }
    if let Some(mapping) = &plan.mapping {
        mapping::start(world, plan, mapping);
        return;
    }
    supervise(world, plan, plan.pools, "burial", |process| async move {
        let switch = Switch::default();
        dead_letters::serve(&worker(&process), &Lane::default_lane(), &switch.stop()).await;
    });
    if plan.has_planner {
        supervise(world, plan, plan.pools + 1, "planner", |process| {
            plan::serve(dispatcher(&process), Arc::new(PathBuf::new()), std::future::pending())
        });
    }
}

/// Keeps a process running: whenever it dies, another one takes its place.
fn supervise<F>(
    world: &Arc<World>,
    plan: &FleetPlan,
    n: usize,
    name: &'static str,
    run: impl Fn(Process) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (world, skew_ms, restart_ms) = (Arc::clone(world), plan.skew_ms(n), plan.restart_ms);
    tokio::spawn(async move {
        for life in 0u32.. {
            let process = Process::start(&world, format!("{name}-{n}.{life}"), skew_ms);
            // Its tasks are not stopped when it dies: they get nowhere.
            tokio::spawn(run(process.clone()));
            process.died().await;
            tokio::time::sleep(Duration::from_millis(restart_ms)).await;
        }
    });
}
