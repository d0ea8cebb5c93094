//! Cold starts: from the start of a function's process to its first request for an event.
//!
//! What Lambda adds, to fetch the package and to start the machine, grows with the package's size and is not seen here.

use std::error::Error;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::Table;
use gantz_testkit::runtime_api::RuntimeApi;
use tokio::process::Command;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What the others are compared with, and the functions.
const PROGRAMS: [&str; 4] = ["noop-bootstrap", "gantz-dispatcher", "gantz-worker", "gantz-dead-letter"];
/// What a packed program may have.
const ZIP_MAX_BYTES: usize = 8 * 1024 * 1024;

const MANIFEST: &str = "
name: cold
version: 1.0.0
tools:
  analyze:
    description: Tell what an object is
    handler: s3.analyze_file
    parameters:
      bucket: {type: string, required: true}
      key: {type: string, required: true}
  list:
    description: List functions
    handler: aws_lambda.list_functions
  wait:
    description: Wait
    handler: command
    command: {program: sleep, args: ['1']}
";

/// How cold starts are measured.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder of the programs; unless given, the one of the profile `function`, beside that of this program.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Starts of each program, taken in turns.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
pub(crate) async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let folder = match &options.programs {
        Some(folder) => folder.clone(),
        None => built()?,
    };
    let task = tempfile::tempdir()?;
    std::fs::write(task.path().join("gantz.yaml"), MANIFEST)?;

    let mut times: [Vec<Duration>; PROGRAMS.len()] = Default::default();
    for _ in 0..options.starts {
        for (program, times) in PROGRAMS.iter().zip(&mut times) {
            times.push(start(&folder.join(program), task.path()).await?);
        }
    }

    let mut table = Table::new();
    table.set_header(["PROGRAM", "RAW KB", "ZIP KB", "MEDIAN ms", "P90 ms", "TIMES THE NO-OP"]);
    let (mut floor, mut too_large) = (None, Vec::new());
    for (program, times) in PROGRAMS.iter().zip(&mut times) {
        let bytes = std::fs::read(folder.join(program))?;
        let zipped = zip(&bytes)?;
        if zipped > ZIP_MAX_BYTES {
            too_large.push(format!("`{program}` has {zipped} bytes zipped"));
        }
        times.sort();
        let (median, p90) = (quantile(times, 50), quantile(times, 90));
        let floor = *floor.get_or_insert(median);
        table.add_row([
            (*program).to_owned(),
            bytes.len().div_ceil(1024).to_string(),
            zipped.div_ceil(1024).to_string(),
            format!("{median:.1}"),
            format!("{p90:.1}"),
            format!("{:.2}", median / floor),
        ]);
    }
    println!("{table}");
    if too_large.is_empty() {
        return Ok(());
    }
    Err(format!("{}; {ZIP_MAX_BYTES} are allowed", too_large.join(", ")).into())
}

/// Where `cargo build --profile function` puts the programs that are deployed, in the same target directory.
fn built() -> Result<PathBuf, Box<dyn Error>> {
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).ok_or("this program lies in no target directory")?;
    let folder = target.join("function");
    let missing = PROGRAMS.iter().find(|program| !folder.join(program).is_file());
    match missing {
        None => Ok(folder),
        Some(program) => Err(format!(
            "`{}` is not built: `cargo build --profile function --bins`, or name a folder with `--programs`",
            folder.join(program).display()
        )
        .into()),
    }
}

/// One start of a program in a folder, as Lambda starts it.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
async fn start(program: &Path, task: &Path) -> Result<Duration, Box<dyn Error>> {
    let mut api = RuntimeApi::start().await;
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(api.environment("cold"))
        .env("LAMBDA_TASK_ROOT", task)
        .env("RUST_LOG", "error")
        .envs([("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any")])
        .envs([("GANTZ_TABLE", "jobs"), ("GANTZ_BUCKET", "blobs"), ("GANTZ_EVENT_BUS", "gantz")])
        .env("GANTZ_QUEUE_URL_PREFIX", "http://127.0.0.1:9/000000000000/cold-")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let started = Instant::now();
    let mut process =
        command.spawn().map_err(|error| format!("`{}` does not start: {error}", program.display()))?;
    api.ready().await;
    let took = started.elapsed();
    process.kill().await?;
    Ok(took)
}

/// Milliseconds below which that many of a hundred lie.
fn quantile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}

/// The size of a package of this program.
fn zip(program: &[u8]) -> Result<usize, Box<dyn Error>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().compression_level(Some(9)))?;
    zip.write_all(program)?;
    Ok(zip.finish()?.into_inner().len())
}
