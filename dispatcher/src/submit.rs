//! From a submission to a recorded and queued job: admit -> record -> send.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gantz_core::admit::{Admission, Origin, Rejection, admit};
use gantz_core::admit_batch::{BatchAdmission, BatchSource, BatchSpec, admit_batch};
use gantz_core::batch::BatchRecord;
use gantz_core::envelope::Parameters;
use gantz_core::event::{self, Event};
use gantz_core::host::{Clock, Entropy};
use gantz_core::ids::{JobId, QueueName};
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{AcceptVerdict, CancelVerdict, accept};
use gantz_core::limits::{BACKLOG_MAX, INLINE_PARAMETERS_MAX_BYTES, PARAMETERS_MAX_BYTES};
use gantz_core::manifest::Manifest;
use gantz_core::ports::{ByteSource, NewMessage, NewObjects, ObjectList, PortError, PortResult, Ports};
use gantz_core::spec::JobSpec;
use serde_json::Value;

use crate::backlog::Backlogs;
use crate::plan::PlanMessage;
use crate::send::{message, unanswered};

/// Why a fleet on one machine has no objects to offer.
pub(crate) const NO_OBJECTS: &str =
    "this fleet has no S3: ask one that runs on AWS, or name local files with `files`";

/// Accepts jobs and batches.
#[derive(Clone)]
pub struct Dispatcher {
    /// The backend.
    pub ports: Ports,
    /// The tools.
    pub manifest: Arc<Manifest>,
    /// The time.
    pub clock: Clock,
    /// Randomness for ids.
    pub entropy: Entropy,
    /// Queued jobs of a lane past which submissions are refused for the moment.
    pub backlog_max: u64,
    /// How much room the queues have below that, as far as is known.
    pub backlogs: Backlogs,
    /// Jobs recorded, for whoever counts.
    pub accepted: Tally,
    /// Which objects buckets have, where there are any.
    pub objects: Option<Arc<dyn ObjectList>>,
    /// What is in those objects.
    pub object_bytes: Option<Arc<dyn ByteSource>>,
    /// Which objects schedules have taken, where there are any.
    pub new_objects: Option<Arc<dyn NewObjects>>,
}

/// A count that can be taken away. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<AtomicU64>);

impl Tally {
    /// What was counted since it was last taken away.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// What was counted since the last time.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }
}

/// A submission was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted<R> {
    /// The row, as recorded now or before.
    pub record: R,
    /// Whether this call recorded it.
    pub created: bool,
}

/// What became of a job.
type Accepted = Result<Submitted<JobRecord>, SubmitError>;
/// Something with its place among others.
type Placed<T> = (usize, T);

/// A submission was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It is wrong.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The parameters are too large.
    #[error(
        "the parameters have {bytes} bytes, at most {PARAMETERS_MAX_BYTES} are accepted; put the data into a file and pass its name"
    )]
    TooLarge {
        /// Their size as JSON.
        bytes: usize,
    },
    /// The id belongs to another job.
    #[error(
        "`{id}` was accepted before with other parameters; use another id or key, or submit the same parameters"
    )]
    Conflict {
        /// The id.
        id: JobId,
    },
    /// Too many jobs are queued.
    #[error("{queued} jobs are queued and at most {bound} may be: try again later")]
    Backlog {
        /// Jobs queued in the lane.
        queued: u64,
        /// The bound.
        bound: u64,
    },
    /// The backend failed. The job may have been recorded: submit it again under the same id or key.
    #[error("the backend failed: {0}")]
    Port(#[from] PortError),
}

impl SubmitError {
    /// Whether the same submission is refused whenever it comes again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::TooLarge { .. } | Self::Conflict { .. } => true,
            Self::Backlog { .. } | Self::Port(_) => false,
        }
    }

    /// Whether the log has been told of it; see [`PortError::is_said`].
    pub fn is_said(&self) -> bool {
        matches!(self, Self::Port(error) if error.is_said())
    }
}

impl Dispatcher {
    /// A dispatcher with the usual bounds, and without S3.
    pub fn new(ports: Ports, manifest: Arc<Manifest>, clock: Clock, entropy: Entropy) -> Self {
        Self {
            ports,
            manifest,
            clock,
            entropy,
            backlog_max: BACKLOG_MAX,
            backlogs: Backlogs::default(),
            accepted: Tally::default(),
            objects: None,
            object_bytes: None,
            new_objects: None,
        }
    }

    /// With the objects of buckets.
    #[must_use]
    pub fn with_objects(self, objects: impl ObjectList + ByteSource) -> Self {
        let objects = Arc::new(objects);
        Self { objects: Some(Arc::clone(&objects) as _), object_bytes: Some(objects), ..self }
    }

