//! `gantz dev` beside a test.

use std::net::TcpStream;

use super::{Process, Project, Ran, until};

/// A `gantz dev` that answers.
pub(crate) struct Dev {
    process: Process,
    pub(crate) url: String,
}

impl Dev {
    pub(crate) async fn start(project: &Project) -> Self {
        Self::start_with(project, &[]).await
    }

    /// With these words after `gantz dev --port 0`.
    pub(crate) async fn start_with(project: &Project, words: &[&str]) -> Self {
        let words: Vec<&str> = ["dev", "--port", "0"].iter().chain(words).copied().collect();
        Self::of(project.start(&words)).await
    }

    /// Of a process that was started with `--port 0`.
    pub(crate) async fn of(mut process: Process) -> Self {
        let url = until("`gantz dev` answers", async || {
            assert!(!process.has_ended(), "it ended: {}", process.stderr());
            let said = process.stdout();
            let (_, address) = said.split_once("http://")?;
            let address = address.split(['\n', '"']).next().filter(|address| said.len() > address.len())?;
            TcpStream::connect(address).ok().map(|_| format!("http://{address}"))
        })
        .await;
        Self { process, url }
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Interrupts it, and waits until it has taken note.
    pub(crate) async fn interrupt(&self) {
        self.process.signal("INT");
        self.reach_stopping().await;
    }

    /// Waits until it has taken note of a signal.
    pub(crate) async fn reach_stopping(&self) {
        until("`gantz dev` is stopping", async || self.process.stderr().contains("stopping").then_some(()))
            .await;
    }

    pub(crate) async fn end(self) -> Ran {
        self.process.end().await
    }

    /// Interrupts it, and waits for its end.
    pub(crate) async fn stop(self) -> Ran {
        self.process.signal("INT");
        self.process.end().await
    }

    /// `kill -9`.
    pub(crate) fn kill(self) {
        self.process.kill();
    }
}
