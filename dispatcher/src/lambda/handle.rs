//! Acting on an event.

use gantz_core::admit::Origin;
use gantz_core::admit_batch::BatchSpec;
use gantz_core::batch::BatchRecord;
use gantz_core::host::Clock;
use gantz_core::ids::Tenant;
use gantz_core::job::JobRecord;
use gantz_core::limits::BATCH_ID_MAX_CHARS;
use gantz_core::spec::JobSpec;
use gantz_core::trace::TraceParent;
use serde_json::{Value, json};

use super::authorized::{Tokens, authorized};
use super::classify::{Event, classify};
use super::error::LambdaError;
use super::metrics::{self, Emit};
use super::submission::{Ask, Door, Submission};
use super::{http, uploads};
use crate::http::read_submission;
use crate::send::unanswered;
use crate::submit::{Dispatcher, SubmitError, Submitted};
use crate::unattended::Refusal;

/// What a process of the function has: made once, before its first event. Clones share it.
#[derive(Clone)]
pub struct Lambda {
    pub(super) dispatcher: Dispatcher,
    emit: Emit,
    tokens: Tokens,
}

/// What is known of one invocation besides its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What Lambda calls it. A repetition of an asynchronous one is called the same.
    pub request_id: String,
    /// When Lambda ends it, milliseconds since the epoch.
    pub deadline_ms: u64,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

impl Invocation {
    /// Milliseconds until Lambda ends it.
    pub fn remaining_ms(&self, clock: &Clock) -> u64 {
        self.deadline_ms.saturating_sub(clock.now_ms())
    }
}

impl Lambda {
    /// The function over a dispatcher. Metrics go to `emit`, a line at a time.
    pub fn new(dispatcher: Dispatcher, emit: Emit) -> Self {
        Self { dispatcher, emit, tokens: Tokens::default() }
    }