    /// Accepts a job: once this returns, its row is durable and its message is on the queue.
    ///
    /// # Errors
    /// When the job is refused or the backend fails. Submitting again is always right.
    pub async fn submit(&self, spec: JobSpec, origin: &Origin) -> Result<Submitted<JobRecord>, SubmitError> {
        let answers = self.submit_all(vec![(spec, origin.clone())]).await;
        answers.into_iter().next().unwrap_or_else(|| Err(unanswered("submit").into()))
    }

    /// Accepts jobs, each as [`Dispatcher::submit`] does and whatever becomes of the others, in as few calls of the
    /// backend as hold them. The answers come in the order of `asked`.
    pub async fn submit_all(
        &self,
        asked: Vec<(JobSpec, Origin)>,
    ) -> Vec<Result<Submitted<JobRecord>, SubmitError>> {
        let mut answers = Vec::with_capacity(asked.len());
        let mut ready = Vec::with_capacity(asked.len());
        for (place, (spec, origin)) in asked.into_iter().enumerate() {
            let admitted = admit(spec, &self.manifest, &origin, self.clock.now_ms(), self.random());
            let prepared = match admitted {
                Ok(admission) => self.prepare(admission).await,
                Err(rejection) => Err(rejection.into()),
            };
            match prepared {
                Ok(job) => ready.push((place, job)),
                Err(error) => answers.push((place, Err(error))),
            }
        }
        answers.extend(self.record(ready).await);
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// As [`Dispatcher::submit`], of a job that was admitted.
    pub(crate) async fn submit_admitted(
        &self,
        admission: Admission,
    ) -> Result<Submitted<JobRecord>, SubmitError> {
        let ready = self.prepare(admission).await?;
        let answers = self.record(vec![(0, ready)]).await;
        answers.into_iter().next().map_or_else(|| Err(unanswered("submit").into()), |(_, answer)| answer)
    }

    async fn prepare(&self, admission: Admission) -> Result<(JobRecord, NewMessage), SubmitError> {
        let Admission { record, parameters, delay_ms, trace } = admission;
        if let Err(full) = self.hold_back(&QueueName::Lane(record.lane.clone())).await {
            // What was accepted before adds nothing to the backlog.
            self.earlier(&record).await?.ok_or(full)?;
        }
        if is_large(&parameters) {
            // A conflict leaves nothing behind, no blob either.
            self.earlier(&record).await?;
        }
        let parameters = self.check_in(parameters).await?;
        let message = message(&record, parameters, trace, delay_ms, self.ports.queue.limits().delay_ms)?;
        Ok((record, message))
    }

    /// The row of the same job, if it was accepted before.
    async fn earlier(&self, record: &JobRecord) -> Result<Option<JobRecord>, SubmitError> {
        let row = self.ports.jobs.get(&record.id).await?;
        match accept(row.as_ref(), record) {
            AcceptVerdict::Created => Ok(None),
            AcceptVerdict::Exists(row) => Ok(Some(*row)),
            AcceptVerdict::Conflict(_) => Err(SubmitError::Conflict { id: record.id.clone() }),
        }
    }

    /// Records jobs and sends their messages, lane by lane.
    async fn record(&self, ready: Vec<Placed<(JobRecord, NewMessage)>>) -> Vec<Placed<Accepted>> {
        if ready.is_empty() {
            return Vec::new();
        }
        let records = ready.iter().map(|(_, (record, _))| record.clone()).collect();
        let verdicts = match self.accept(records).await {
            Ok(verdicts) => verdicts,
            Err(error) => {
                let failed = |(place, _)| (place, Err(error.clone().into()));
                return ready.into_iter().map(failed).collect();
            }
        };
        let mut lanes: BTreeMap<QueueName, (Vec<NewMessage>, Vec<usize>)> = BTreeMap::new();
        let mut answers = Vec::with_capacity(ready.len());
        for ((place, (record, message)), verdict) in ready.into_iter().zip(verdicts) {
            if verdict.needs_sending() {
                let (messages, places) = lanes.entry(QueueName::Lane(record.lane.clone())).or_default();
                messages.push(message);
                places.push(place);
            }
            answers.push((place, self.answer(record, verdict)));
        }
        for (queue, (messages, places)) in lanes {
            if let Err(error) = self.send(&queue, messages).await {
                let unsent = answers.iter_mut().filter(|(place, _)| places.contains(place));
                unsent.for_each(|(_, answer)| *answer = Err(error.clone().into()));
            }
        }
        answers
    }

    /// Records jobs: a verdict for each.
    pub(crate) async fn accept(&self, records: Vec<JobRecord>) -> PortResult<Vec<AcceptVerdict>> {
        let jobs = records.len();
        let verdicts = self.ports.jobs.accept(records).await?;
        if verdicts.len() == jobs { Ok(verdicts) } else { Err(unanswered("accept")) }
    }

    fn answer(&self, record: JobRecord, verdict: AcceptVerdict) -> Accepted {
        match verdict {
            AcceptVerdict::Created => {
                self.accepted.add(1);
                Ok(Submitted { record, created: true })
            }
            AcceptVerdict::Exists(row) => Ok(Submitted { record: *row, created: false }),
            AcceptVerdict::Conflict(_) => Err(SubmitError::Conflict { id: record.id }),
        }
    }

    /// Accepts a batch: once this returns, its row is durable and its planning will happen.
    ///
    /// # Errors
    /// As [`Dispatcher::submit`].
    pub async fn submit_batch(
        &self,
        spec: BatchSpec,
        origin: &Origin,
    ) -> Result<Submitted<BatchRecord>, SubmitError> {
        let admission = admit_batch(spec, &self.manifest, origin, self.clock.now_ms(), self.random())?;
        self.submit_admitted_batch(admission).await
    }

    /// As [`Dispatcher::submit_batch`], of a schedule's run that takes only objects that no earlier run has taken.
    /// `due_ms`, milliseconds since the epoch, is when it was due; a time that has not come yet counts as now.
    ///
    /// # Errors
    /// As [`Dispatcher::submit`].
    pub async fn submit_new_objects(
        &self,
        spec: BatchSpec,
        origin: &Origin,
        schedule: &str,
        due_ms: u64,
    ) -> Result<Submitted<BatchRecord>, SubmitError> {
        let now_ms = self.clock.now_ms();
        let admission = admit_batch(spec, &self.manifest, origin, now_ms, self.random())?;
        // What comes after a run has listed must be looked at by the next.
        self.submit_admitted_batch(admission.of_new_objects(schedule, due_ms.min(now_ms))?).await
    }

    /// The field that asks for objects, where this fleet has none of them.
    fn lacks(&self, source: &BatchSource) -> Option<&'static str> {
        let (pointer, has) = match source {
            BatchSource::Objects(_) => ("/s3", self.objects.is_some()),
            BatchSource::NewObjects { .. } => ("/s3", self.objects.is_some() && self.new_objects.is_some()),
            BatchSource::JsonlObject(_) => ("/jsonl", self.object_bytes.is_some()),
            BatchSource::Items(_)
            | BatchSource::Jsonl(_)
            | BatchSource::Files { .. }
            | BatchSource::Unsuccessful { .. } => return None,
        };
        (!has).then_some(pointer)
    }

