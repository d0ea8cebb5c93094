//! The fleet's rate limit: several workers on one data directory, or on an emulator of AWS, that share it, at the rate they
//! keep and at the writes that it takes them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Table, presets};
use gantz_testkit::counted_limits::{CountedLimits, Counts};

use crate::emulated::Emulator;
use crate::fleet::Fleet;
use crate::single_node::submit_all;

type Failure = Box<dyn std::error::Error>;

/// How the limit is tried.
#[derive(Args)]
pub(crate) struct Options {
    /// Over DynamoDB and SQS, of an emulator, which sets a pace of its own.
    #[arg(long)]
    emulated: bool,
    /// Workers, each with connections of its own.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    workers: u32,
    /// Calls a second that they share.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Seconds that their jobs last at that rate.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Jobs that each worker runs at once.
    #[arg(long, default_value_t = 16)]
    concurrency: u32,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
pub(crate) async fn run(dir: &Path, options: &Options) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    let scratch = tempfile::tempdir_in(dir)?;
    let policy = format!("rate_limit: {{rate: {}/s, scope: fleet}}", options.rate);
    let counts = Arc::new(Counts::default());
    let emulator = if options.emulated { Some(Emulator::start().await?) } else { None };
    let mut fleets = Vec::new();
    for _ in 0..options.workers {
        let mut ports = match &emulator {
            Some(emulator) => emulator.connect().await,
            None => Fleet::embedded(scratch.path())?,
        };
        ports.limits = Arc::new(CountedLimits::new(ports.limits, counts.clone()));
        fleets.push(Fleet::over(ports, scratch.path(), &policy)?);
    }
    let Some(first) = fleets.first() else { return Err("there are no workers".into()) };
    let jobs = options.rate * options.seconds;
    submit_all(first, jobs, 64).await?;
    let started = Instant::now();
    let working: Vec<_> = fleets.iter().map(|fleet| fleet.work(options.concurrency)).collect();
    until_ended(&fleets, jobs.into()).await;
    let took = started.elapsed();
    for working in working {
        working.stop().await?;
    }
    let rate = f64::from(jobs) / took.as_secs_f64();
    let writes_per_job = counts.grants() as f64 / f64::from(jobs);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "WORKERS",
        "JOBS",
        "LIMIT /s",
        "RATE /s",
        "WRITES A JOB",
    ]);
    table.add_row([
        options.workers.to_string(),
        jobs.to_string(),
        options.rate.to_string(),
        format!("{rate:.1}"),
        format!("{writes_per_job:.3}"),
    ]);
    println!("{table}");
    Ok(())
}

/// Waits until the workers of all have ended so many jobs.
async fn until_ended(fleets: &[Fleet], jobs: u64) {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    while fleets.iter().map(|fleet| fleet.ended.load(Ordering::Relaxed)).sum::<u64>() < jobs {
        ticks.tick().await;
    }
}
