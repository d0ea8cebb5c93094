//! A project in a folder of its own, and the binary at work in it.

mod dev;
mod process;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

pub(crate) use dev::Dev;
pub(crate) use process::{Process, Ran};
pub(crate) use terminal::{Screen, Shown};

/// How long a machine with much else to do may take for anything in here.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Tools whose behaviour is chosen by parameters and files. `hold` runs until its gate is a file in the project, or the
/// project is gone.
pub(crate) const TOOLS: &str = r#"
name: trial
version: 1.0.0
tools:
  analyze_file:
    description: Tell what a file is
    handler: s3.analyze_file
    parameters:
      path: {type: string, required: true, description: File on this machine}
      max_bytes: {type: integer, minimum: 1}
  say:
    description: Say something
    handler: command
    command: {program: printf, args: ["%s", "{what}"], output: text}
    parameters:
      what: {type: string, required: true, description: What to say}
      tone: {type: string, enum: [low, high], default: low}
      times: {type: integer}
      loud: {type: boolean}
      words: {type: array}
  hold:
    description: Wait for a gate to open
    handler: command
    command:
      program: sh
      args: ["-c", "while test -e gantz.yaml && ! test -e \"$1\"; do sleep 0.05; done; echo 7", "hold", "{gate}"]
    parameters:
      gate: {type: string, required: true}
  flaky:
    description: Fail for the moment, once
    handler: command
    command: {program: sh, args: ["-c", "if test -e seen; then echo 7; else touch seen; echo not yet >&2; exit 75; fi"]}
    retry: {first: 1ms, max: 5ms}
  broken:
    description: Fail for good
    handler: command
    command: {program: sh, args: ["-c", "echo no luck >&2; exit 65"]}
  family:
    description: Sleep in a process group, whose id goes to a file
    handler: command
    command: {program: sh, args: ["-c", "echo $$ > group.part; mv group.part group; sleep 60 & wait"]}
  paced:
    description: Answer twice a second
    handler: command
    command: {program: echo, args: ["7"]}
    rate_limit: 2/s
    parameters:
      n: {type: integer}
"#;

/// A project. Its folder goes when it is dropped.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// Without a manifest.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["project", "home", "out"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self { folder }
    }

    /// With this manifest.
    pub(crate) fn with(manifest: &str) -> Self {
        let project = Self::empty();
        project.write("gantz.yaml", manifest);
        project
    }

    /// With [`TOOLS`].
    pub(crate) fn trial() -> Self {
        Self::with(TOOLS)
    }

    /// The project's folder, or something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("project").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(path, text).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// Lets the jobs of `hold` end that wait for this gate.
    pub(crate) fn open(&self, gate: &str) {
        self.write(gate, "");
    }

    /// The command with these words after it, in the project's folder, with nothing of the tester's own settings.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantz"));
        command.args(words).current_dir(self.path("")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path().join("home")).env("NO_COLOR", "1").env("RUST_BACKTRACE", "0");
        command
    }

    /// Runs the command to its end.
    pub(crate) async fn gantz(&self, words: &[&str]) -> Ran {
        self.start(words).end().await
    }

    /// Runs the command to its end, with this on stdin.
    pub(crate) async fn gantz_with(&self, stdin: &str, words: &[&str]) -> Ran {
        Process::start_with(self.command(words), &self.out(), stdin).end().await
    }

    /// Starts the command.
    pub(crate) fn start(&self, words: &[&str]) -> Process {
        self.begin(self.command(words))
    }

    /// Starts a prepared command.
    pub(crate) fn begin(&self, command: Command) -> Process {
        Process::start(command, &self.out())
    }

    /// Runs a prepared command to its end.
    pub(crate) async fn run(&self, command: Command) -> Ran {
        self.begin(command).end().await
    }

    /// The row of a job, or the batch, as it stands.
    pub(crate) async fn status(&self, id: &str) -> Option<Value> {
        let ran = self.gantz(&["status", id, "-o", "json"]).await;
        if ran.stdout.is_empty() { None } else { Some(ran.json()) }
    }

    /// Waits until the job or batch has this status.
    pub(crate) async fn reach(&self, id: &str, status: &str) -> Value {
        until(&format!("`{id}` is {status}"), async || {
            self.status(id).await.filter(|row| row["status"] == status)
        })
        .await
    }

    /// Waits until the job has ended.
    pub(crate) async fn reach_end(&self, id: &str) -> Value {
        until(&format!("`{id}` has ended"), async || {
            self.status(id).await.filter(|row| row.get("finished_at").is_some())
        })
        .await
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }
}

/// Looks again and again until there is something, which has to be soon. A process's doings can only be polled.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look).await
}

/// As [`until`], for what takes longer.
pub(crate) async fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain until {what}");
        sleep(LOOK_EVERY).await;
    }
}

/// The files below a folder, the project's data left out.
pub(crate) fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let entries = entries.filter(|path| !path.ends_with(".gantz"));
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}