    /// The same, with callers that bring such tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// Does what an event asks for, and answers as its sender expects. When this returns, nothing of it is under way
    /// any more: afterwards the process is frozen.
    ///
    /// # Errors
    /// When it could not all be done. Handling the same event again is always right.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Value, LambdaError> {
        let answer = self.act(event, invocation).await;
        let unknown = matches!(answer, Err(LambdaError::UnknownEvent { .. }));
        let malformed = matches!(answer, Err(LambdaError::MalformedEvent { .. }));
        let counts = [
            ("JobsAccepted", self.dispatcher.accepted.take()),
            ("UnknownEvents", u64::from(unknown)),
            ("MalformedEvents", u64::from(malformed)),
        ];
        if let Some(line) = metrics::counts(self.dispatcher.clock.now_ms(), &counts) {
            (self.emit)(&line);
        }
        if let Err(error) = &answer {
            tracing::error!(request_id = invocation.request_id, kind = error.name(), %error, "an event was not handled");
        }
        answer
    }

    async fn act(&self, event: &Value, invocation: &Invocation) -> Result<Value, LambdaError> {
        match classify(event) {
            Event::Http(format) => self.serve(format, event, invocation).await,
            Event::Submission(submission) => {
                // Lambda calls a repetition of an asynchronous invocation by the same name.
                let request_id = Some(&invocation.request_id).filter(|id| !id.is_empty()).cloned();
                let occurrence = submission.occurrence.or(request_id);
                let trace = invocation.trace.clone();
                self.submit(Submission { occurrence, trace, ..submission }).await
            }
            Event::Uploads(found) => uploads::dispatch(&self.dispatcher, found).await,
            Event::Messages(deliveries) => self.receive(deliveries, invocation.deadline_ms).await,
            Event::Ignored(what) => Ok(json!({ "ignored": what })),
            Event::Malformed { door, problem } => Err(LambdaError::MalformedEvent { door, problem }),
            Event::Unknown { shape } => Err(LambdaError::UnknownEvent { shape }),
        }
    }

    async fn serve(
        &self,
        format: super::HttpFormat,
        event: &Value,
        invocation: &Invocation,
    ) -> Result<Value, LambdaError> {
        let malformed = |problem| LambdaError::MalformedEvent { door: Door::Http, problem };
        let call = match authorized(event, self.tokens.tenant_claim.as_deref()) {
            Ok(caller) => http::read(format, event, caller).map_err(malformed)?,
            Err(claim) => return Ok(http::without_tenant(format, claim)),
        };
        let remaining_ms = invocation.remaining_ms(&self.dispatcher.clock);
        http::answer(&self.dispatcher, call, remaining_ms, &self.tokens).await.map_err(malformed)
    }

    /// Submits what an event asks for. Answers with what polls it.
    pub(super) async fn submit(&self, submission: Submission<'_>) -> Result<Value, LambdaError> {
        let Submission { door, occurrence, trace, ask } = submission;
        let failed = |error| LambdaError::Submission { door, error };
        let malformed = |problem| LambdaError::MalformedEvent { door, problem };
        match ask {
            Ask::Job(asked) => match read_submission(&asked.to_string()) {
                Ok::<JobSpec, _>(spec) => {
                    let spec = JobSpec { traceparent: spec.traceparent.or(trace), ..spec };
                    self.job(spec, door, occurrence).await.map_err(failed)
                }
                Err(problem) => {
                    let refused =
                        self.unreadable_job(asked, door, occurrence, &problem).await.map_err(failed)?;
                    refused.ok_or_else(|| malformed(problem))
                }
            },
            Ask::Batch(spec) => {
                let mut spec: BatchSpec = read_submission(&spec.to_string()).map_err(malformed)?;
                spec.traceparent = spec.traceparent.or(trace);
                spec.refuse_local_sources().map_err(|rejection| malformed(rejection.to_string()))?;
                self.batch(spec, door, occurrence).await.map_err(failed)
            }
            Ask::NewObjects { batch, schedule, due } => {
                let due_ms = moment_ms(due).map_err(malformed)?;
                let mut spec: BatchSpec = read_submission(&batch.to_string()).map_err(malformed)?;
                spec.traceparent = spec.traceparent.or(trace);
                let (spec, origin) = of_a_batch(spec, door, occurrence);
                let submitted = self.dispatcher.submit_new_objects(spec, &origin, schedule, due_ms).await;
                submitted.map(|submitted| polled(&submitted)).map_err(failed)
            }
        }
    }

    async fn job(&self, spec: JobSpec, door: Door, occurrence: Option<String>) -> Result<Value, SubmitError> {
        let (spec, origin) = door.told(spec, occurrence);
        if door.is_attended() {
            return self.dispatcher.submit(spec, &origin).await.map(|job| accepted(&job));
        }
        let answers = self.dispatcher.submit_unattended(vec![(spec, origin)]).await;
        answers
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(unanswered("submit").into()))
            .map(|job| accepted(&job))
    }

    /// Records that a job was refused which is written wrongly and nobody waits for. `None` where there is no room for
    /// its row, or somebody waits.
    async fn unreadable_job(
        &self,
        asked: &Value,
        door: Door,
        occurrence: Option<String>,
        problem: &str,
    ) -> Result<Option<Value>, SubmitError> {
        let Some(spec) = JobSpec::salvaged(asked).filter(|_| !door.is_attended()) else { return Ok(None) };
        let (spec, origin) = door.told(spec, occurrence);
        let refused = self.dispatcher.refuse(&spec, &origin, Refusal::invalid(problem)).await?;
        Ok(refused.map(|job| accepted(&job)))
    }

    async fn batch(
        &self,
        spec: BatchSpec,
        door: Door,
        occurrence: Option<String>,
    ) -> Result<Value, SubmitError> {
        let (spec, origin) = of_a_batch(spec, door, occurrence);
        Ok(polled(&self.dispatcher.submit_batch(spec, &origin).await?))
    }
}

/// A batch that came through a door, and how its id is derived.
fn of_a_batch(mut spec: BatchSpec, door: Door, occurrence: Option<String>) -> (BatchSpec, Origin) {
    let origin = Origin { source: door.as_str(), occurrence };
    if spec.batch_id.is_none() && spec.idempotency_key.is_none() {
        let told = door.told_id(origin.occurrence.as_deref()).filter(|id| id.len() <= BATCH_ID_MAX_CHARS);
        spec.batch_id = told.or_else(|| origin.id(&Tenant::default_tenant()).map(String::from));
    }
    (spec, origin)
}

/// What polls a job.
fn accepted(Submitted { record, created }: &Submitted<JobRecord>) -> Value {
    json!({"job_id": record.id, "status": record.status, "created": created})
}

/// What polls a batch.
fn polled(submitted: &Submitted<BatchRecord>) -> Value {
    let row = &submitted.record;
    json!({"batch_id": row.id, "status": row.status, "created": submitted.created})
}

fn moment_ms(text: &str) -> Result<u64, String> {
    let moment = text.parse::<jiff::Timestamp>().ok();
    let ms = moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok());
    ms.ok_or_else(|| {
        "`scheduled_time` is no time, expected RFC 3339 such as `2030-01-31T12:00:00Z`".to_owned()
    })
}
