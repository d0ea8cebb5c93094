//! A direct invoke: one tool, at once, and its result in the answer.
//!
//! It goes through the same pipeline as a message, so its job has a row that can be polled, an event when it ends, and one
//! effect also if Lambda repeats an asynchronous invoke. It has one attempt, as no message would bring it another one; if
//! its process dies, its row stays `RUNNING` until the same id is invoked again.

use std::sync::Arc;

use gantz_core::admit::{Origin, admit};
use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::ids::{JobId, QueueName};
use gantz_core::job::{JobRecord, JobResult, JobStatus};
use gantz_core::limits::RESULT_MAX_BYTES;
use gantz_core::manifest::Manifest;
use gantz_core::ports::{BlobError, Message, Postponed, Receipt};
use gantz_core::spec::JobSpec;
use gantz_core::trace::TraceParent;
use serde_json::Value;

use super::Invocation;
use super::answer::End;
use crate::delivery::{Delivery, Disposition, Tenure};
use crate::process::Worker;
use crate::run::Running;
use crate::stop::Switch;

/// Runs the job that `body` asks for, as far as this invocation's time goes.
pub(super) async fn invoke(
    worker: &Arc<Worker>,
    manifest: &Manifest,
    body: Value,
    invocation: &Invocation,
) -> End {
    let Some(tenure) = invocation.invoke_tenure(worker.clock.now_ms()) else {
        return End::error(503, "Insufficient time remaining");
    };
    let (record, parameters, trace) = match admitted(worker, manifest, body, invocation) {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal,
    };
    let id = record.id.clone();
    let parameters = Parameters::Inline(parameters);
    let envelope = Envelope { job: record.accepted(), parameters, put_back: 0, not_before_ms: None, trace };
    let body = match envelope.to_body() {
        Ok(body) => body,
        Err(error) => return End::error(400, format!("the job cannot be written down: {error}")),
    };
    let message = Message {
        id: invocation.request_id.clone(),
        // No queue has it: nothing in an invocation's tenure asks one.
        receipt: Receipt(String::new()),
        body,
        receives: 1,
        sent_at_ms: record.created_at_ms,
        dead_reason: None,
    };
    let (queue, clock) = (QueueName::Lane(record.lane), worker.clock.clone());
    let worker = Arc::clone(worker);
    let running =
        Running(tokio::spawn(async move { Some(run(&worker, &queue, message, tenure, &id).await) }));
    let end = running.within(&invocation.request_id, invocation.answer_is_due(&clock)).await;
    let end = end.unwrap_or_else(|| End::error(500, "the job did not end in time, and was stopped"));
    End { job_id: Some(record.id.into()), ..end }
}

fn admitted(
    worker: &Worker,
    manifest: &Manifest,
    body: Value,
    invocation: &Invocation,
) -> Result<(JobRecord, Value, Option<TraceParent>), End> {
    let spec: JobSpec = serde_json::from_value(body)
        .map_err(|error| End::error(400, format!("the event is no submission: {error}")))?;
    if spec.delay.is_some() {
        return Err(End::error(400, "`/delay`: a direct invoke runs at once; submit the job to delay it"));
    }
    let origin = Origin { source: "invoke", occurrence: Some(invocation.request_id.clone()) };
    let random = [worker.entropy.next(), worker.entropy.next()];
    let admission = admit(spec, manifest, &origin, worker.clock.now_ms(), random)
        .map_err(|rejection| End::error(400, rejection.to_string()))?;
    Ok((JobRecord { max_attempts: 1, ..admission.record }, admission.parameters, admission.trace))
}

async fn run(worker: &Worker, queue: &QueueName, message: Message, tenure: Tenure, id: &JobId) -> End {
    let stop = Switch::default().stop();
    let delivery = Delivery { queue, message: &message, tenure, stop: &stop };
    match worker.process(&delivery).await {
        Disposition::Acknowledge => ended(worker, id).await,
        Disposition::Postpone { delay_ms, why } => match why {
            Postponed::RateLimited | Postponed::NoRoom | Postponed::BreakerOpen => {
                End::error(503, format!("the tool takes no calls for {delay_ms} ms: {}", why.as_str()))
            }
            Postponed::UnknownTool | Postponed::LaterVersion => {
                End::error(503, "this worker has another manifest, or is of another version")
            }
            // What is invoked now was never told to wait.
            Postponed::NotDue => End::error(500, "the job is not due"),
            Postponed::LeaseHeld => End::error(409, format!("the job `{id}` is running already")),
            Postponed::HandedBack => End::error(503, "Insufficient time remaining"),
            Postponed::Retry => ended(worker, id).await,
            Postponed::PortFailed(error) => End::error(500, error),
        },
        Disposition::Quarantine(reason) => End::error(409, reason),
        Disposition::Leave => End::error(500, format!("another worker has taken the job `{id}`")),
    }
}

/// The answer that a row gives.
async fn ended(worker: &Worker, id: &JobId) -> End {
    let row = match worker.ports.jobs.get(id).await {
        Ok(Some(row)) => row,
        Ok(None) => return End::error(500, format!("the job `{id}` has no row")),
        Err(error) => return End::error(500, error.to_string()),
    };
    match (row.status, row.result, row.error) {
        (JobStatus::Succeeded, Some(JobResult::Inline(value)), _) => {
            End { status: 200, body: value, job_id: None }
        }
        (JobStatus::Succeeded, Some(JobResult::Ref(reference)), _) => match fetch(worker, &reference).await {
            Ok(value) => End { status: 200, body: value, job_id: None },
            Err(error) => End::error(500, format!("the result could not be read: {error}")),
        },
        (_, _, Some(error)) => End::error(500, error.message),
        (status, ..) => End::error(500, format!("the job `{id}` is {}", status.as_str())),
    }
}

async fn fetch(worker: &Worker, reference: &str) -> Result<Value, BlobError> {
    let bytes = worker.ports.blobs.get(reference, RESULT_MAX_BYTES).await?;
    serde_json::from_slice(&bytes).map_err(|_| BlobError::Damaged(reference.to_owned()))
}
