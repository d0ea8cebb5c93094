//! This process's part of a fleet over one data directory: dispatcher and HTTP API; planner and workers, if it is to work.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gantz_aws::Objects;
use gantz_core::ids::{JobId, Lane};
use gantz_core::manifest::Manifest;
use gantz_core::policy::Effects;
use gantz_core::ports::Ports;
use gantz_dispatcher::http::{BearerToken, HttpSettings, WebOrigin, router_with};
use gantz_dispatcher::{Dispatcher, plan};
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_workers::totals::Totals;
use gantz_workers::{Phase, Switch, Worker, dead_letters, pool};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::error::CliError;
use crate::local::Measured;
use crate::project::Project;
use crate::{local, shell, tools};

/// How long running tools may go on after the first signal.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// A dispatcher of this project over its data directory.
pub(crate) fn dispatcher(project: &Project, embedded: &Embedded, manifest: Arc<Manifest>) -> Dispatcher {
    let (ports, objects) = (Ports::of(embedded.clone()), Objects::new(tools::session(project)));
    let dispatcher = Dispatcher::new(ports, manifest, shell::clock(), shell::entropy());
    Dispatcher { new_objects: Some(Arc::new(embedded.clone())), ..dispatcher.with_objects(objects) }
}

/// What this process does for a data directory: it takes requests, and works on what it is told to.
pub(crate) struct Node {
    pub(crate) embedded: Embedded,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) url: String,
    project: Project,
    manifest: Arc<Manifest>,
    switch: Switch,
    /// What must end by itself: workers with their jobs, the planner, the dead-letter handlers.
    tasks: JoinSet<()>,
    /// What is simply dropped.
    services: JoinSet<()>,
    /// What its workers measure, if anybody is to read it.
    totals: Option<Totals>,
}

/// Where only this machine can ask.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The API of a node.
pub(crate) struct Api {
    /// Where it listens.
    pub(crate) address: IpAddr,
    /// 0 for any that is free.
    pub(crate) port: u16,
    /// Other sites whose pages may ask.
    pub(crate) web_origins: Vec<WebOrigin>,
    /// What callers have to bring.
    pub(crate) token: Option<BearerToken>,
    /// Messages in a lane past which it refuses more; `None` for the usual bound.
    pub(crate) backlog_max: Option<u64>,
    /// Whether it has `GET /metrics`: workers then pay for what they measure.
    pub(crate) metrics: bool,
}

impl Default for Api {
    /// For this command's own use.
    fn default() -> Self {
        Self {
            address: LOOPBACK,
            port: 0,
            web_origins: Vec::new(),
            token: None,
            backlog_max: None,
            metrics: false,
        }
    }
}

impl Node {
    /// Joins those who share the project's data directory, with an API of its own.
    pub(crate) async fn start(
        project: &Project,
        manifest: Arc<Manifest>,
        Api { address, port, web_origins, token, backlog_max, metrics }: Api,
    ) -> Result<Self, CliError> {
        let listener = listen(address, port, "--port").await?;
        let embedded = join(project)?;
        let mut dispatcher = dispatcher(project, &embedded, Arc::clone(&manifest));
        dispatcher.backlog_max = backlog_max.unwrap_or(dispatcher.backlog_max);
        let url = format!("http://{}", listener.local_addr()?);
        let mut node = Self {
            embedded,
            dispatcher,
            url,
            project: project.clone(),
            manifest,
            switch: Switch::default(),
            tasks: JoinSet::new(),
            services: JoinSet::new(),
            totals: metrics.then(Totals::default),
        };
        node.serve(listener, HttpSettings { web_origins, token, ..door(address) });
        Ok(node)
    }

    /// From now on this process plans and runs whatever is queued, and forgets what has expired.
    pub(crate) async fn work(&mut self) -> Result<(), CliError> {
        let embedded = self.embedded.clone();
        self.services.spawn(sweep(embedded.clone()));
        self.hire(embedded).await
    }

    /// From now on this process plans and runs that job or batch, and nothing else.
    pub(crate) async fn work_on(&mut self, id: &JobId) -> Result<(), CliError> {
        self.hire(self.embedded.only(id.clone())).await
    }

    async fn hire(&mut self, embedded: Embedded) -> Result<(), CliError> {
        let lanes = self.manifest.lanes().map(|(lane, spec)| (lane.clone(), spec.concurrency)).collect();
        let worker = worker(&self.project, &self.manifest, Ports::of(embedded.clone()))?;
        let worker = Arc::new(match &self.totals {
            Some(totals) => worker.observed_by(totals.observer()),
            None => worker,
        });
        let (dispatcher, spared) = (self.dispatcher.clone(), self.project.data_dir.clone());
        let crew = Crew { embedded, worker, lanes, dispatcher, spared };
        crew.start(&mut self.tasks, &self.switch).await
    }

    /// Plans what there is of that batch to plan at once, so that its cancelled children are told.
    pub(crate) async fn plan(&self, id: &JobId) -> Result<(), CliError> {
        let ports = Ports::of(self.embedded.only(id.clone()));
        let dispatcher = Dispatcher { ports, ..self.dispatcher.clone() };
        Ok(plan::work_off(&dispatcher, &self.project.data_dir).await?)
    }

