//! How long a command takes from the start of its process to its end: what a shell, a script or an agent pays for each.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::Table;
use tokio::process::Command;

const MANIFEST: &str = "
name: startup
version: 1.0.0
tools:
  say:
    description: Say something
    handler: command
    command: {program: echo, args: ['{n}'], output: text}
    parameters:
      n: {type: integer, required: true}
";

/// The job that is looked up, among others.
const JOB: &str = "startup-batch.0000000";

/// How starts are measured.
#[derive(Args)]
pub(crate) struct Options {
    /// The program; the `gantz` beside this program unless given.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Starts of each command, taken in turns.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
    /// Jobs in the data directory.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
pub(crate) async fn run(dir: &Path, options: &Options) -> Result<(), Box<dyn Error>> {
    let own = std::env::current_exe()?;
    let beside = own.parent().ok_or("this program lies in no folder")?.join("gantz");
    let gantz = options.program.as_deref().unwrap_or(&beside);
    std::fs::create_dir_all(dir)?;
    let project = tempfile::tempdir_in(dir)?;
    std::fs::write(project.path().join("gantz.yaml"), MANIFEST)?;
    let lines: String = (0..options.jobs).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    std::fs::write(project.path().join("lines.jsonl"), lines)?;
    let batch = ["batch", "say", "--jsonl", "lines.jsonl", "--id", "startup-batch"];
    once(gantz, &batch, project.path()).await?;

    let commands: [(&Path, &[&str]); 4] = [
        // What starting any process takes here.
        (Path::new("true"), &[]),
        (gantz, &["--version"]),
        (gantz, &["status", JOB]),
        (gantz, &["status", "startup-batch"]),
    ];
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..options.starts {
        for ((program, words), times) in commands.iter().zip(&mut times) {
            times.push(once(program, words, project.path()).await?);
        }
    }
    let mut table = Table::new();
    table.set_header(["COMMAND", "MIN ms", "MEDIAN ms", "P90 ms"]);
    for ((program, words), times) in commands.iter().zip(&mut times) {
        times.sort();
        let name = program.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let figures = [0, 50, 90].map(|percent| format!("{:.1}", quantile(times, percent)));
        let name = std::iter::once(name.as_ref()).chain(words.iter().copied()).collect::<Vec<_>>().join(" ");
        table.add_row(std::iter::once(name).chain(figures));
    }
    println!("{table}");
    Ok(())
}

/// One run of a command, which must succeed.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn once(program: &Path, words: &[&str], project: &Path) -> Result<Duration, Box<dyn Error>> {
    let mut command = Command::new(program);
    command.args(words).current_dir(project).env_remove("GANTZ_CONFIG").env_remove("GANTZ_DATA_DIR");
    command.env_remove("GANTZ_STACK").stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status().await;
    let took = started.elapsed();
    let what = format!("`{} {}`", program.display(), words.join(" "));
    let status = status.map_err(|error| format!("{what} does not start: {error}"))?;
    if status.success() { Ok(took) } else { Err(format!("{what} ended with {status}").into()) }
}

/// Milliseconds below which that many of a hundred lie.
fn quantile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}
