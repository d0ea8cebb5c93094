//! `gantz worker`: works on what is queued, on this machine or in a stack, until it is told to stop.
//!
//! On this machine any number of them share a data directory. In a stack heartbeats keep jobs of any length, which
//! functions could not run. Either way what is running when the process is told to stop is finished or handed back.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gantz_core::host::Clock;
use gantz_core::ids::Lane;
use gantz_core::manifest::Manifest;
use gantz_core::ports::{JobQueue, Ports};
use gantz_workers::metrics::{Meter, Observer, embedded_metrics};
use gantz_workers::totals::Totals;
use gantz_workers::{Phase, Switch, pool};
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};

use super::{Outcome, find_lane};
use crate::error::{CliError, INTERRUPTED};
use crate::local::{self, Measured};
use crate::node::{self, Crew, LOOPBACK};
use crate::project::Project;
use crate::signals::{Asked, Signals};
use crate::{shell, stack, tools, view};

/// How often metrics are written: CloudWatch's own finest grain is a minute unless one pays for more.
const METRICS_EVERY: Duration = Duration::from_secs(20);

/// How to work.
pub(super) struct Options {
    /// The lanes' names; none for all.
    pub(super) lanes: Vec<String>,
    /// Jobs at once in each lane, instead of the manifest's.
    pub(super) concurrency: Option<u32>,
    /// How long running jobs may go on once the process is told to stop. What stops it has its own patience, 30 seconds
    /// mostly, and handing back takes some of it.
    pub(super) drain: Duration,
    /// Whether to write metrics.
    pub(super) metrics: bool,
    /// Where to serve them, on loopback.
    pub(super) metrics_port: Option<u16>,
}

pub(super) async fn run(project: &Project, options: Options) -> Outcome {
    let manifest = project.manifest()?;
    let chosen = choose(&manifest, &options.lanes, options.concurrency)?;
    let mut signals = Signals::listen()?;
    let (clock, switch) = (shell::clock(), Switch::default());
    let meter = options.metrics.then(Meter::default);
    let scraped = match options.metrics_port {
        Some(port) => Some(Scraped::listen(port).await?),
        None => None,
    };
    let hired = |ports| {
        let observers = [meter.as_ref().map(Meter::observer), scraped.as_ref().map(|s| s.totals.observer())];
        let worker = node::worker(project, &manifest, ports)?;
        Ok::<_, CliError>(Arc::new(match observers.into_iter().flatten().reduce(Observer::and) {
            Some(observer) => worker.observed_by(observer),
            None => worker,
        }))
    };
    let mut pools = JoinSet::new();
    // What is simply dropped at the end.
    let mut services = JoinSet::new();
    let queue: Arc<dyn JobQueue>;
    let place = if let Some(name) = &project.stack {
        let ports = stack::connect(&project.aws, name).await?.ports;
        queue = Arc::clone(&ports.queue);
        let worker = hired(ports)?;
        for (lane, jobs) in &chosen {
            pools.spawn(pool::serve(Arc::clone(&worker), lane.clone(), *jobs, switch.stop()));
        }
        format!("for `{name}`")
    } else {
        let embedded = node::join(project)?;
        let ports = Ports::of(embedded.clone());
        queue = Arc::clone(&ports.queue);
        services.spawn(node::sweep(embedded.clone()));
        let (worker, lanes, spared) = (hired(ports)?, chosen.clone(), project.data_dir.clone());
        let dispatcher = node::dispatcher(project, &embedded, Arc::clone(&manifest));
        Crew { embedded, worker, lanes, dispatcher, spared }.start(&mut pools, &switch).await?;
        format!("in {}", project.data_dir.display())
    };
    tools::warn_of_missing(project, &manifest, None)?;
    let said: Vec<String> = chosen.iter().map(|(lane, jobs)| format!("{lane} ({jobs} at once)")).collect();
    if let Some(scraped) = scraped {
        view::note(&format!("metrics are at {}", scraped.url));
        services.spawn(scraped.serve(queue, chosen.iter().map(|(lane, _)| lane.clone()).collect()));
    }
    view::note(&format!("working {place} on {}; Ctrl-C stops", said.join(", ")));
    let end = tokio::select! {
        end = until_told(&mut pools, signals.asked()) => end,
        never = report(meter.as_ref(), &clock) => match never {},
    };
    let seconds = options.drain.as_secs();
    view::note(&format!("stopping: running jobs may finish for {seconds} s; Ctrl-C again stops them now"));
    switch.set(Phase::Drain);
    let drained = tokio::select! {
        drained = all(&mut pools) => drained,
        () = tokio::time::sleep(options.drain) => Ok(()),
        () = signals.next() => Ok(()),
    };
    switch.set(Phase::Abort);
    let handed_back = all(&mut pools).await;
    write_out(meter.as_ref(), &clock);
    let asked = end?;
    drained.and(handed_back)?;
    Ok(match asked {
        Asked::Interrupt => ExitCode::from(INTERRUPTED),
        // Whoever runs the process asked for this, and got it.
        Asked::Terminate => ExitCode::SUCCESS,
    })
}