    fn serve(&mut self, listener: TcpListener, settings: HttpSettings) {
        let mut local = local::events(self.embedded.clone());
        if let Some(totals) = self.totals.clone() {
            let lanes = self.manifest.lanes().map(|(lane, _)| lane.clone()).collect();
            let (queue, accepted) = (Arc::new(self.embedded.clone()), Some(self.dispatcher.accepted.clone()));
            local = local.merge(local::metrics(Measured { totals, accepted, queue, lanes }));
        }
        let api = router_with(self.dispatcher.clone(), settings, local);
        let stop = self.switch.stop();
        self.services.spawn(async move {
            let until = async move { stop.reached(Phase::Drain).await };
            if let Err(error) = axum::serve(listener, api).with_graceful_shutdown(until).await {
                tracing::error!(%error, "the HTTP API stopped");
            }
        });
    }

    /// Stops: no new jobs; running ones may finish within `drain`, or until `hurry` completes; the rest is handed back.
    pub(crate) async fn stop(mut self, drain: Duration, hurry: impl Future<Output = ()>) {
        self.switch.set(Phase::Drain);
        tokio::select! {
            () = all(&mut self.tasks) => {}
            () = tokio::time::sleep(drain) => {}
            () = hurry => {}
        }
        self.switch.set(Phase::Abort);
        all(&mut self.tasks).await;
        self.services.shutdown().await;
    }

    /// Ends a command that has done its own work, or was told to stop. Where the manifest has tools that may run only
    /// once, what runs may go on for a while, or until `hurry` completes: broken off, it would be in doubt.
    pub(crate) async fn finish(self, hurry: impl Future<Output = ()>) {
        let once = self.manifest.tools().any(|tool| tool.policy.effects == Effects::AtMostOnce);
        self.stop(if once { DRAIN } else { Duration::ZERO }, hurry).await;
    }
}

/// How the door at that address behaves. Other machines call it by names that it does not know, and do not know this one's
/// files.
fn door(address: IpAddr) -> HttpSettings {
    let settings = HttpSettings::default();
    match address.is_loopback() {
        true => settings,
        false => HttpSettings { allowed_hosts: None, local_sources: false, ..settings },
    }
}

/// Listens on a port, which this option names.
pub(crate) async fn listen(address: IpAddr, port: u16, option: &str) -> Result<TcpListener, CliError> {
    TcpListener::bind((address, port)).await.map_err(|error| {
        let at = if address == LOOPBACK { String::new() } else { format!(" of {address}") };
        CliError::failed(format!("cannot listen on port {port}{at}: {error}"))
            .hint(format!("`{option} PORT` takes another one, 0 any that is free"))
    })
}

/// Joins those who share the project's data directory.
pub(crate) fn join(project: &Project) -> Result<Embedded, CliError> {
    let directory =
        Directory::create(&project.data_dir).map_err(|error| CliError::failed(error.to_string()))?;
    Ok(Embedded::open(directory, shell::clock(), Settings::default())?)
}

/// A worker with every tool of the manifest.
pub(crate) fn worker(project: &Project, manifest: &Manifest, ports: Ports) -> Result<Worker, CliError> {
    let (clock, entropy) = (shell::clock(), shell::entropy());
    let tools = tools::toolbox(project, manifest, &clock)?;
    // Unique to this process, so that no two owners of a lease are ever alike.
    let name = format!("{:016x}", entropy.next());
    // The rows of what it runs carry this name.
    tracing::info!(worker = name, "started");
    Ok(Worker::new(ports, tools, clock, entropy, name))
}

/// Who works on what a data directory queues.
pub(crate) struct Crew {
    /// What they receive from.
    pub(crate) embedded: Embedded,
    pub(crate) worker: Arc<Worker>,
    /// The lanes, and how many jobs of each may run at once.
    pub(crate) lanes: Vec<(Lane, u32)>,
    pub(crate) dispatcher: Dispatcher,
    /// The data directory, whose files no plan shall take for input.
    pub(crate) spared: PathBuf,
}

impl Crew {
    /// Starts workers, handlers of dead letters and a planner.
    pub(crate) async fn start(self, tasks: &mut JoinSet<()>, switch: &Switch) -> Result<(), CliError> {
        self.embedded.announce_work().await?;
        for (lane, concurrency) in self.lanes {
            tasks.spawn(pool::serve(Arc::clone(&self.worker), lane.clone(), concurrency, switch.stop()));
            let (worker, stop) = (Arc::clone(&self.worker), switch.stop());
            tasks.spawn(async move { dead_letters::serve(&worker, &lane, &stop).await });
        }
        let dispatcher = Dispatcher { ports: Ports::of(self.embedded), ..self.dispatcher };
        let (spared, stop) = (Arc::new(self.spared), switch.stop());
        tasks.spawn(async move { plan::serve(dispatcher, spared, stop.reached(Phase::Drain)).await });
        Ok(())
    }
}

async fn all(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of the fleet ended badly");
        }
    }
}

pub(crate) async fn sweep(embedded: Embedded) {
    loop {
        if let Err(error) = embedded.sweep().await
            && !error.is_said()
        {
            tracing::warn!(%error, "failed to sweep");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_name_its_files() {
        for (address, is_ours) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("127.8.8.8", true),
            ("0.0.0.0", false),
            ("192.0.2.1", false),
        ] {
            let door = door(address.parse().unwrap());
            assert_eq!((door.local_sources, door.allowed_hosts.is_some()), (is_ours, is_ours), "{address}");
        }
    }
}