    /// As [`Dispatcher::submit_batch`], of a batch that was admitted.
    pub(crate) async fn submit_admitted_batch(
        &self,
        admission: BatchAdmission,
    ) -> Result<Submitted<BatchRecord>, SubmitError> {
        self.hold_back(&QueueName::Lane(admission.record.lane.clone())).await?;
        let BatchAdmission { record, source, shared, names_deadline, trace } = admission;
        if let Some(pointer) = self.lacks(&source) {
            return Err(Rejection::Field { pointer, message: NO_OBJECTS.into() }.into());
        }
        let plan = PlanMessage::prepare(&self.ports, &record.id, source, shared, trace).await?;
        let (row, created) = match self.ports.batches.open(record.clone()).await? {
            None => (record, true),
            Some(row)
                if row.source_hash == record.source_hash
                    && row.tool == record.tool
                    && row.tenant == record.tenant =>
            {
                (row, false)
            }
            Some(row) => return Err(SubmitError::Conflict { id: row.id }),
        };
        // A batch that was recorded but whose planning never began may have lost its message.
        if row.planned == 0 && !row.planning_done {
            let group = row.tenant.group();
            let mut plans = vec![NewMessage { group: group.clone(), ..NewMessage::of(plan.to_body()?) }];
            if let Some(deadline_ms) = row.deadline_ms.filter(|_| names_deadline) {
                let body = PlanMessage::Expire { batch_id: row.id.clone() }.to_body()?;
                let ahead_ms = deadline_ms.saturating_sub(self.clock.now_ms());
                let delay_ms = ahead_ms.min(self.ports.queue.limits().delay_ms);
                plans.push(NewMessage { body, delay_ms, group });
            }
            self.send(&QueueName::Plan, plans).await?;
        }
        Ok(Submitted { record: row, created })
    }

