//! Messages of a queue: each is handled for itself, and those that failed are named, so that they alone come back.
//!
//! What no repetition mends is set aside at once, with the reason, where somebody can look at it; so is, after its
//! receives, what should have been mended by then.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lambda_events::sqs::SqsBatchResponse;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use gantz_core::admit::Origin;
use gantz_core::ids::QueueName;
use gantz_core::ports::{Message, Postponed};
use gantz_core::retry;
use gantz_core::spec::JobSpec;
use serde_json::{Value, json};
use tokio::task::JoinError;

use super::classify::{Event, classify};
use super::error::LambdaError;
use super::handle::Lambda;
use super::queue::Delivery;
use super::submission::{Ask, Door, Submission};
use super::uploads;
use crate::http::read_submission;
use crate::plan;

/// Messages handled at once: what one receive of SQS brings.
const AT_ONCE: usize = 10;

/// What became of a message.
enum End {
    Done,
    /// Nothing is wrong, but there is more to do than one invocation can.
    Again,
}

impl Lambda {
    /// Handles a batch. Answers with the ids of those that come back.
    pub(super) async fn receive(
        &self,
        deliveries: Vec<Delivery>,
        deadline_ms: u64,
    ) -> Result<Value, LambdaError> {
        let (jobs, others) = sorted(deliveries);
        let jobs = self.submit_jobs(jobs);
        let others = stream::iter(others)
            .map(|delivery| self.isolated(delivery, deadline_ms))
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect::<Vec<Back>>();
        let (mut back, others) = tokio::join!(jobs, others);
        back.extend(others);
        let mut nameless = back.iter().filter(|back| back.id.is_none());
        if let Some(first) = nameless.next() {
            // Without an id in its place, the whole batch would count as handled.
            let reason = first.reason.clone();
            return Err(LambdaError::Unreportable { failed: 1 + nameless.count(), reason });
        }
        let ids: BTreeSet<String> = back.into_iter().filter_map(|back| back.id).collect();
        let mut response = SqsBatchResponse::default();
        response.set_failures(ids);
        Ok(json!(response))
    }

    /// Submits the jobs of several messages together: recorded and sent in shared calls, they cost a tenth.
    async fn submit_jobs(&self, jobs: Vec<Job>) -> Vec<Back> {
        let (deliveries, asked): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.delivery, job.ask)).unzip();
        let dispatcher = self.dispatcher.clone();
        let task = tokio::spawn(async move { dispatcher.submit_unattended(asked).await });
        let answers = match task.await {
            Ok(answers) => answers,
            Err(error) => {
                let panicked = |delivery: Delivery| Back::new(delivery.message_id, Failure::panicked(&error));
                return deliveries.into_iter().map(panicked).collect();
            }
        };
        let failed = deliveries.into_iter().zip(answers).filter_map(|(delivery, answer)| {
            let error = LambdaError::Submission { door: Door::Sqs, error: answer.err()? };
            Some(self.failed(delivery, Failure::of(&error)))
        });
        join_all(failed).await.into_iter().flatten().collect()
    }

    /// Handles a message in a task of its own, whose panic is its own.
    async fn isolated(&self, delivery: Delivery, deadline_ms: u64) -> Option<Back> {
        let (function, taken) = (self.clone(), delivery.clone());
        let task = tokio::spawn(async move { function.message(taken, deadline_ms).await });
        let failure = match task.await {
            Ok(Ok(End::Done)) => return None,
            Ok(Ok(End::Again)) => {
                return Some(Back { id: delivery.message_id, reason: "it is not done yet".into() });
            }
            Ok(Err(error)) => Failure::of(&error),
            Err(error) => Failure::panicked(&error),
        };
        self.failed(delivery, failure).await
    }

    /// Sets a message of ours aside that can never be handled. All else comes back.
    async fn failed(&self, delivery: Delivery, failure: Failure) -> Option<Back> {
        let id = delivery.message_id.clone();
        let ours = delivery.queue.clone().filter(|queue| failure.is_final && queue.aside().is_some());
        let Some(queue) = ours else { return Some(Back::new(id, failure)) };
        match self.dispatcher.ports.queue.quarantine(&queue, &delivery.into(), &failure.reason).await {
            Ok(()) => {
                let Failure { kind, reason, .. } = failure;
                tracing::warn!(
                    message_id = id,
                    kind,
                    reason,
                    "a message can never be handled and was set aside"
                );
                None
            }
            Err(error) => {
                tracing::warn!(message_id = id, %error, "failed to set a message aside");
                Some(Back::new(id, failure))
            }
        }
    }

    async fn message(&self, delivery: Delivery, deadline_ms: u64) -> Result<End, LambdaError> {
        if delivery.queue == Some(QueueName::Plan) {
            return self.plan(delivery, deadline_ms).await;
        }
        let malformed = |problem: String| LambdaError::MalformedEvent { door: Door::Sqs, problem };
        let body: Value = serde_json::from_str(&delivery.body)
            .map_err(|error| malformed(format!("the body is no JSON: {error}")))?;
        match classify(&body) {
            Event::Submission(submission) => {
                self.submit(through_the_queue(submission, &delivery)).await?;
            }
            Event::Uploads(found) => {
                uploads::dispatch(&self.dispatcher, found).await?;
            }
            Event::Ignored(_) => {}
            Event::Malformed { door, problem } => return Err(LambdaError::MalformedEvent { door, problem }),
            Event::Http(_) | Event::Messages(_) | Event::Unknown { .. } => {
                return Err(malformed(
                    "the body is no submission, expected `{\"tool\", \"parameters\"}`".into(),
                ));
            }
        }
        Ok(End::Done)
    }

    async fn plan(&self, delivery: Delivery, deadline_ms: u64) -> Result<End, LambdaError> {
        let message = Message::from(delivery);
        // Only patterns of local files spare anything, and these are refused at the doors.
        let spared = Path::new("");
        let stepped = plan::step(&self.dispatcher, &message, spared, Some(deadline_ms)).await;
        let (delay_ms, why, end) = match stepped.map(|end| end.postponement(self.dispatcher.clock.now_ms())) {
            Ok(None) => return Ok(End::Done),
            Ok(Some((delay_ms, why))) => (delay_ms, why, Ok(End::Again)),
            // The queue would keep it back for several times a step's length.
            Err(error) => {
                let delay_ms = retry::after_port_failure_ms(message.receives);
                (delay_ms, Postponed::PortFailed(error.to_string()), Err(error))
            }
        };
        let queue = &self.dispatcher.ports.queue;
        if let Err(error) = queue.postpone(&QueueName::Plan, &message.receipt, delay_ms, why).await {
            // It comes back all the same, only later.
            tracing::warn!(message_id = message.id, %error, "failed to bring a plan forward");
        }
        end.map_err(|error| LambdaError::Submission { door: Door::Sqs, error })
    }
}

