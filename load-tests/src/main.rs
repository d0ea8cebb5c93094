//! Measures Gantz on this machine, and what bounds it, in one run.
//!
//! `cargo run --release -p gantz-load-tests -- single-node`, `-- scale`, `-- rate` or `-- agent`, and after `cargo build --release --bins`
//! `target/release/gantz-load-tests cold-start` and `target/release/gantz-load-tests startup`.

mod agent;
mod ceiling;
mod cold_start;
mod emulated;
mod fleet;
mod rate;
mod scale;
mod single_node;
mod startup;
mod usage;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures Gantz on this machine, and what bounds it, in one run.
#[derive(Parser)]
struct Arguments {
    /// Where data directories are made; the file system is part of what is measured.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// No-op jobs on one machine, flushed to disk at every commit: throughput and latency, beside raw SQLite.
    SingleNode(single_node::Options),
    /// Batches of growing size: time, bytes written and memory, while they are planned and while they are worked off.
    Scale(scale::Options),
    /// A rate limit of the fleet: what several workers make of it, and the writes that it takes.
    Rate(rate::Options),
    /// One of the workers of `rate`.
    #[command(hide = true)]
    RateWorker(rate::worker::Options),
    /// A quick tool called over MCP, beside a server of the same SDK without jobs.
    Agent(agent::Options),
    /// The functions' programs: their sizes, and their starts beside that of a function that does nothing.
    ColdStart(cold_start::Options),
    /// The command itself: how long it takes to start and to answer.
    Startup(startup::Options),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    match arguments.scenario {
        Scenario::SingleNode(options) => single_node::run(&arguments.dir, &options).await,
        Scenario::Scale(options) => scale::run(&arguments.dir, &options).await,
        Scenario::Rate(options) => rate::run(&arguments.dir, &options).await,
        Scenario::RateWorker(options) => rate::worker::run(options).await,
        Scenario::Agent(options) => agent::run(&arguments.dir, &options).await,
        Scenario::ColdStart(options) => cold_start::run(&options).await,
        Scenario::Startup(options) => startup::run(&arguments.dir, &options).await,
    }
}
