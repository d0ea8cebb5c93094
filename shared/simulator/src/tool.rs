//! The tool of every simulated job: it behaves as the job's script says, and the observer sees each start.

use std::time::Duration;

use gantz_core::outcome::{ErrorKind, Failure, Outcome, Retry};
use gantz_core::policy::Effects;
use gantz_core::tool::{Call, Tool};
use serde_json::{Value, json};

use crate::process::Process;

/// How a job's attempts behave, the last act for all attempts behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script(Vec<Act>);

/// How one attempt behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Milliseconds before its end.
    pub ms: u64,
    /// Its end.
    pub end: ActEnd,
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActEnd {
    /// It does its work.
    Done,
    /// It does its work, and the result has so many bytes as JSON.
    Large(usize),
    /// It fails for the moment.
    Transient,
    /// It fails for the moment, and says for how many milliseconds.
    After(u64),
    /// It fails for good.
    Permanent,
    /// It asks to run so many milliseconds later.
    Defer(u64),
    /// It panics.
    Panic,
    /// It never answers.
    Hang,
    /// It does its work if what it depends on is up, and fails for the moment otherwise.
    Depend,
}

impl Script {
    /// These acts, of which there is one at least.
    ///
    /// # Panics
    /// When there is none.
    pub fn new(acts: Vec<Act>) -> Self {
        assert!(!acts.is_empty(), "an attempt has to behave in some way");
        Self(acts)
    }

    /// Every attempt succeeds after so many milliseconds.
    pub fn done(ms: u64) -> Self {
        Self::always(ms, ActEnd::Done)
    }

    /// Every attempt ends so.
    pub fn always(ms: u64, end: ActEnd) -> Self {
        Self(vec![Act { ms, end }])
    }

    /// How an attempt behaves.
    pub fn act(&self, attempt: u32) -> Act {
        let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.0[self.0.len() - 1];
        self.0.get(place).copied().unwrap_or(last)
    }
}

/// The handler, in one process.
pub(crate) struct ScriptedTool(pub(crate) Process);

impl Tool for ScriptedTool {
    const HANDLER: &'static str = "sim.scripted";
    type Parameters = Value;

    async fn run(&self, call: Call<Value>) -> Outcome {
        let process = &self.0;
        process.go_on().await;
        let act = process.world().with(|state| {
            let effects = effects_of(&call.tool);
            let has_ended = state.observer.started(&call.job_id, call.attempt, effects, state.now_ms);
            state.note(process.name(), || {
                let late = if has_ended { ", too late" } else { "" };
                format!("   tool of {} starts, attempt {}{late}", call.job_id, call.attempt)
            });
            state
                .scripts
                .get(&call.job_id)
                .map_or(Act { ms: 10, end: ActEnd::Done }, |script| script.act(call.attempt))
        });
        let mut unfinished = Unfinished { process, call: &call, is_over: false };
        tokio::time::sleep(Duration::from_millis(act.ms)).await;
        process.go_on().await;
        let outcome = self.end(act, &call).await;
        unfinished.is_over = true;
        outcome
    }
}

/// Takes note of a call that is stopped.
struct Unfinished<'a> {
    process: &'a Process,
    call: &'a Call<Value>,
    is_over: bool,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // Of a process that is dead, nobody can tell.
        if !self.is_over && self.process.is_alive() && !std::thread::panicking() {
            self.process.world().with(|state| {
                state.note(self.process.name(), || format!("   tool of {} is stopped", self.call.job_id));
                state.aborted.push(self.call.job_id.clone());
            });
        }
    }
}

impl ScriptedTool {
    async fn end(&self, act: Act, call: &Call<Value>) -> Outcome {
        let failed = |retry| {
            let message = format!("attempt {} got no answer", call.attempt);
            Outcome::Failed(Failure::new(ErrorKind::Unavailable, message, retry))
        };
        match act.end {
            ActEnd::Done => self.effect(call, json!({ "of": call.job_id })),
            ActEnd::Large(bytes) => self.effect(call, json!("x".repeat(bytes.saturating_sub(2)))),
            ActEnd::Transient => failed(Retry::Backoff),
            ActEnd::After(ms) => failed(Retry::After(ms)),
            ActEnd::Permanent => failed(Retry::Never),
            ActEnd::Defer(delay_ms) => Outcome::Deferred { delay_ms, why: "not ready".into() },
            // As a panic, but without the hook that would print it.
            ActEnd::Panic => std::panic::resume_unwind(Box::new("simulated".to_owned())),
            ActEnd::Hang => std::future::pending().await,
            ActEnd::Depend if self.0.world().with(|state| state.is_dependency_up) => {
                self.effect(call, json!({ "of": call.job_id }))
            }
            ActEnd::Depend => failed(Retry::Backoff),
        }
    }

    /// The provider answers a key that it knows as it did the first time.
    fn effect(&self, call: &Call<Value>, result: Value) -> Outcome {
        Outcome::Done(self.0.world().with(|state| {
            state.note(self.0.name(), || format!("   tool of {} is done", call.job_id));
            state.provider.entry(call.job_id.clone()).or_insert(result).clone()
        }))
    }
}

/// What a second run of a tool of the simulated manifest would do.
pub(crate) fn effects_of(tool: &str) -> Effects {
    match tool {
        "look" => Effects::ReadOnly,
        "launch" => Effects::AtMostOnce,
        _ => Effects::Keyed,
    }
}
