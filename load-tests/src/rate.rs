//! The fleet's rate limit: several worker processes on one data directory, or on an emulator of AWS, that share it, at the
//! rate they keep and at the writes that it takes them.

mod crew;
pub(crate) mod worker;

use std::path::Path;
use std::time::Instant;

use clap::Args;
use comfy_table::{Table, presets};

use self::crew::Crew;
use self::worker::Place;
use crate::emulated::Emulator;
use crate::fleet::Fleet;
use crate::single_node::submit_all;

type Failure = Box<dyn std::error::Error>;

/// Submissions in flight at once.
const SUBMITTERS: u32 = 64;

/// How the limit is tried.
#[derive(Args)]
pub(crate) struct Options {
    /// Over DynamoDB and SQS, of an emulator, which sets a pace of its own.
    #[arg(long)]
    emulated: bool,
    /// Workers, each a process.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    workers: u32,
    /// Calls a second that they share.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Seconds that their jobs last at that rate.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Jobs that each worker runs at once.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
pub(crate) async fn run(dir: &Path, options: &Options) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    let scratch = tempfile::tempdir_in(dir)?;
    let emulator = if options.emulated { Some(Emulator::start().await?) } else { None };
    let place = match &emulator {
        Some(emulator) => Place::Emulator(emulator.endpoint().to_owned()),
        None => Place::Directory(scratch.path().to_owned()),
    };
    let policy = policy(options.rate);
    let jobs = options.rate * options.seconds;
    submit_all(&Fleet::over(place.connect().await?, scratch.path(), &policy)?, jobs, SUBMITTERS).await?;

    let mut crew = Crew::start(options.workers, &place, options.rate, options.concurrency).await?;
    let started = Instant::now();
    crew.go().await?;
    crew.until_ended(jobs.into()).await?;
    let took = started.elapsed();
    let (ended, grants) = crew.stop().await?;

    let mut table = Table::new();
    let header = ["PROCESSES", "JOBS", "JOBS OF EACH", "LIMIT /s", "RATE /s", "WRITES A JOB"];
    table.load_style(presets::ASCII_MARKDOWN).set_header(header);
    let (least, most) = (ended.iter().min().copied(), ended.iter().max().copied());
    table.add_row([
        options.workers.to_string(),
        jobs.to_string(),
        format!("{} to {}", least.unwrap_or_default(), most.unwrap_or_default()),
        options.rate.to_string(),
        format!("{:.1}", f64::from(jobs) / took.as_secs_f64()),
        format!("{:.3}", grants as f64 / f64::from(jobs)),
    ]);
    println!("{table}");
    Ok(())
}

/// The tool's limit, as a manifest has it.
fn policy(rate: u32) -> String {
    format!("rate_limit: {{rate: {rate}/s, scope: fleet}}")
}
