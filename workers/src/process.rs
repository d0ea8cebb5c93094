//! The pipeline of one delivery: gate -> claim -> run -> settle -> record -> publish -> mark -> acknowledge.
//!
//! Order is law. The message that is still on the queue is the outbox: a crash anywhere in here leads to a redelivery
//! that finds the row as it was left and repeats the rest, and every step may be repeated.

use std::borrow::Cow;
use std::time::Duration;

use gantz_core::envelope::{Envelope, EnvelopeError, Parameters};
use gantz_core::event;
use gantz_core::host::{Clock, Entropy};
use gantz_core::job::{JobRecord, JobResult, ResultPlace};
use gantz_core::lifecycle::{
    self, Claim, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict, Held, Release, ReleaseVerdict,
};
use gantz_core::limits::{LEASE_MS, RESULT_MAX_BYTES, SETTLE_MARGIN_MS};
use gantz_core::manifest::ToolSpec;
use gantz_core::outcome::{ErrorKind, Failure, JobError, Outcome, Retry};
use gantz_core::policy::ToolPolicy;
use gantz_core::ports::{BlobError, BlobStore, PortError, PortResult, Ports, Postponed, read_parameters};
use gantz_core::retry;
use gantz_core::settle::{AttemptEnd, Settlement, settle};
use gantz_core::tool::Call;
use gantz_core::trace::TraceParent;
use serde_json::Value;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::delivery::{Delivery, Disposition};
use crate::gate::{Admission, Gates, Pass, Wish};
use crate::lane_switch::LaneSwitch;
use crate::metrics::{Measure, Observer};
use crate::registry::{ReadyTool, Toolbox};
use crate::run::{Attempt, RunEnd};

/// Tries to record an outcome or to settle a message, and the pause before the second one. It doubles: six seconds in all, a fifth of a lease.
const INSIST_TRIES: u32 = 6;
const INSIST_PAUSE: Duration = Duration::from_millis(200);
/// A lease is never believed to end sooner than this, so that two deliveries do not spin around each other.
const LEASE_HELD_MIN_MS: u64 = 100;

/// What runs jobs: the ports, the tools, and a name.
pub struct Worker {
    pub(crate) ports: Ports,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) observer: Observer,
    tools: Toolbox,
    gates: Gates,
    name: String,
}

/// Whether a job is this delivery's to run.
enum Claimed {
    Granted(Box<JobRecord>),
    Not(Disposition),
}

impl Worker {
    /// A worker with a name of its own; leases and finished rows carry it.
    pub fn new(
        ports: Ports,
        tools: Toolbox,
        clock: Clock,
        entropy: Entropy,
        name: impl Into<String>,
    ) -> Self {
        let gates = Gates::new(ports.limits.clone(), clock.clone(), entropy.clone());
        let observer = Observer::default();
        Self { ports, clock, entropy, observer, tools, gates, name: name.into() }
    }

