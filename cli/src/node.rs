//! A whole fleet in this process: dispatcher, planner, workers and the HTTP API over one data directory.

use std::fs::{File, TryLockError};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use gantz_core::ids::{Lane, QueueName};
use gantz_core::manifest::Manifest;
use gantz_core::policy::Effects;
use gantz_core::ports::{JobQueue, Ports};
use gantz_dispatcher::http::{HttpSettings, router_with};
use gantz_dispatcher::{Dispatcher, plan};
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_workers::{Phase, Switch, Worker, dead_letters, pool};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::error::CliError;
use crate::project::Project;
use crate::{shell, tools};

/// How long running tools may go on after the first signal.
pub(crate) const DRAIN: Duration = Duration::from_secs(30);
/// Events in one answer.
const EVENTS_MAX: usize = 1_000;
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a process does for a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Everything.
    Fleet,
    /// Takes requests and plans batches, but runs no tools: for commands that are not there to run any. A worker would
    /// start what is queued, only to be stopped again when the command ends, and what may run only once would be in
    /// doubt.
    Desk,
}

/// A running fleet.
pub(crate) struct Node {
    pub(crate) embedded: Embedded,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) url: String,
    switch: Switch,
    /// What must end by itself: workers with their jobs, the planner, the dead-letter handlers.
    tasks: JoinSet<()>,
    /// What is simply dropped.
    services: JoinSet<()>,
    endpoint: PathBuf,
    _owner: File,
    /// How long jobs may still run when a command has done its own work.
    patience: Duration,
}

impl Node {
    /// Starts a fleet over the project's data directory, with its API on this port of loopback (0 for any). `None` if
    /// another process owns the directory.
    pub(crate) async fn start(
        project: &Project,
        manifest: Arc<Manifest>,
        duty: Duty,
        port: u16,
        backlog_max: Option<u64>,
    ) -> Result<Option<Self>, CliError> {
        let directory =
            Directory::create(&project.data_dir).map_err(|error| CliError::failed(error.to_string()))?;
        let owner = File::create(project.data_dir.join("owner"))?;
        match owner.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let endpoint = endpoint_file(&project.data_dir);
        if let Err(error) = std::fs::remove_file(&endpoint)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        let (clock, entropy) = (shell::clock(), shell::entropy());
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
            CliError::failed(format!("cannot listen on port {port}: {error}"))
                .hint("`gantz dev --port PORT` takes another one, 0 any that is free")
        })?;
        let embedded = Embedded::open(directory, clock.clone(), Settings::default())?;
        let ports = Ports::of(embedded.clone());
        let tools = tools::toolbox(project, &manifest, &clock)?;
        let mut dispatcher =
            Dispatcher::new(ports.clone(), Arc::clone(&manifest), clock.clone(), entropy.clone());
        dispatcher.backlog_max = backlog_max.unwrap_or(dispatcher.backlog_max);
        // Unique to this process, so that no two owners of a lease are ever alike.
        let name = format!("{:016x}", entropy.next());
        let worker = Arc::new(Worker::new(ports, tools, clock, entropy, name));

        let url = format!("http://{}", listener.local_addr()?);
        let mut node = Self {
            embedded,
            dispatcher,
            url,
            switch: Switch::default(),
            tasks: JoinSet::new(),
            services: JoinSet::new(),
            endpoint,
            _owner: owner,
            patience: if runs_anything_once(&manifest) { DRAIN } else { Duration::ZERO },
        };
        if duty == Duty::Fleet {
            node.staff(&worker, &manifest);
        }
        node.plan(&project.data_dir);
        node.serve(listener);
        publish(&node.endpoint, &node.url)?;
        tracing::info!(url = node.url, data_dir = %project.data_dir.display(), ?duty, "took the data directory");
        Ok(Some(node))
    }

    fn staff(&mut self, worker: &Arc<Worker>, manifest: &Manifest) {
        for (lane, spec) in manifest.lanes() {
            let (lane, concurrency) = (lane.clone(), spec.concurrency);
            self.tasks.spawn(pool::serve(Arc::clone(worker), lane.clone(), concurrency, self.switch.stop()));
            let (worker, stop) = (Arc::clone(worker), self.switch.stop());
            self.tasks.spawn(async move { dead_letters::serve(&worker, &lane, &stop).await });
        }
        self.services.spawn(sweep(self.embedded.clone()));
    }

    fn plan(&mut self, data_dir: &Path) {
        let (dispatcher, spared, stop) =
            (self.dispatcher.clone(), Arc::new(data_dir.to_owned()), self.switch.stop());
        self.tasks.spawn(async move { plan::serve(dispatcher, spared, stop.reached(Phase::Drain)).await });
    }

    fn serve(&mut self, listener: TcpListener) {
        let local = Router::new()
            .route("/dead-letters/{lane}/redrive", post(redrive))
            .route("/events", get(events))
            .with_state(self.embedded.clone());
        let api = router_with(self.dispatcher.clone(), HttpSettings::default(), local);
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
        if let Err(error) = std::fs::remove_file(&self.endpoint) {
            tracing::warn!(%error, "failed to remove the endpoint file");
        }
        tracing::info!("left the data directory");
    }

    /// Ends a fleet whose command has done its own work. Other jobs that run are handed back, which is no harm to those
    /// that may run again; if there are tools that may not, all may go on for a while, or until `hurry` completes.
    pub(crate) async fn finish(self, hurry: impl Future<Output = ()>) {
        let patience = self.patience;
        self.stop(patience, hurry).await;
    }

    /// Returns once the planner has nothing left to do at once.
    pub(crate) async fn planned(&self) -> Result<(), CliError> {
        loop {
            let depth = self.embedded.depth(&QueueName::Plan).await?;
            if depth.visible + depth.in_flight == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn runs_anything_once(manifest: &Manifest) -> bool {
    manifest.tools().any(|tool| tool.policy.effects == Effects::AtMostOnce)
}

/// Where a process that owns a data directory writes the address of its API.
pub(crate) fn endpoint_file(data_dir: &Path) -> PathBuf {
    data_dir.join("endpoint")
}

/// Writes a file whole: whoever reads it meanwhile finds all of it or nothing.
fn publish(path: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = path.with_extension("part");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(unfinished, path)
}

async fn all(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of the fleet ended badly");
        }
    }
}

async fn sweep(embedded: Embedded) {
    loop {
        if let Err(error) = embedded.sweep().await {
            tracing::warn!(%error, "failed to sweep");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

#[derive(Deserialize)]
struct Limit {
    limit: usize,
}

/// Which events.
#[derive(Deserialize)]
#[serde(default)]
struct Events {
    after: i64,
    limit: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self { after: 0, limit: EVENTS_MAX }
    }
}

/// The log of ends, from the event after `after` on. Whoever asks again with the last one's `seq` misses none.
async fn events(
    State(embedded): State<Embedded>,
    Query(Events { after, limit }): Query<Events>,
) -> Result<Json<Value>, (StatusCode, String)> {
    match embedded.view().events(after, limit.clamp(1, EVENTS_MAX)).await {
        Ok(events) => Ok(Json(json!({ "events": events }))),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

async fn redrive(
    State(embedded): State<Embedded>,
    UrlPath(lane): UrlPath<String>,
    Json(Limit { limit }): Json<Limit>,
) -> (StatusCode, String) {
    let lane = match Lane::try_new(lane) {
        Ok(lane) => lane,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()),
    };
    match embedded.redrive(&lane, limit).await {
        Ok(redriven) => (StatusCode::OK, json!({ "redriven": redriven }).to_string()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}