/// Metrics for who comes to read them.
struct Scraped {
    listener: TcpListener,
    url: String,
    totals: Totals,
}

impl Scraped {
    async fn listen(port: u16) -> Result<Self, CliError> {
        let listener = node::listen(LOOPBACK, port, "--metrics-port").await?;
        let url = format!("http://{}/metrics", listener.local_addr()?);
        Ok(Self { listener, url, totals: Totals::default() })
    }

    async fn serve(self, queue: Arc<dyn JobQueue>, lanes: Vec<Lane>) {
        let measured = Measured { totals: self.totals, accepted: None, queue, lanes };
        if let Err(error) = axum::serve(self.listener, local::metrics(measured)).await {
            tracing::error!(%error, "nobody serves metrics any more");
        }
    }
}

/// Returns when somebody asks to stop, or with an error when a pool has ended, which none does by itself: a process that
/// no longer works shall not look as if it did.
async fn until_told(pools: &mut JoinSet<()>, asked: impl Future<Output = Asked>) -> Result<Asked, CliError> {
    tokio::select! {
        asked = asked => Ok(asked),
        Some(ended) = pools.join_next() => Err(ended.err().map_or_else(
            || CliError::failed("a pool of workers ended by itself"),
            |error| broken(&error),
        )),
    }
}

/// Waits for all pools, also where some end badly.
async fn all(pools: &mut JoinSet<()>) -> Result<(), CliError> {
    let mut outcome = Ok(());
    while let Some(ended) = pools.join_next().await {
        outcome = outcome.and(ended.map_err(|error| broken(&error)));
    }
    outcome
}

fn broken(error: &JoinError) -> CliError {
    CliError::failed(format!("a pool of workers broke down: {error}"))
        .hint("its jobs come back to their queue when their leases end; the log above says what happened")
}

/// Writes what was measured, again and again.
async fn report(meter: Option<&Meter>, clock: &Clock) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(METRICS_EVERY).await;
        write_out(meter, clock);
    }
}

fn write_out(meter: Option<&Meter>, clock: &Clock) {
    let Some(meter) = meter else { return };
    let mut out = std::io::stdout().lock();
    let lines = embedded_metrics(&meter.take(), clock.now_ms());
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
    if let Err(error) = written {
        tracing::warn!(%error, "failed to write metrics");
    }
}

/// The lanes to work for, and how many jobs each may run at once.
fn choose(
    manifest: &Manifest,
    lanes: &[String],
    concurrency: Option<u32>,
) -> Result<Vec<(Lane, u32)>, CliError> {
    for name in lanes {
        find_lane(manifest, name)?;
    }
    let wanted = |lane: &Lane| lanes.is_empty() || lanes.iter().any(|name| name == lane.as_str());
    let chosen = manifest.lanes().filter(|(lane, _)| wanted(lane));
    Ok(chosen.map(|(lane, spec)| (lane.clone(), concurrency.unwrap_or(spec.concurrency))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pool_that_breaks_down_ends_the_process_with_an_error() {
        let mut pools = JoinSet::new();
        pools.spawn(std::future::pending());
        pools.spawn(async { unreachable!("a pool that panics") });
        let end = until_told(&mut pools, std::future::pending()).await;
        let error = end.expect_err("nobody asked").to_string();
        assert!(error.contains("broke down") && error.contains("a pool that panics"), "{error}");
    }

    #[tokio::test]
    async fn pools_at_work_wait_for_a_signal() {
        let mut pools = JoinSet::new();
        pools.spawn(std::future::pending());
        let end = until_told(&mut pools, std::future::ready(Asked::Terminate)).await;
        assert_eq!(end.ok(), Some(Asked::Terminate));
    }

    #[tokio::test]
    async fn all_are_waited_for_though_one_breaks_down() {
        let mut pools = JoinSet::new();
        let (done, ended) = tokio::sync::oneshot::channel();
        pools.spawn(async { unreachable!("a pool that panics") });
        pools.spawn(async {
            tokio::task::yield_now().await;
            done.send(()).ok();
        });
        assert!(all(&mut pools).await.is_err());
        assert_eq!(ended.await, Ok(()));
    }
}
