//! The `Tool` port: what runs a job.

use std::future::Future;

use serde::de::DeserializeOwned;

use crate::ids::JobId;
use crate::outcome::Outcome;
use crate::trace::TraceParent;

/// One call of a tool: who asks, with what, and how long it may take.
#[derive(Debug, Clone)]
pub struct Call<P> {
    /// The job this call works for.
    pub job_id: JobId,
    /// What a `keyed` tool hands to its provider as its idempotency key: the same for a job, all its attempts, and the
    /// jobs that do it again.
    pub effect_key: JobId,
    /// The tool's name in the manifest.
    pub tool: String,
    /// Attempts count from 1. A later attempt may overlap the effects of an earlier one that crashed.
    pub attempt: u32,
    /// Milliseconds this attempt may take. The call is dropped when they have passed.
    pub timeout_ms: u64,
    /// The trace that the job belongs to, for what the tool calls in turn.
    pub trace: Option<TraceParent>,
    /// The job's parameters, checked against the manifest, defaults filled in.
    pub parameters: P,
}

/// Something that can be called. Implement it in your own binary and add it to the registry.
///
/// `run` is a future: it must not block its thread (use `spawn_blocking` for that), and it may be dropped at any await
/// point, when its time is up or its job is cancelled. It never counts attempts and never sleeps to back off.
pub trait Tool: Send + Sync + 'static {
    /// The name that a manifest's `handler:` refers to.
    const HANDLER: &'static str;

    /// The parameters, read from the job's JSON object.
    type Parameters: DeserializeOwned + Send + 'static;

    /// Runs the tool once.
    fn run(&self, call: Call<Self::Parameters>) -> impl Future<Output = Outcome> + Send;
}
