//! Batches of growing size: what a child costs must not depend on how many there are.
//!
//! Each batch is planned first, and worked off after, so that each half has figures of its own.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Table, presets};
use gantz_core::admit_batch::BatchSpec;
use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_dispatcher::plan;
use serde_json::json;

use crate::fleet::{Fleet, ORIGIN};
use crate::usage::Usage;

type Failure = Box<dyn std::error::Error>;

/// Which batches are tried.
#[derive(Args)]
pub(crate) struct Options {
    /// Children of each batch, one after the other.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    children: Vec<u32>,
    /// Jobs that run at once.
    #[arg(long, default_value_t = 256)]
    concurrency: u32,
}

/// One half of a batch's life.
struct Phase {
    took: Duration,
    used: Usage,
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
pub(crate) async fn run(dir: &Path, options: &Options) -> Result<(), Failure> {
    fs::create_dir_all(dir)?;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "CHILDREN",
        "PHASE",
        "SECONDS",
        "µs A CHILD",
        "CPU µs A CHILD",
        "KiB WRITTEN A CHILD",
        "PEAK MEMORY MiB",
    ]);
    for &children in &options.children {
        let [planned, worked] = batch_of(dir, children, options.concurrency).await?;
        table.add_row(row(children, "planned", &planned));
        table.add_row(row(children, "worked off", &worked));
    }
    println!("{table}");
    Ok(())
}

/// Plans a batch of so many children without workers, then works it off.
async fn batch_of(dir: &Path, children: u32, concurrency: u32) -> Result<[Phase; 2], Failure> {
    let scratch = tempfile::tempdir_in(fs::canonicalize(dir)?)?;
    let lines = scratch.path().join("children.jsonl");
    write_lines(&lines, children)?;
    let fleet = Fleet::open(&scratch.path().join("data"))?;
    let spec: BatchSpec = serde_json::from_value(json!({ "tool": "noop", "jsonl": lines }))?;
    let id = fleet.dispatcher.submit_batch(spec, &ORIGIN).await?.record.id;

    let planning = measured(plan::work_off(&fleet.dispatcher, scratch.path()));
    let planned = planning.await?;
    let working = fleet.work(concurrency);
    let worked = measured(until_ended(&fleet, &id, children)).await?;
    working.stop().await?;
    Ok([planned, worked])
}

fn write_lines(path: &Path, children: u32) -> std::io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    for n in 0..children {
        writeln!(file, "{{\"n\": {n}}}")?;
    }
    file.flush()
}

/// Waits for the batch's end, which must be that all its children succeeded.
async fn until_ended(fleet: &Fleet, id: &JobId, children: u32) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        ticks.tick().await;
        let progress = fleet.ports.batches.progress(id).await?.ok_or("the batch is gone")?;
        let batch = progress.batch;
        if !batch.status.is_terminal() {
            continue;
        }
        if batch.status != JobStatus::Succeeded || batch.counts.succeeded != children {
            return Err(
                format!("the batch of {children} ended {:?} with {:?}", batch.status, batch.counts).into()
            );
        }
        return Ok(());
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn measured<E: Into<Failure>>(work: impl Future<Output = Result<(), E>>) -> Result<Phase, Failure> {
    let before = Usage::from_here()?;
    let started = Instant::now();
    work.await.map_err(Into::into)?;
    Ok(Phase { took: started.elapsed(), used: Usage::since(&before)? })
}

fn row(children: u32, name: &str, phase: &Phase) -> [String; 7] {
    let each = |whole: f64| whole / f64::from(children.max(1));
    let Phase { took, used } = phase;
    [
        children.to_string(),
        name.to_owned(),
        format!("{:.2}", took.as_secs_f64()),
        format!("{:.0}", each(took.as_secs_f64() * 1e6)),
        format!("{:.0}", each(used.cpu.as_secs_f64() * 1e6)),
        format!("{:.2}", each(used.written_bytes as f64 / 1024.0)),
        format!("{:.0}", used.peak_bytes as f64 / 1024.0 / 1024.0),
    ]
}
