//! A process of ours, from its start to its end.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::until;

/// A running process, which does not outlive the test. It writes to files, so that nobody needs to drain a pipe.
pub(crate) struct Process {
    child: Child,
    what: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    pub(super) fn start(mut command: Command, out: &Path) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command, out)
    }

    pub(super) fn start_with(mut command: Command, out: &Path, stdin: &str) -> Self {
        command.stdin(Stdio::piped());
        let mut process = Self::spawn(command, out);
        let mut pipe = process.child.stdin.take().expect("a pipe");
        // What never reads its stdin may have ended already.
        pipe.write_all(stdin.as_bytes()).ok();
        process
    }

    fn spawn(mut command: Command, out: &Path) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| out.join(format!("{number}.{name}")));
        command.stdout(File::create(&stdout).expect("a file")).stderr(File::create(&stderr).expect("a file"));
        let child = command.spawn().expect("the binary");
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        Self { child, what: format!("gantz {}", words.join(" ")), stdout, stderr }
    }

    /// What it has written to stdout so far.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).expect("stdout")
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).expect("stderr")
    }

    /// Sends it a signal: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("`kill`").success(), "no SIG{name} reached `{}`", self.what);
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("its end");
    }

    /// The most memory that it ever had, while it runs.
    pub(crate) fn peak_memory_kb(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Ran {
        let what = format!("`{}` ends", self.what);
        let status = until(&what, async || self.child.try_wait().expect("its state")).await;
        let [stdout, stderr] =
            [&self.stdout, &self.stderr].map(|path| fs::read_to_string(path).expect("UTF-8"));
        Ran { what: self.what.clone(), code: status.code(), signal: status.signal(), stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A process that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    what: String,
    code: Option<i32>,
    signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What it printed, having succeeded and complained about nothing.
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self}");
        assert_eq!(self.stderr, "", "{self}");
        &self.stdout
    }

    /// What it complained about, having ended with this code.
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self}");
        &self.stderr
    }

    /// As [`Ran::failed`], with nothing on stdout.
    pub(crate) fn refused(&self, code: i32) -> &str {
        assert_eq!(self.stdout, "", "{self}");
        self.failed(code)
    }

    /// Whether it ended itself by `SIGABRT`.
    pub(crate) fn was_aborted(&self) -> bool {
        self.signal == Some(6)
    }

    /// All of stdout as one JSON document.
    pub(crate) fn json(&self) -> Value {
        self.read(&self.stdout)
    }

    /// Every line of stdout as a JSON document.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| self.read(line)).collect()
    }

    fn read(&self, text: &str) -> Value {
        let read = serde_json::from_str(text);
        assert!(read.is_ok(), "{read:?}: {self}");
        read.expect("JSON")
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, code, signal: _, stdout, stderr } = self;
        write!(f, "`{what}` ended with {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}
