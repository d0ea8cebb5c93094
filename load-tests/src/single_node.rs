//! No-op jobs on one machine: drained from a backlog, submitted and worked at once, and one at a time.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Table, presets};
use gantz_core::ids::{JobId, Lane, QueueName};
use gantz_core::spec::JobSpec;
use serde_json::json;

use crate::ceiling::raw_sqlite;
use crate::fleet::{Fleet, ORIGIN};

type Failure = Box<dyn std::error::Error>;

#[derive(Args)]
pub(crate) struct Options {
    /// Jobs of each throughput run.
    #[arg(long, default_value_t = 100_000)]
    jobs: u32,
    /// Jobs that run at once.
    #[arg(long, default_value_t = 256)]
    concurrency: u32,
    /// Submissions in flight at once.
    #[arg(long, default_value_t = 256)]
    submitters: u32,
    /// Seconds of the latency run, at 50 jobs a second.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Times each figure is measured; the median is shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

pub(crate) async fn run(dir: &Path, options: &Options) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
    let mut note = |name: &str, value: f64| match rows.iter_mut().find(|(known, _)| known == name) {
        Some((_, values)) => values.push(value),
        None => rows.push((name.to_owned(), vec![value])),
    };
    for _ in 0..options.runs {
        for group in [100, 10, 1] {
            let scratch = tempfile::tempdir_in(dir)?;
            let jobs = options.jobs.min(group * 1_000);
            note(
                &format!("raw SQLite, 3 row writes a job, commits of {group}: jobs/s"),
                raw_sqlite(scratch.path(), jobs, group)?,
            );
        }
        note("drained: jobs/s", drained(dir, options).await?);
        note("submitted and worked at once: jobs/s", at_once(dir, options).await?);
        let mut waits = latency(dir, options).await?;
        waits.sort_by(f64::total_cmp);
        note("submit to outcome at 50 jobs/s, p50: ms", quantile(&waits, 0.50));
        note("submit to outcome at 50 jobs/s, p99: ms", quantile(&waits, 0.99));
    }
    print(&rows);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn drained(dir: &Path, options: &Options) -> Result<f64, Failure> {
    let scratch = tempfile::tempdir_in(dir)?;
    let fleet = Fleet::open(scratch.path())?;
    submit_all(&fleet, options.jobs, options.submitters).await?;
    let started = Instant::now();
    let working = fleet.work(options.concurrency);
    until_drained(&fleet).await?;
    let took = started.elapsed();
    working.stop().await?;
    Ok(f64::from(options.jobs) / took.as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn at_once(dir: &Path, options: &Options) -> Result<f64, Failure> {
    let scratch = tempfile::tempdir_in(dir)?;
    let fleet = Fleet::open(scratch.path())?;
    let working = fleet.work(options.concurrency);
    let started = Instant::now();
    submit_all(&fleet, options.jobs, options.submitters).await?;
    until_drained(&fleet).await?;
    let took = started.elapsed();
    working.stop().await?;
    Ok(f64::from(options.jobs) / took.as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn latency(dir: &Path, options: &Options) -> Result<Vec<f64>, Failure> {
    let scratch = tempfile::tempdir_in(dir)?;
    let fleet = Fleet::open(scratch.path())?;
    let working = fleet.work(options.concurrency);
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut waits = Vec::new();
    for n in 0..options.seconds * 50 {
        ticks.tick().await;
        let started = Instant::now();
        let job = fleet.dispatcher.submit(spec(n), &ORIGIN).await?.record;
        outcome(&fleet, &job.id, job.updated_at_ms).await?;
        waits.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    working.stop().await?;
    Ok(waits)
}

async fn outcome(fleet: &Fleet, id: &JobId, mut seen_ms: u64) -> Result<(), Failure> {
    loop {
        let row = fleet.ports.jobs.changed(id, seen_ms, 10_000).await?.ok_or("the job is gone")?;
        if row.is_finished() {
            return Ok(());
        }
        seen_ms = row.updated_at_ms;
    }
}

/// Submits so many jobs, some at once.
pub(crate) async fn submit_all(fleet: &Fleet, jobs: u32, submitters: u32) -> Result<(), Failure> {
    let share = jobs.div_ceil(submitters).max(1);
    let mut tasks = tokio::task::JoinSet::new();
    for first in (0..jobs).step_by(share as usize) {
        let dispatcher = fleet.dispatcher.clone();
        let last = (first + share).min(jobs);
        tasks.spawn(async move {
            for n in first..last {
                dispatcher.submit(spec(n), &ORIGIN).await?;
            }
            Ok::<_, gantz_dispatcher::SubmitError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// A message is deleted after its job's outcome is recorded and published, so an empty queue says that all is done.
pub(crate) async fn until_drained(fleet: &Fleet) -> Result<(), Failure> {
    let queue = QueueName::Lane(Lane::default_lane());
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    loop {
        ticks.tick().await;
        let depth = fleet.ports.queue.depth(&queue).await?;
        if depth.visible + depth.in_flight + depth.delayed == 0 {
            return Ok(());
        }
    }
}

fn spec(n: u32) -> JobSpec {
    JobSpec::new("noop", json!({ "n": n }))
}

/// The value below which that share lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index into a short list"
    )]
    let index = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(rows: &[(String, Vec<f64>)]) {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(["figure", "min", "median", "max"]);
    for (name, values) in rows {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let cells = [0.0, 0.5, 1.0].map(|share| shown(quantile(&sorted, share)));
        table.add_row(std::iter::once(name.clone()).chain(cells));
    }
    println!("{table}");
}

fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
