//! One of the processes: it says what it has done on its stdout, and does as its stdin says.
//!
//! It reports once when it is ready. A line on stdin lets it work, and it reports whenever something has changed. The end of
//! stdin lets it finish what it has begun and report for the last time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use gantz_core::ports::Ports;
use gantz_testkit::counted_limits::{CountedLimits, Counts};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use crate::emulated;
use crate::fleet::Fleet;

type Failure = Box<dyn std::error::Error>;

const REPORT_EVERY: Duration = Duration::from_millis(2);

/// Where the fleet's state is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In a data directory.
    Directory(PathBuf),
    /// In DynamoDB and SQS, emulated at this address.
    Emulator(String),
}

/// What the process is told when it is started.
#[derive(Args)]
pub(crate) struct Options {
    #[arg(long, required_unless_present = "emulator", conflicts_with = "emulator")]
    directory: Option<PathBuf>,
    #[arg(long)]
    emulator: Option<String>,
    #[arg(long)]
    rate: u32,
    #[arg(long)]
    concurrency: u32,
}

/// What one process has done so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Jobs that it has ended.
    pub(crate) ended: u64,
    /// Writes of the limit's row.
    pub(crate) grants: usize,
}

impl Place {
    pub(crate) async fn connect(&self) -> Result<Ports, Failure> {
        match self {
            Self::Directory(folder) => Fleet::embedded(folder),
            Self::Emulator(endpoint) => Ok(emulated::connect_to(endpoint).await),
        }
    }
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let place = match (options.directory, options.emulator) {
        (Some(folder), _) => Place::Directory(folder),
        (None, Some(endpoint)) => Place::Emulator(endpoint),
        (None, None) => return Err("there is neither a directory nor an emulator".into()),
    };
    let counts = Arc::new(Counts::default());
    let mut ports = place.connect().await?;
    ports.limits = Arc::new(CountedLimits::new(ports.limits, Arc::clone(&counts)));
    let fleet = Fleet::over(ports, &std::env::temp_dir(), &super::policy(options.rate))?;
    let report = || Report { ended: fleet.ended.load(Ordering::Relaxed), grants: counts.grants() };
    let mut told = BufReader::new(stdin()).lines();

    say(&report())?;
    if told.next_line().await?.is_some() {
        let working = fleet.work(options.concurrency);
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        let mut said = Report::default();
        let stopped = told.next_line();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                line = &mut stopped => break line.map(drop)?,
                _ = ticks.tick() => {
                    let now = report();
                    if now != said {
                        say(&now)?;
                        said = now;
                    }
                }
            }
        }
        working.stop().await?;
    }
    say(&report())
}

#[expect(clippy::print_stdout, reason = "its parent reads it")]
fn say(report: &Report) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}