    /// Cancels a job, or asks its worker to.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn cancel(&self, id: &JobId) -> PortResult<CancelVerdict> {
        self.ports.jobs.cancel(id, self.clock.now_ms()).await
    }

    /// Cancels a batch: no more children are planned, and those that were are cancelled one after another.
    ///
    /// # Errors
    /// When the backend fails.
    pub async fn cancel_batch(&self, id: &JobId) -> Result<Option<BatchRecord>, SubmitError> {
        let row = self.ports.batches.cancel_batch(id, self.clock.now_ms()).await?;
        if let Some(row) = row.as_ref().filter(|row| !row.is_finished()) {
            let body = PlanMessage::Cancel { batch_id: id.clone() }.to_body()?;
            let plan = NewMessage { group: row.tenant.group(), ..NewMessage::of(body) };
            self.send(&QueueName::Plan, vec![plan]).await?;
        }
        Ok(row)
    }

    /// Records children and sends their messages. Children that exist already are sent again only if they were never
    /// claimed.
    pub(crate) async fn dispatch_children(&self, admissions: Vec<Admission>) -> Result<(), SubmitError> {
        let Some(first) = admissions.first() else { return Ok(()) };
        let queue = QueueName::Lane(first.record.lane.clone());
        let mut records = Vec::with_capacity(admissions.len());
        let mut messages = Vec::with_capacity(admissions.len());
        for admission in admissions {
            let parameters = self.check_in(admission.parameters).await?;
            messages.push(message(&admission.record, parameters, admission.trace, 0, 0)?);
            records.push(admission.record);
        }
        let verdicts = self.accept(records).await?;
        self.accepted
            .add(verdicts.iter().filter(|verdict| matches!(verdict, AcceptVerdict::Created)).count());
        for verdict in &verdicts {
            self.settle_orphan(verdict).await?;
        }
        let wanted = verdicts.iter().zip(messages).filter(|(verdict, _)| verdict.needs_sending());
        Ok(self.send(&queue, wanted.map(|(_, message)| message).collect()).await?)
    }

    /// Counts a child that no message may: an earlier planner recorded it and died before it was sent, and since then
    /// somebody ended it, or its source has changed so that it is another job now.
    async fn settle_orphan(&self, verdict: &AcceptVerdict) -> Result<(), SubmitError> {
        let row = match verdict {
            AcceptVerdict::Created => return Ok(()),
            AcceptVerdict::Exists(row) => row,
            AcceptVerdict::Conflict(row) if row.attempt > 0 => row,
            AcceptVerdict::Conflict(row) => match self.cancel(&row.id).await? {
                CancelVerdict::Ended(row) | CancelVerdict::Finished(row) => &row.clone(),
                CancelVerdict::Requested(_) | CancelVerdict::Unknown => return Ok(()),
            },
        };
        if row.is_finished() {
            // Its batch is still being planned, so this cannot be what ends it.
            self.tell_end_of_child(row).await?;
        }
        Ok(())
    }

    /// Tells of the end of a batch's child as its worker would: by its event, if it is to have one, and then by its mark.
    /// Returns the batch if that ended it.
    pub(crate) async fn tell_end_of_child(
        &self,
        row: &JobRecord,
    ) -> Result<Option<BatchRecord>, SubmitError> {
        let (Some(parent), Some(index)) = (&row.parent, row.index) else { return Ok(None) };
        self.publish(event::completion(row)).await?;
        Ok(self.ports.batches.mark(parent, index, row.status, self.clock.now_ms()).await?)
    }

    /// Parameters as they travel: large ones are put into a blob first.
    pub(crate) async fn check_in(&self, parameters: Value) -> Result<Parameters, SubmitError> {
        if !is_large(&parameters) {
            return Ok(Parameters::Inline(parameters));
        }
        let text = parameters.to_string();
        if text.len() > PARAMETERS_MAX_BYTES {
            return Err(SubmitError::TooLarge { bytes: text.len() });
        }
        let reference = self.ports.blobs.put(text.into_bytes()).await.map_err(PortError::from)?;
        Ok(Parameters::Ref(reference))
    }

    /// Once this returns, the event was accepted, if there is one.
    pub(crate) async fn publish(&self, event: Option<Event>) -> Result<(), SubmitError> {
        let Some(event) = event else { return Ok(()) };
        let answers = self.ports.events.publish(vec![event]).await?;
        match answers.into_iter().next() {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(PortError::Transient(format!("the event was refused: {error}")).into()),
            None => Err(unanswered("publish").into()),
        }
    }

    /// Takes a place in a queue, if it has one.
    async fn hold_back(&self, queue: &QueueName) -> Result<(), SubmitError> {
        if self.backlogs.take(queue, self.clock.now_ms()) {
            return Ok(());
        }
        let depth = self.ports.queue.depth(queue).await?;
        let (queued, bound) = (depth.visible + depth.delayed, self.backlog_max);
        let places = bound.checked_sub(queued + 1).ok_or(SubmitError::Backlog { queued, bound })?;
        self.backlogs.learn(queue, places, self.clock.now_ms());
        Ok(())
    }

    pub(crate) fn random(&self) -> [u64; 2] {
        [self.entropy.next(), self.entropy.next()]
    }
}

/// Whether parameters are put into a blob instead of the message.
fn is_large(parameters: &Value) -> bool {
    parameters.to_string().len() > INLINE_PARAMETERS_MAX_BYTES
}