/// A message that asks for a job.
struct Job {
    delivery: Delivery,
    ask: (JobSpec, Origin),
}

/// The messages that ask for a job each, and all others, among them those whose jobs cannot be read.
fn sorted(deliveries: Vec<Delivery>) -> (Vec<Job>, Vec<Delivery>) {
    let (mut jobs, mut others) = (Vec::new(), Vec::new());
    for delivery in deliveries {
        match job(&delivery) {
            Some(ask) => jobs.push(Job { delivery, ask }),
            None => others.push(delivery),
        }
    }
    (jobs, others)
}

fn job(delivery: &Delivery) -> Option<(JobSpec, Origin)> {
    if delivery.queue == Some(QueueName::Plan) {
        return None;
    }
    let body: Value = serde_json::from_str(&delivery.body).ok()?;
    let Event::Submission(submission) = classify(&body) else { return None };
    let Submission { door, occurrence, trace, ask: Ask::Job(spec) } = through_the_queue(submission, delivery)
    else {
        return None;
    };
    let mut spec: JobSpec = read_submission(&spec.to_string()).ok()?;
    spec.traceparent = spec.traceparent.or(trace);
    Some(door.told(spec, occurrence))
}

/// A bare submission is the queue's. Rules, schedules and buckets may put what they have to say into a queue, too.
fn through_the_queue<'s>(submission: Submission<'s>, delivery: &Delivery) -> Submission<'s> {
    let submission = Submission { trace: delivery.trace.clone(), ..submission };
    match submission.door {
        Door::Invoke => Submission { door: Door::Sqs, occurrence: delivery.message_id.clone(), ..submission },
        _ => submission,
    }
}

/// A message that comes back.
struct Back {
    id: Option<String>,
    reason: String,
}

impl Back {
    fn new(id: Option<String>, Failure { kind, is_final, reason }: Failure) -> Self {
        tracing::warn!(message_id = id, kind, is_final, reason, "a message failed and comes back");
        Self { id, reason }
    }
}

/// Why a message was not handled.
struct Failure {
    kind: &'static str,
    is_final: bool,
    reason: String,
}

impl Failure {
    fn of(error: &LambdaError) -> Self {
        Self { kind: error.name(), is_final: error.is_final(), reason: error.to_string() }
    }

    fn panicked(error: &JoinError) -> Self {
        Self { kind: "Panicked", is_final: false, reason: error.to_string() }
    }
}
