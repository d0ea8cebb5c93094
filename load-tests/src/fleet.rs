//! A fleet with a tool that does nothing: the embedded one as `gantz dev` runs it, or one over other ports.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gantz_core::admit::Origin;
use gantz_core::ids::Lane;
use gantz_core::manifest::Manifest;
use gantz_core::outcome::Outcome;
use gantz_core::ports::Ports;
use gantz_core::tool::{Call, Tool};
use gantz_dispatcher::Dispatcher;
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_workers::metrics::{Measure, Observer};
use gantz_workers::{Phase, Registry, Switch, ToolSettings, Toolbox, Worker, machine, pool};
use serde_json::Value;
use tokio::task::JoinHandle;

/// A manifest with one tool, less its policy.
const MANIFEST: &str = "
name: load-test
version: 1.0.0
tools:
  noop:
    description: Does nothing.
    handler: test.noop
    parameters: {n: {type: integer}}
";

type Failure = Box<dyn std::error::Error>;

struct Noop;

impl Tool for Noop {
    const HANDLER: &'static str = "test.noop";
    type Parameters = Value;

    async fn run(&self, _call: Call<Value>) -> Outcome {
        Outcome::Done(Value::Null)
    }
}

pub(crate) const ORIGIN: Origin = Origin { source: "load-test", occurrence: None };

pub(crate) struct Fleet {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) ports: Ports,
    /// Jobs that its workers have ended.
    pub(crate) ended: Arc<AtomicU64>,
    worker: Arc<Worker>,
}

/// Workers that run until this is told to stop.
pub(crate) struct Working {
    switch: Switch,
    pool: JoinHandle<()>,
}

impl Fleet {
    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        Self::over(Self::embedded(dir)?, dir, "")
    }

    /// The ports of a data directory.
    pub(crate) fn embedded(dir: &Path) -> Result<Ports, Failure> {
        let embedded = Embedded::open(Directory::create(dir)?, machine::clock(), Settings::default())?;
        Ok(Ports::of(embedded))
    }

    /// A fleet whose tool has this policy, a line of the manifest.
    pub(crate) fn over(ports: Ports, dir: &Path, policy: &str) -> Result<Self, Failure> {
        let (clock, entropy) = (machine::clock(), machine::entropy());
        let manifest = Arc::new(Manifest::parse("load-test", &format!("{MANIFEST}    {policy}\n"))?);
        let settings = ToolSettings::new(dir, &clock);
        let tools = Toolbox::build(&manifest, &Registry::default().with(Noop), &settings)?;
        let dispatcher = Dispatcher::new(ports.clone(), manifest, clock.clone(), entropy.clone());
        let ended = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&ended);
        let observer = Observer::new(move |measure| {
            if matches!(measure, Measure::Finished { .. }) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let worker = Worker::new(ports.clone(), tools, clock, entropy, "load-test").observed_by(observer);
        Ok(Self { dispatcher, ports, ended, worker: Arc::new(worker) })
    }

    pub(crate) fn work(&self, concurrency: u32) -> Working {
        let switch = Switch::default();
        let lane = Lane::default_lane();
        let pool = tokio::spawn(pool::serve(self.worker.clone(), lane, concurrency, switch.stop()));
        Working { switch, pool }
    }
}

impl Working {
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.switch.set(Phase::Drain);
        Ok(self.pool.await?)
    }
}
