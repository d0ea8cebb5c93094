//! Runs a list of named cases, and says which failed.

use std::fmt::Write;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gantz_core::ids::JobId;

use crate::Env;

/// Tells apart the suites that one process runs at the same millisecond.
static SUITES: AtomicU32 = AtomicU32::new(0);

/// The cases of one port, run one after another. Every case runs, also after one has failed.
#[derive(Debug)]
pub struct Suite<P> {
    name: &'static str,
    port: P,
    env: Env,
    run: Arc<str>,
    cases: u32,
    failures: Vec<(&'static str, String)>,
}

/// What one case gets: the port, the time, and names that no other case uses.
#[derive(Debug)]
pub struct Case<P> {
    /// The port.
    pub port: P,
    /// The time.
    pub env: Env,
    prefix: String,
}

impl<P: Clone + Send + 'static> Suite<P> {
    /// A suite of the port called `name`.
    pub fn new(name: &'static str, port: P, env: Env) -> Self {
        let run = format!("{:x}-{}", env.now_ms(), SUITES.fetch_add(1, Ordering::Relaxed));
        Self { name, port, env, run: run.into(), cases: 0, failures: Vec::new() }
    }

    /// Runs one case, named as its function is.
    pub async fn case<C, F>(&mut self, case: C)
    where
        C: FnOnce(Case<P>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let name = std::any::type_name::<C>().rsplit("::").next().unwrap_or("?");
        self.cases += 1;
        let prefix = format!("{}-{}", self.run, self.cases);
        let input = Case { port: self.port.clone(), env: self.env.clone(), prefix };
        if let Err(error) = tokio::spawn(case(input)).await {
            self.failures.push((name, reason(error)));
        }
    }

    /// Ends the suite.
    ///
    /// # Panics
    /// When a case failed, with the names and reasons of all that did.
    pub fn finish(self) {
        let mut report = format!("{} of {} cases failed for {}", self.failures.len(), self.cases, self.name);
        for (case, reason) in &self.failures {
            let written = write!(report, "\n  {case}: {reason}");
            written.unwrap();
        }
        assert!(self.failures.is_empty(), "{report}");
    }
}

fn reason(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "cancelled".into() };
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (_, Some(text)) => (*text).to_owned(),
        _ => "panicked without a text".into(),
    }
}

impl<P> Case<P> {
    /// An id that no other case uses, and this one only for the same `hint`.
    pub fn id(&self, hint: &str) -> JobId {
        JobId::try_new(self.name(hint)).unwrap()
    }

    /// A name that no other case uses, for tools, keys and owners.
    pub fn name(&self, hint: &str) -> String {
        format!("{}-{hint}", self.prefix)
    }
}