    /// The same worker, that tells this observer what happens.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self { observer, ..self }
    }

    /// Whether nothing of that lane may be begun now.
    pub(crate) async fn is_paused(&self, switch: &LaneSwitch) -> bool {
        switch.is_paused(&*self.ports.limits, self.clock.now_ms()).await
    }

    /// Takes one delivery as far as it goes, and says what becomes of its message. Whatever is logged on the way has the ids
    /// of the message and its job.
    pub async fn process(&self, delivery: &Delivery<'_>) -> Disposition {
        let span = tracing::info_span!(
            "delivery",
            message_id = delivery.message.id,
            job_id = Empty,
            tool = Empty,
            trace_id = Empty,
            attempt = Empty,
            status = Empty,
        );
        self.process_within(delivery).instrument(span).await
    }

    async fn process_within(&self, delivery: &Delivery<'_>) -> Disposition {
        let disposition = self.deliver(delivery).await.unwrap_or_else(|error| {
            let message = delivery.message;
            if let PortError::Damaged(why) = error {
                // Another delivery would find the same.
                return Disposition::Quarantine(why);
            }
            if !error.is_said() {
                tracing::warn!(message_id = message.id, %error, "a delivery was interrupted and will be repeated");
            }
            let delay_ms = retry::after_port_failure_ms(message.receives);
            Disposition::Postpone { delay_ms, why: Postponed::PortFailed(error.to_string()) }
        });
        if let Disposition::Postpone { why, .. } = &disposition {
            self.observer.note(Measure::Deferred { why: why.as_str() });
        }
        tracing::info!(outcome = disposition.as_str(), "processed");
        disposition
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> PortResult<Disposition> {
        let envelope = match Envelope::parse(&delivery.message.body) {
            Ok(envelope) => envelope,
            Err(EnvelopeError::Version { .. }) => {
                let delay_ms = self.not_here_ms(delivery);
                return Ok(Disposition::Postpone { delay_ms, why: Postponed::LaterVersion });
            }
            Err(error) => return Ok(Disposition::Quarantine(error.to_string())),
        };
        let span = Span::current();
        span.record("job_id", envelope.job.id.as_str()).record("tool", &envelope.job.tool);
        if let Some(trace) = &envelope.trace {
            span.record("trace_id", trace.trace_id());
        }
        let Some(tool) = self.tools.get(&envelope.job.tool) else {
            // Another worker of the lane may have a later manifest, or this one soon will.
            let claim = self.claim_for(&envelope, delivery);
            return self.wait(&envelope, &claim, self.not_here_ms(delivery), Postponed::UnknownTool).await;
        };

        // Due: a queue may deliver a message before its job is.
        let now_ms = self.clock.now_ms();
        if let Some(early_ms) =
            envelope.not_before_ms.and_then(|due_ms| due_ms.checked_sub(now_ms)).filter(|&ms| ms > 0)
        {
            let claim = self.claim_for(&envelope, delivery);
            return self.wait(&envelope, &claim, early_ms, Postponed::NotDue).await;
        }

        // Time: what could not end in it is not started.
        let own_ms = tool.spec.policy.timeout_ms;
        let Some(timeout_ms) = delivery.tenure.timeout_ms(own_ms, self.clock.now_ms()) else {
            return Ok(Disposition::HAND_BACK);
        };

        // Gate: before the claim, so that waiting costs no attempt.
        let parameters = self.key_parameters(&envelope, &tool.spec.policy).await?;
        let wish = Wish {
            tool: &envelope.job.tool,
            tenant: &envelope.job.tenant,
            parameters: &parameters,
            receives: delivery.message.receives,
        };
        let pass = match self.gates.admit(wish, &tool.spec.policy).await? {
            Admission::Go(pass) => pass,
            Admission::Later { delay_ms, why } => {
                let claim = self.claim_for(&envelope, delivery);
                return self.wait(&envelope, &claim, delay_ms, why).await;
            }
        };

        // Claim.
        let claim = self.claim_for(&envelope, delivery);
        let held_by = claim.owner.clone();
        let verdict = self.ports.jobs.claim(claim).await?;
        let row = match self.claimed(&envelope, verdict).await? {
            Claimed::Granted(row) => row,
            Claimed::Not(disposition) => {
                self.gates.give_back(pass).await;
                return Ok(disposition);
            }
        };
        let held = Held { id: row.id.clone(), attempt: row.attempt, owner: held_by };
        span.record("attempt", row.attempt);
        self.note_start(&row);

        // Run.
        let (ports, clock) = (&self.ports, &self.clock);
        let attempt = Attempt { ports, clock, delivery, held: &held, row: &row, timeout_ms };
        let end = match self.run(&attempt, tool, envelope.parameters, envelope.trace).await? {
            RunEnd::Ended(end) => end,
            RunEnd::LeaseLost => {
                tracing::warn!(job_id = %held.id, attempt = held.attempt, "lost the lease while running");
                self.gates.give_back(pass).await;
                return Ok(Disposition::Leave);
            }
        };
        self.report(pass, &end).await;

        // Settle, record.
        let retry = tool.spec.policy.retry;
        let now_ms = self.clock.now_ms();
        let ending = match settle(end, &row, &retry, now_ms, self.entropy.next()) {
            Settlement::Succeed(value) => self.success(value).await?,
            Settlement::End(ending) => ending,
            Settlement::Release(release) => return self.release(delivery, &held, release).await,
        };
        self.finish(delivery, &held, ending).await
    }

    /// What limits by a parameter are counted by: the parameters, fetched if they travel by reference and one is needed.
    /// Those that can never be had end their job later, and count together.
    async fn key_parameters<'e>(
        &self,
        envelope: &'e Envelope,
        policy: &ToolPolicy,
    ) -> PortResult<Cow<'e, Value>> {
        if policy.key_parameters().next().is_none() {
            return Ok(Cow::Owned(Value::Null));
        }
        match &envelope.parameters {
            Parameters::Inline(value) => Ok(Cow::Borrowed(value)),
            by_reference => match read_parameters(&*self.ports.blobs, by_reference.clone()).await {
                Ok(value) => Ok(Cow::Owned(value)),
                Err(BlobError::Port(error)) if error.is_transient() => Err(error),
                Err(_) => Ok(Cow::Owned(Value::Null)),
            },
        }
    }

    /// When another worker may look at what this one cannot handle.
    fn not_here_ms(&self, delivery: &Delivery<'_>) -> u64 {
        retry::not_here_ms(delivery.message.receives, self.entropy.next())
    }

    fn claim_for(&self, envelope: &Envelope, delivery: &Delivery<'_>) -> Claim {
        let (message, now_ms) = (delivery.message, self.clock.now_ms());
        Claim {
            first_seen: JobRecord::queued(envelope.job.clone()),
            // Unique to this delivery, as no other has both this message and this count.
            owner: format!("{}/{}/{}", self.name, message.id, message.receives),
            lease_until_ms: delivery.tenure.lease_until_ms(now_ms),
            now_ms,
            redelivered: message.receives > 1,
        }
    }

    /// What a claim's verdict means for the message, unless the job is to run.
    async fn claimed(&self, envelope: &Envelope, verdict: ClaimVerdict) -> PortResult<Claimed> {
        let disposition = match verdict {
            ClaimVerdict::Granted(row) => return Ok(Claimed::Granted(row)),
            ClaimVerdict::Finished(row) => self.announce_found(&envelope.parameters, &row).await?,
            ClaimVerdict::HeldUntil { lease_until_ms } => self.come_back_at(lease_until_ms),
            ClaimVerdict::GiveUp { attempt_seen, ending } => {
                self.give_up(envelope, attempt_seen, *ending).await?
            }
            ClaimVerdict::Foreign => {
                let reason = format!("the job `{}` was recorded with other parameters", envelope.job.id);
                Disposition::Quarantine(reason)
            }
        };
        Ok(Claimed::Not(disposition))
    }

    /// Postpones a delivery that its tool has no room for, but not past the job's deadline. A job that would not run
    /// anyway, as it was cancelled or its deadline has passed, does not wait for its tool: that may be down for days.
    async fn wait(
        &self,
        envelope: &Envelope,
        claim: &Claim,
        delay_ms: u64,
        why: Postponed,
    ) -> PortResult<Disposition> {
        let row = self.ports.jobs.get(&envelope.job.id).await?;
        match self.claimed(envelope, lifecycle::claim(row.as_ref(), claim)).await? {
            Claimed::Granted(row) => {
                let left_ms = row.deadline_ms.map_or(u64::MAX, |at_ms| at_ms.saturating_sub(claim.now_ms));
                Ok(Disposition::Postpone { delay_ms: delay_ms.min(left_ms), why })
            }
            Claimed::Not(disposition) => Ok(disposition),
        }
    }

    async fn run(
        &self,
        attempt: &Attempt<'_>,
        ready: &ReadyTool,
        parameters: Parameters,
        trace: Option<TraceParent>,
    ) -> PortResult<RunEnd> {
        let row = attempt.row;
        let refused =
            |kind, message| Ok(RunEnd::Ended(AttemptEnd::Answered(Outcome::permanent(kind, message))));
        let Some(tool) = &ready.tool else {
            let message = format!("this worker has no handler `{}`", ready.handler);
            return refused(ErrorKind::HandlerUnavailable, message);
        };
        let parameters = match read_parameters(&*self.ports.blobs, parameters).await {
            Ok(parameters) => parameters,
            Err(BlobError::Port(error)) if error.is_transient() => {
                let why = format!("the parameters could not be read: {error}");
                return Ok(RunEnd::Ended(AttemptEnd::NotStarted(why)));
            }
            Err(BlobError::Port(error)) => {
                let why = format!("the parameters cannot be read: {error}");
                return refused(ErrorKind::Unavailable, why);
            }
            Err(error) => return refused(ErrorKind::Invalid, error.to_string()),
        };
        let call = Call {
            job_id: row.id.clone(),
            effect_key: row.effect_key().clone(),
            tool: row.tool.clone(),
            attempt: row.attempt,
            timeout_ms: attempt.timeout_ms,
            trace,
            parameters,
        };
        let began_ms = self.clock.now_ms();
        let end = match attempt.run(tool.clone(), call).await {
            RunEnd::Ended(end) => RunEnd::Ended(keep_promise(&ready.spec, end)),
            RunEnd::LeaseLost => RunEnd::LeaseLost,
        };
        self.observer.note(Measure::ToolRan {
            tool: row.tool.clone(),
            elapsed_ms: self.clock.now_ms().saturating_sub(began_ms),
            success: matches!(end, RunEnd::Ended(AttemptEnd::Answered(Outcome::Done(_)))),
        });
        Ok(end)
    }

    /// Tells the breaker. What another attempt could mend speaks against the dependency; a job's own fault, or its
    /// cancellation, does not.
    async fn report(&self, pass: Pass, end: &AttemptEnd) {
        let success = match end {
            AttemptEnd::Answered(Outcome::Done(_)) => true,
            AttemptEnd::Answered(Outcome::Failed(Failure { retry, .. })) => *retry == Retry::Never,
            AttemptEnd::TimedOut(_) | AttemptEnd::Panicked(_) => false,
            // The call did not end by itself: it says nothing.
            _ => return self.gates.give_back(pass).await,
        };
        self.gates.report(pass, success).await;
    }

    /// The ending of a job that produced `value`: by reference if it is large, a failure if it is too large.
    async fn success(&self, value: Value) -> PortResult<Ending> {
        let text = value.to_string();
        match ResultPlace::of(text.len()) {
            ResultPlace::Row => Ok(Ending::succeeded(JobResult::Inline(value))),
            ResultPlace::Blob => {
                let reference = insist(|| put(&*self.ports.blobs, &text)).await?;
                Ok(Ending::succeeded(JobResult::Ref(reference)))
            }
            ResultPlace::Nowhere => {
                let bytes = text.len();
                let message = format!("the result has {bytes} bytes, at most {RESULT_MAX_BYTES} are kept");
                Ok(Ending::failed(JobError::new(ErrorKind::ResultTooLarge, message)))
            }
        }
    }

    async fn finish(&self, delivery: &Delivery<'_>, held: &Held, ending: Ending) -> PortResult<Disposition> {
        let ending = self.keeping(ending, delivery.message).await;
        let now_ms = self.clock.now_ms();
        match insist(|| self.ports.jobs.finish(held, ending.clone(), now_ms)).await? {
            FinishVerdict::Committed(row) => {
                self.note_end(&row);
                self.announce(&row).await
            }
            FinishVerdict::Already(row) => self.announce(&row).await,
            FinishVerdict::Otherwise(row) => self.announce_found_after_run(delivery.message, &row).await,
            FinishVerdict::FencedOut => Ok(self.fenced_out(held)),
        }
    }

    async fn release(
        &self,
        delivery: &Delivery<'_>,
        held: &Held,
        release: Release,
    ) -> PortResult<Disposition> {
        let now_ms = self.clock.now_ms();
        let retry_at_ms = release.retry_at_ms;
        match insist(|| self.ports.jobs.release(held, release.clone(), now_ms)).await? {
            ReleaseVerdict::Released(_) => {
                let delay_ms = retry_at_ms.saturating_sub(now_ms);
                Ok(Disposition::Postpone { delay_ms, why: Postponed::Retry })
            }
            ReleaseVerdict::CancelAsked => {
                self.finish(delivery, held, Ending::cancelled("cancelled between two attempts")).await
            }
            ReleaseVerdict::Finished(row) => self.announce_found_after_run(delivery.message, &row).await,
            ReleaseVerdict::FencedOut => Ok(self.fenced_out(held)),
        }
    }

    pub(crate) async fn give_up(
        &self,
        envelope: &Envelope,
        attempt_seen: u32,
        ending: Ending,
    ) -> PortResult<Disposition> {
        let first_seen = JobRecord::queued(envelope.job.clone());
        let ending = ending.keeping(self.kept(&envelope.parameters).await);
        let now_ms = self.clock.now_ms();
        match self.ports.jobs.give_up(first_seen, attempt_seen, ending, now_ms).await? {
            GiveUpVerdict::Committed(row) => {
                self.note_end(&row);
                self.announce(&row).await
            }
            GiveUpVerdict::Finished(row) => self.announce_found(&envelope.parameters, &row).await,
            GiveUpVerdict::MovedOn => Ok(self.come_back_at(now_ms)),
        }
    }

    /// Publish, mark, acknowledge: what follows once a job's row is terminal, each time its message is delivered.
    pub(crate) async fn announce(&self, row: &JobRecord) -> PortResult<Disposition> {
        if let Some(event) = event::completion(row) {
            self.publish(event).await?;
        }
        if let (Some(parent), Some(index)) = (&row.parent, row.index) {
            let ended = self.ports.batches.mark(parent, index, row.status, self.clock.now_ms()).await?;
            if let Some(event) = ended.as_ref().and_then(event::batch_completion) {
                self.publish(event).await?;
            }
        }
        Ok(Disposition::Acknowledge)
    }

    async fn publish(&self, event: event::Event) -> PortResult<()> {
        let answers = self.ports.events.publish(vec![event]).await?;
        match answers.into_iter().next() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(PortError::Transient(format!("the event was refused: {error}"))),
            None => Err(PortError::Transient("the event was not answered".into())),
        }
    }

    pub(crate) fn come_back_at(&self, at_ms: u64) -> Disposition {
        let delay_ms = at_ms.saturating_sub(self.clock.now_ms()).max(LEASE_HELD_MIN_MS);
        Disposition::Postpone { delay_ms, why: Postponed::LeaseHeld }
    }

    fn fenced_out(&self, held: &Held) -> Disposition {
        tracing::warn!(job_id = %held.id, attempt = held.attempt, "a later attempt has the job");
        self.observer.note(Measure::FencedOut);
        Disposition::Leave
    }

    fn note_start(&self, row: &JobRecord) {
        if row.attempt == 1 {
            let queue_delay_ms = self.clock.now_ms().saturating_sub(row.created_at_ms);
            self.observer.note(Measure::Started { queue_delay_ms });
        }
    }

    fn note_end(&self, row: &JobRecord) {
        Span::current().record("status", row.status.as_str());
        self.observer.note(Measure::Finished { status: row.status, attempts: row.attempts_used() });
    }
}

