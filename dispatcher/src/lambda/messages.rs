//! Messages of a queue: each is handled for itself, and those that failed are named, so that they alone come back.
//!
//! That goes for failures that no repetition mends, too: after its receives the message lies in the dead-letter queue,
//! where somebody can look at it.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lambda_events::sqs::SqsBatchResponse;
use futures_util::{StreamExt, stream};
use gantz_core::admit::Origin;
use gantz_core::ids::QueueName;
use gantz_core::ports::{Message, Postponed, Receipt};
use gantz_core::retry;
use gantz_core::spec::JobSpec;
use serde_json::{Value, json};

use super::classify::{Event, classify};
use super::error::LambdaError;
use super::handle::Lambda;
use super::queue::Delivery;
use super::submission::{Ask, Door, Submission};
use super::uploads;
use crate::http::read_submission;
use crate::plan::{self, StepEnd};

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
        let (ids, asked): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.message_id, job.ask)).unzip();
        let dispatcher = self.dispatcher.clone();
        let task = tokio::spawn(async move { dispatcher.submit_all(asked).await });
        let answers = match task.await {
            Ok(answers) => answers,
            Err(error) => {
                let panicked = |id| Back::new(id, "Panicked", true, error.to_string());
                return ids.into_iter().map(panicked).collect();
            }
        };
        let failed = ids.into_iter().zip(answers).filter_map(|(id, answer)| Some((id, answer.err()?)));
        let back = |(id, error)| {
            let error = LambdaError::Submission { door: Door::Sqs, error };
            Back::new(id, error.name(), error.may_pass(), error.to_string())
        };
        failed.map(back).collect()
    }

    /// Handles a message in a task of its own, whose panic is its own.
    async fn isolated(&self, delivery: Delivery, deadline_ms: u64) -> Option<Back> {
        let (function, id) = (self.clone(), delivery.message_id.clone());
        let task = tokio::spawn(async move { function.message(delivery, deadline_ms).await });
        let (kind, may_pass, reason) = match task.await {
            Ok(Ok(End::Done)) => return None,
            Ok(Ok(End::Again)) => return Some(Back { id, reason: "it is not done yet".into() }),
            Ok(Err(error)) => (error.name(), error.may_pass(), error.to_string()),
            Err(error) => ("Panicked", true, error.to_string()),
        };
        Some(Back::new(id, kind, may_pass, reason))
    }

    async fn message(&self, delivery: Delivery, deadline_ms: u64) -> Result<End, LambdaError> {
        if delivery.is_plan {
            return self.plan(delivery, deadline_ms).await;
        }
        let malformed = |problem: String| LambdaError::MalformedEvent { door: Door::Sqs, problem };
        let body: Value = serde_json::from_str(&delivery.body)
            .map_err(|error| malformed(format!("the body is no JSON: {error}")))?;
        match classify(&body) {
            Event::Submission(submission) => {
                self.submit(through_the_queue(submission, delivery.message_id)).await?;
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
        let message = Message {
            id: delivery.message_id.unwrap_or_default(),
            receipt: Receipt(delivery.receipt),
            body: delivery.body,
            receives: delivery.receives,
            sent_at_ms: delivery.sent_at_ms,
            dead_reason: None,
        };
        // Only patterns of local files spare anything, and these are refused at the doors.
        let spared = Path::new("");
        let (delay_ms, why, end) =
            match plan::step(&self.dispatcher, &message, spared, Some(deadline_ms)).await {
                Ok(StepEnd::Done) => return Ok(End::Done),
                Ok(StepEnd::More) => (0, Postponed::HandedBack, Ok(End::Again)),
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
    message_id: Option<String>,
    ask: (JobSpec, Origin),
}

/// The messages that ask for a job each, and all others, among them those whose jobs cannot be read.
fn sorted(deliveries: Vec<Delivery>) -> (Vec<Job>, Vec<Delivery>) {
    let (mut jobs, mut others) = (Vec::new(), Vec::new());
    for delivery in deliveries {
        match job(&delivery) {
            Some(ask) => jobs.push(Job { message_id: delivery.message_id, ask }),
            None => others.push(delivery),
        }
    }
    (jobs, others)
}

fn job(delivery: &Delivery) -> Option<(JobSpec, Origin)> {
    if delivery.is_plan {
        return None;
    }
    let body: Value = serde_json::from_str(&delivery.body).ok()?;
    let Event::Submission(submission) = classify(&body) else { return None };
    let Submission { door, occurrence, ask: Ask::Job(spec) } =
        through_the_queue(submission, delivery.message_id.clone())
    else {
        return None;
    };
    Some(door.told(read_submission(&spec.to_string()).ok()?, occurrence))
}

/// A bare submission is the queue's. Rules, schedules and buckets may put what they have to say into a queue, too.
fn through_the_queue(submission: Submission<'_>, message_id: Option<String>) -> Submission<'_> {
    match submission.door {
        Door::Invoke => Submission { door: Door::Sqs, occurrence: message_id, ..submission },
        _ => submission,
    }
}

/// A message that comes back.
struct Back {
    id: Option<String>,
    reason: String,
}

impl Back {
    fn new(id: Option<String>, kind: &str, may_pass: bool, reason: String) -> Self {
        tracing::warn!(message_id = id, kind, may_pass, reason, "a message failed and comes back");
        Self { id, reason }
    }
}
