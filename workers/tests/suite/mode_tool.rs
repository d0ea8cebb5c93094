//! A tool that behaves as its parameters say, and keeps a journal of what happened to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gantz_core::host::Clock;
use gantz_core::ids::JobId;
use gantz_core::outcome::{ErrorKind, Failure, Outcome, Retry};
use gantz_core::tool::{Call, Tool};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fleet::PATIENCE;

/// The parameters as the manifest of every test declares them.
pub(crate) const PARAMETERS: &str = "{mode: {type: string, required: true}, times: {type: integer}, \
     ms: {type: integer}, bytes: {type: integer}, text: {type: string}}";

pub(crate) struct ModeTool {
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
}

#[derive(Deserialize)]
pub(crate) struct Behaviour {
    mode: Mode,
    /// So many attempts behave so; later ones succeed. All, if left out.
    times: Option<u32>,
    #[serde(default)]
    ms: u64,
    #[serde(default)]
    bytes: usize,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Succeed,
    /// After `ms`: succeeds if the journal says that the dependency is up, and fails for the moment otherwise.
    Depend,
    FailPermanent,
    /// Fails for the moment, after `ms`.
    FailTransient,
    /// Fails for the moment, and says that the next attempt shall wait `ms`.
    RetryAfter,
    /// Asks to run `ms` later.
    Defer,
    Panic,
    /// Never answers.
    Hang,
    /// Succeeds after `ms`.
    Sleep,
    /// Succeeds with a string of so many bytes as JSON.
    BigResult,
    /// Succeeds with the length of `text`.
    Measure,
}

impl Tool for ModeTool {
    const HANDLER: &'static str = "test.mode";
    type Parameters = Behaviour;

    async fn run(&self, call: Call<Behaviour>) -> Outcome {
        let entry = Entry {
            job: call.job_id,
            attempt: call.attempt,
            at_ms: self.clock.now_ms(),
            what: What::Started,
        };
        self.journal.write(entry.clone());
        let mut unfinished = Unfinished { tool: self, entry };
        let outcome = self.behave(call.parameters, call.attempt).await;
        unfinished.entry.what = What::Answered;
        outcome
    }
}

impl ModeTool {
    async fn behave(&self, behaviour: Behaviour, attempt: u32) -> Outcome {
        let done = || Outcome::Done(json!({ "attempt": attempt }));
        if behaviour.times.is_some_and(|times| attempt > times) {
            return done();
        }
        if matches!(behaviour.mode, Mode::Depend | Mode::FailTransient | Mode::Sleep) {
            tokio::time::sleep(Duration::from_millis(behaviour.ms)).await;
        }
        let down = || Outcome::transient(ErrorKind::Unavailable, format!("attempt {attempt} got no answer"));
        match behaviour.mode {
            Mode::Succeed | Mode::Sleep => done(),
            Mode::Depend if self.journal.dependency_is_up() => done(),
            Mode::Depend | Mode::FailTransient => down(),
            Mode::FailPermanent => {
                Outcome::permanent(ErrorKind::NotFound, format!("attempt {attempt} found nothing"))
            }
            Mode::RetryAfter => Outcome::Failed(Failure::new(
                ErrorKind::Throttled,
                format!("attempt {attempt} was told to wait"),
                Retry::After(behaviour.ms),
            )),
            Mode::Defer => Outcome::Deferred { delay_ms: behaviour.ms, why: "not ready".into() },
            Mode::Panic => unreachable!("attempt {attempt} had a bug"),
            Mode::Hang => std::future::pending().await,
            Mode::BigResult => Outcome::Done(Value::String("x".repeat(behaviour.bytes - r#""""#.len()))),
            Mode::Measure => Outcome::Done(json!(behaviour.text.len())),
        }
    }
}

/// Writes down how a call ended: by an answer, or because it was dropped.
struct Unfinished<'a> {
    tool: &'a ModeTool,
    entry: Entry,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let what = match self.entry.what {
            What::Answered => What::Answered,
            _ if std::thread::panicking() => What::Panicked,
            _ => What::Dropped,
        };
        self.tool.journal.write(Entry { at_ms: self.tool.clock.now_ms(), what, ..self.entry.clone() });
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) job: JobId,
    pub(crate) attempt: u32,
    pub(crate) at_ms: u64,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Started,
    Answered,
    Panicked,
    /// Stopped from outside.
    Dropped,
}

/// What happened to all calls of the tool, also across restarts of the fleet.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    entries: watch::Sender<Vec<Entry>>,
    dependency: Arc<AtomicBool>,
}

impl Journal {
    /// Everything that happened, in order.
    pub(crate) fn all(&self) -> Vec<Entry> {
        self.entries.borrow().clone()
    }

    /// Every call that started, in order.
    pub(crate) fn starts(&self) -> Vec<Entry> {
        self.entries.borrow().iter().filter(|entry| entry.what == What::Started).cloned().collect()
    }

    /// What happened to a job, in order: attempts and their ends.
    pub(crate) fn of(&self, job: &JobId) -> Vec<(u32, What)> {
        let entries = self.entries.borrow();
        entries.iter().filter(|entry| entry.job == *job).map(|entry| (entry.attempt, entry.what)).collect()
    }

    /// Returns once this has happened to the job.
    pub(crate) async fn until(&self, job: &JobId, attempt: u32, what: What) -> Entry {
        let wanted = |entry: &Entry| entry.job == *job && entry.attempt == attempt && entry.what == what;
        self.wait_for(|entries| entries.iter().any(wanted)).await;
        self.entries.borrow().iter().find(|entry| wanted(entry)).unwrap().clone()
    }

    /// Returns once so many calls have started.
    pub(crate) async fn until_started(&self, calls: usize) {
        let started = |entry: &&Entry| entry.what == What::Started;
        self.wait_for(|entries| entries.iter().filter(started).count() >= calls).await;
    }

    async fn wait_for(&self, wanted: impl Fn(&[Entry]) -> bool) {
        let mut view = self.entries.subscribe();
        let waited = tokio::time::timeout(PATIENCE, view.wait_for(|entries| wanted(entries))).await;
        assert!(waited.is_ok(), "it does not happen: {:#?}", self.entries.borrow());
    }

    pub(crate) fn set_dependency(&self, up: bool) {
        self.dependency.store(up, Ordering::Relaxed);
    }

    fn dependency_is_up(&self) -> bool {
        self.dependency.load(Ordering::Relaxed)
    }

    fn write(&self, entry: Entry) {
        self.entries.send_modify(|entries| entries.push(entry));
    }
}