/// Repeats what follows a finished run while the backend has a passing fault, for as long as the lease is sure to hold:
/// to give up would lose the result, or cost an attempt that was to be free, and leave an at-most-once job in doubt. Or
/// leave its message with nobody.
pub(crate) async fn insist<T, F: Future<Output = PortResult<T>>>(call: impl Fn() -> F) -> PortResult<T> {
    let mut pause = INSIST_PAUSE;
    for _ in 1..INSIST_TRIES {
        match call().await {
            Err(error) if error.is_transient() => {
                if !error.is_said() {
                    tracing::warn!(%error, ?pause, "failed to settle a job, trying again");
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            settled => return settled,
        }
    }
    call().await
}

/// Stores a blob of JSON.
pub(crate) async fn put(blobs: &dyn BlobStore, text: &str) -> PortResult<String> {
    Ok(blobs.put(text.as_bytes().to_vec()).await?)
}

/// A result that does not fit the schema its tool promises is a failure, which the next attempt would repeat.
fn keep_promise(spec: &ToolSpec, end: AttemptEnd) -> AttemptEnd {
    match end {
        AttemptEnd::Answered(Outcome::Done(value)) => AttemptEnd::Answered(match spec.check_output(&value) {
            Ok(()) => Outcome::Done(value),
            Err(error) => {
                let message = format!("the result does not fit the tool's `output`: {error}");
                Outcome::permanent(ErrorKind::ToolError, message)
            }
        }),
        other => other,
    }
}

/// How long a received message stays invisible at first; heartbeats extend it.
pub(crate) const VISIBILITY_MS: u64 = LEASE_MS + SETTLE_MARGIN_MS;
