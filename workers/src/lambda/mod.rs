//! The pipeline inside AWS Lambda.
//!
//! [`Function`] takes one event and answers it. Three kinds of events reach a worker: a batch of an SQS event source, of
//! which it reports the records that come back; a direct invoke `{"tool": …, "parameters": …}`; and the same through
//! `POST /agent` of an HTTP API or a function URL. A dead-letter function takes batches of dead-letter queues.
//!
//! After the answer the process is frozen, so everything is over by then: no task is left running, and what was measured
//! is on stdout. There is no heartbeat either, as a lease covers the whole invocation ([`Invocation`]). For the same reason
//! the functions do not ask to be told before they are shut down: between two invocations nothing is under way.

mod answer;
mod batch;
mod event;
mod invocation;
mod invoke;
mod source;
pub mod start;

use std::sync::Arc;

use gantz_core::manifest::Manifest;
use serde_json::Value;

pub use answer::{Answer, Headers, Response};
pub use event::EventError;
pub use invocation::{Invocation, START_MARGIN_MS};

use crate::lambda::event::{Event, classify};
use crate::metrics::{Measure, Meter, embedded_metrics};
use crate::process::Worker;

/// What a function is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Runs jobs.
    Jobs,
    /// Decides on dead letters.
    DeadLetters,
}

/// A worker or dead-letter function: what is made once for each process.
pub struct Function {
    duty: Duty,
    worker: Arc<Worker>,
    manifest: Arc<Manifest>,
    queue_prefix: String,
    meter: Meter,
}

impl Function {
    /// A function of the fleet whose queues' names begin with `queue_prefix`.
    pub fn new(duty: Duty, worker: Worker, manifest: Arc<Manifest>, queue_prefix: String) -> Self {
        let meter = Meter::default();
        let worker = Arc::new(worker.observed_by(meter.observer()));
        Self { duty, worker, manifest, queue_prefix, meter }
    }

    /// Answers one event. When this returns, nothing of it is under way any more.
    ///
    /// # Errors
    /// When the event is none that this function takes. Lambda then returns a batch to its queue as a whole.
    pub async fn handle(&self, event: Value, invocation: &Invocation) -> Result<Response, EventError> {
        match (self.duty, classify(event)?) {
            (_, Event::Batch { source, messages }) => {
                let queue = source::queue(&source, &self.queue_prefix, self.duty)?;
                let failed = batch::work(&self.worker, &queue, messages, invocation).await;
                if !failed.is_empty() {
                    self.worker.observer.note(Measure::BatchItemFailures(failed.len()));
                }
                Ok(Response::batch(failed))
            }
            (Duty::Jobs, Event::Invoke(body)) => {
                let end = invoke::invoke(&self.worker, &self.manifest, body, invocation).await;
                Ok(Response::Invoke(end.into_answer()))
            }
            (Duty::Jobs, Event::Http(request)) => {
                let end = match request {
                    Ok(body) => invoke::invoke(&self.worker, &self.manifest, body, invocation).await,
                    Err(refusal) => refusal,
                };
                Ok(Response::Invoke(end.into_http_answer()))
            }
            (Duty::DeadLetters, _) => Err(EventError::NoBatch),
        }
    }

    /// What was measured since the last time, as lines for the log.
    pub fn metrics(&self) -> Vec<String> {
        embedded_metrics(&self.meter.take(), self.worker.clock.now_ms())
    }
}
