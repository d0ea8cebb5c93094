//! A dispatcher over a data directory of its own, planners that can be interrupted, and a worker by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use gantz_core::admit::Origin;
use gantz_core::admit_batch::BatchSpec;
use gantz_core::batch::{BatchProgress, BatchRecord, Counts, PlannedShard};
use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::host::{Clock, Entropy};
use gantz_core::ids::{JobId, Lane, QueueName};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{CancelVerdict, ClaimVerdict, FinishVerdict, GiveUpVerdict};
use gantz_core::limits::{LEASE_MS, PARAMETERS_MAX_BYTES};
use gantz_core::manifest::Manifest;
use gantz_core::ports::{BlobStore, JobFilter, Message, NewMessage, Ports, Receipt, Receive};
use gantz_dispatcher::plan::{self, StepEnd};
use gantz_dispatcher::{Dispatcher, SubmitError, Submitted};
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_testkit::builders::{NOW_MS, claim, failed, held, job_id, succeeded};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::plan::bucket::{Bucket, Marks};

/// With less than five seconds left nothing is begun. A few more are a shard's worth of looks at the clock, or two.
pub(crate) const SHORT_MS: u64 = 5_010;

const MANIFEST: &str = "\
name: plans
version: 1.0.0

tools:
  echo:
    description: Answers with what it was given
    parameters:
      text: {type: string, required: true}
      times: {type: integer, default: 1}
      mood: {type: string}
    handler: test.echo
  read:
    description: Reads a file
    parameters:
      path: {type: string, required: true}
      mood: {type: string}
    handler: test.read
  pay:
    description: Must not happen twice
    parameters:
      text: {type: string, required: true}
    handler: test.pay
    effects: at_most_once
  fetch:
    description: Reads an object
    parameters:
      bucket: {type: string, required: true}
      key: {type: string, required: true, max_length: 40}
      mood: {type: string}
    handler: test.fetch
";

/// A manifest that has lost every tool the tests submit.
const OTHER_MANIFEST: &str = "\
name: plans
version: 2.0.0

tools:
  other:
    description: Not what was submitted
    handler: test.other
";

/// Long enough for any of these tests on a busy machine; it passes only if something hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(1);
const ORIGIN: Origin = Origin { source: "cli", occurrence: None };

pub(crate) const BATCH: &str = "batch-0001";

/// The id of the batch that most tests submit.
pub(crate) fn batch() -> JobId {
    job_id(BATCH)
}

pub(crate) struct World {
    dispatcher: Option<Dispatcher>,
    clock_ms: Arc<AtomicU64>,
    /// How much time passes each time that somebody looks at the clock.
    tick_ms: Arc<AtomicU64>,
    folder: TempDir,
    has_s3: bool,
    bucket: Arc<Bucket>,
    marks: Arc<Marks>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_s3(false)
    }

    /// A world on AWS, as far as the planner sees.
    pub(crate) fn on_aws() -> Self {
        Self::with_s3(true)
    }

    fn with_s3(has_s3: bool) -> Self {
        let clock_ms = Arc::new(AtomicU64::new(NOW_MS));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("source")).unwrap();
        let mut world = Self {
            dispatcher: None,
            clock_ms,
            tick_ms: Arc::default(),
            folder,
            has_s3,
            bucket: Arc::default(),
            marks: Arc::default(),
        };
        world.dispatcher = Some(world.connect(MANIFEST));
        world
    }

    /// Where a test puts its sources.
    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// The folder that holds both the sources and the data directory.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a file below [`World::source`] and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn dispatcher(&self) -> &Dispatcher {
        self.dispatcher.as_ref().unwrap()
    }

    pub(crate) fn ports(&self) -> &Ports {
        &self.dispatcher().ports
    }

    /// Puts something between the dispatcher and its blobs, until it is opened again.
    pub(crate) fn wrap_blobs(&mut self, wrap: impl FnOnce(Arc<dyn BlobStore>) -> Arc<dyn BlobStore>) {
        let ports = &mut self.dispatcher.as_mut().unwrap().ports;
        ports.blobs = wrap(Arc::clone(&ports.blobs));
    }

    /// What a crash and a restart do: every handle goes, and the directory is opened again.
    pub(crate) fn reopen(&mut self) {
        self.reopen_with(MANIFEST);
    }

    /// A restart with a manifest from which the tools are gone.
    pub(crate) fn reopen_without_tools(&mut self) {
        self.reopen_with(OTHER_MANIFEST);
    }

    fn reopen_with(&mut self, manifest: &str) {
        self.dispatcher = None;
        self.dispatcher = Some(self.connect(manifest));
    }

    fn connect(&self, manifest: &str) -> Dispatcher {
        let directory = Directory::create(&self.data()).unwrap();
        let ports = Ports::of(Embedded::open(directory, self.clock(), Settings::default()).unwrap());
        let manifest = Arc::new(Manifest::parse("gantz.yaml", manifest).unwrap());
        let next = AtomicU64::new(0);
        let entropy = Entropy::new(move || next.fetch_add(1, Ordering::Relaxed));
        let mut dispatcher = Dispatcher::new(ports, manifest, self.clock(), entropy);
        if self.has_s3 {
            dispatcher.objects = Some(self.bucket.clone());
            dispatcher.object_bytes = Some(self.bucket.clone());
            dispatcher.new_objects = Some(self.marks.clone());
        }
        dispatcher
    }

    fn clock(&self) -> Clock {
        let (clock_ms, tick_ms) = (Arc::clone(&self.clock_ms), Arc::clone(&self.tick_ms));
        Clock::new(move || clock_ms.fetch_add(tick_ms.load(Ordering::Relaxed), Ordering::Relaxed))
    }

    /// From now on a millisecond passes each time that somebody looks at the clock.
    pub(crate) fn let_time_pass(&self) {
        self.tick_ms.store(1, Ordering::Relaxed);
    }

    /// Lets so much time pass at once.
    pub(crate) fn wait(&self, ms: u64) {
        self.clock_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Takes one message to the planner.
    pub(crate) async fn take_plan(&self) -> Message {
        let ask = Receive { max: 1, visibility_ms: LEASE_MS, wait_ms: 0 };
        self.ports().queue.receive(&QueueName::Plan, ask).await.unwrap().remove(0)
    }

    /// One step that has so many milliseconds.
    pub(crate) async fn try_step(&self, message: &Message, budget_ms: u64) -> Result<StepEnd, SubmitError> {
        let deadline_ms = self.now_ms() + budget_ms;
        plan::step(self.dispatcher(), message, &self.data(), Some(deadline_ms)).await
    }

    /// One step with the message that expires the batch, which a queue has delivered now.
    pub(crate) async fn try_expire(&self, budget_ms: u64) -> StepEnd {
        let message = Message {
            id: "early".into(),
            receipt: Receipt("none".into()),
            body: json!({"plan": "expire", "batch_id": BATCH}).to_string(),
            receives: 1,
            sent_at_ms: NOW_MS,
            dead_reason: None,
        };
        self.try_step(&message, budget_ms).await.unwrap()
    }

    /// Steps that have so many milliseconds each, until nothing is left to do. Returns how many there were.
    pub(crate) async fn steps(&self, message: &Message, budget_ms: u64) -> usize {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for steps in 1.. {
            if self.try_step(message, budget_ms).await.unwrap() == StepEnd::Done {
                self.ports().queue.delete(&QueueName::Plan, vec![message.receipt.clone()]).await.unwrap();
                return steps;
            }
            assert!(tokio::time::Instant::now() < deadline, "no end after {steps} steps");
        }
        unreachable!("steps are endless")
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock_ms.load(Ordering::Relaxed)
    }

    /// Lets every message in flight come back.
    pub(crate) fn outlast_leases(&self) {
        self.clock_ms.fetch_add(LEASE_MS + 1, Ordering::Relaxed);
    }

    pub(crate) async fn try_submit(&self, spec: Value) -> Result<Submitted<BatchRecord>, SubmitError> {
        let spec: BatchSpec = serde_json::from_value(spec).unwrap();
        self.dispatcher().submit_batch(spec, &ORIGIN).await
    }

    /// Submits [`batch`], from the fields that it does not share with the others.
    pub(crate) async fn submit(&self, mut spec: Value) -> BatchRecord {
        spec["batch_id"] = json!(BATCH);
        self.try_submit(spec).await.unwrap().record
    }

    /// One planner until planning is over.
    pub(crate) async fn plan(&self) -> BatchProgress {
        self.plan_until(async |world| world.progress().await.batch.planning_done).await
    }

    /// One planner until nothing is left for it to do.
    pub(crate) async fn plan_all(&self) -> BatchProgress {
        self.plan_until(async |world| world.plans_left().await == 0).await
    }

    async fn plan_until(&self, reached: impl AsyncFn(&Self) -> bool) -> BatchProgress {
        tokio::select! {
            () = self.planner() => panic!("a planner ends only when it is stopped"),
            () = self.until(reached) => {}
        }
        self.let_go().await;
        self.progress().await
    }

    /// What a planner held that was dropped comes back.
    async fn let_go(&self) {
        // Its last write may still be under way. Writes keep their order: one that changes nothing, behind it.
        let verdict = self.ports().jobs.cancel(&job_id("of-no-job"), self.now_ms()).await.unwrap();
        assert_eq!(verdict, CancelVerdict::Unknown);
        if self.ports().queue.depth(&QueueName::Plan).await.unwrap().in_flight > 0 {
            self.outlast_leases();
        }
    }

    /// A planner that leaves the data directory alone, and is never stopped.
    pub(crate) fn planner(&self) -> impl Future<Output = ()> + use<> {
        plan::serve(self.dispatcher().clone(), Arc::new(self.data()), std::future::pending())
    }

    /// Drops a planner after it was polled so many times. Its message comes back at once.
    pub(crate) async fn plan_interrupted(&self, polls: usize) {
        let planner = Polled { inner: Box::pin(self.planner()), left: polls };
        tokio::select! {
            () = planner => {}
            // It may have run out of work instead.
            () = self.until(async |world| world.plans_left().await == 0) => {}
        }
        self.let_go().await;
    }

    /// Has a planner work until only so many messages are left.
    pub(crate) async fn plan_until_left(&self, left: u64) {
        self.plan_until(async |world| world.plans_left().await == left).await;
    }

    /// Polls a planner once, when it can go on.
    pub(crate) async fn poll_once(&self, planner: &mut Pin<Box<impl Future<Output = ()>>>) {
        let mut polled = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut polled, true) {
                return Poll::Ready(());
            }
            assert!(planner.as_mut().poll(context).is_pending());
            Poll::Pending
        })
        .await;
    }

    /// Takes the plans as a planner does that dies at once.
    pub(crate) async fn hold_plans(&self) {
        let ask = Receive { max: 10, visibility_ms: LEASE_MS, wait_ms: 0 };
        let held = self.ports().queue.receive(&QueueName::Plan, ask).await.unwrap();
        assert!(!held.is_empty());
    }

    /// The bodies of all messages in the lane.
    pub(crate) async fn take_lane(&self) -> Vec<String> {
        let (lane, ask) = (lane(), Receive { max: 256, visibility_ms: LEASE_MS, wait_ms: 0 });
        let mut bodies = Vec::new();
        loop {
            let messages = self.ports().queue.receive(&lane, ask).await.unwrap();
            if messages.is_empty() {
                return bodies;
            }
            bodies.extend(messages.into_iter().map(|message| message.body));
        }
    }

    /// Sends messages to the lane.
    pub(crate) async fn put_lane(&self, bodies: Vec<String>) {
        for body in bodies {
            let message = NewMessage::of(body);
            for answer in self.ports().queue.send(&lane(), vec![message]).await.unwrap() {
                answer.unwrap();
            }
        }
    }

    pub(crate) async fn until(&self, reached: impl AsyncFn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !reached(self).await {
            assert!(tokio::time::Instant::now() < deadline, "it hangs: {:?}", self.progress().await);
            tokio::time::sleep(STEP).await;
        }
    }

    /// Messages to the planner.
    pub(crate) async fn plans_left(&self) -> u64 {
        let depth = self.ports().queue.depth(&QueueName::Plan).await.unwrap();
        depth.visible + depth.delayed + depth.in_flight
    }

    /// What an earlier planner leaves that died right after it had opened a shard.
    pub(crate) async fn open_shard(&self, number: u32, children: u32) {
        let shard = PlannedShard::new(number, children);
        let row = self.ports().batches.open_shard(&batch(), shard).await.unwrap().unwrap();
        assert!(row.open_shards.contains(&number));
    }

    pub(crate) async fn cancel(&self) {
        self.dispatcher().cancel_batch(&batch()).await.unwrap().unwrap();
    }

    pub(crate) async fn progress(&self) -> BatchProgress {
        self.progress_of(&batch()).await
    }

    pub(crate) async fn progress_of(&self, id: &JobId) -> BatchProgress {
        self.ports().batches.progress(id).await.unwrap().unwrap()
    }

    /// The batch's children, in the order of their places.
    pub(crate) async fn children(&self) -> Vec<JobRecord> {
        self.children_of(&batch()).await
    }

    pub(crate) async fn children_of(&self, id: &JobId) -> Vec<JobRecord> {
        let filter = JobFilter { parent: Some(id.clone()), ..JobFilter::default() };
        let (mut children, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.ports().jobs.list(&filter, 1_000, cursor.as_deref()).await.unwrap();
            children.extend(page.jobs);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        children.sort_by_key(|child| child.index);
        children
    }

    /// Takes every message of the lane, as a worker does, and ends each child as `ending` says. Returns the parameters
    /// of those that ran, by index. No child runs twice, however often its message comes.
    pub(crate) async fn work(&self, fails: impl Fn(u32) -> bool) -> BTreeMap<u32, Value> {
        let (lane, ask) = (lane(), Receive { max: 256, visibility_ms: LEASE_MS, wait_ms: 0 });
        let mut ran = BTreeMap::new();
        loop {
            let messages = self.ports().queue.receive(&lane, ask).await.unwrap();
            if messages.is_empty() {
                return ran;
            }
            let receipts = messages.iter().map(|message| message.receipt.clone()).collect();
            for message in messages {
                if let Some((index, parameters)) = self.work_one(&message, &fails).await {
                    assert!(ran.insert(index, parameters).is_none(), "child {index} ran twice");
                }
            }
            self.ports().queue.delete(&lane, receipts).await.unwrap();
        }
    }

    async fn work_one(&self, message: &Message, fails: impl Fn(u32) -> bool) -> Option<(u32, Value)> {
        let envelope = Envelope::parse(&message.body).unwrap();
        let index = envelope.job.index.unwrap();
        let first_seen = JobRecord::queued(envelope.job);
        let wish = claim(&first_seen, "worker", self.now_ms());
        let (row, ran) = match self.ports().jobs.claim(wish).await.unwrap() {
            ClaimVerdict::Granted(row) => {
                let kept = Some(envelope.parameters.clone());
                let ending = if fails(index) { failed().keeping(kept) } else { succeeded() };
                match self.ports().jobs.finish(&held(&row), ending, self.now_ms()).await.unwrap() {
                    FinishVerdict::Committed(row) => (row, true),
                    other => panic!("{other:?}"),
                }
            }
            ClaimVerdict::Finished(row) => (row, false),
            ClaimVerdict::GiveUp { attempt_seen, ending } => {
                let jobs = &self.ports().jobs;
                match jobs.give_up(first_seen, attempt_seen, *ending, self.now_ms()).await.unwrap() {
                    GiveUpVerdict::Committed(row) => (row, false),
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        };
        let parent = row.parent.as_ref().unwrap();
        let _ended = self.ports().batches.mark(parent, index, row.status, self.now_ms()).await.unwrap();
        if !ran {
            return None;
        }
        let parameters = match envelope.parameters {
            Parameters::Inline(value) => value,
            Parameters::Ref(reference) => {
                let bytes = self.ports().blobs.get(&reference, PARAMETERS_MAX_BYTES).await.unwrap();
                serde_json::from_slice(&bytes).unwrap()
            }
        };
        Some((index, parameters))
    }

    /// Plans the batch, works all of it off, and returns how it ended and what ran.
    pub(crate) async fn finish(&self) -> (BatchProgress, BTreeMap<u32, Value>) {
        self.plan_all().await;
        let ran = self.work(|_| false).await;
        let progress = self.progress().await;
        assert!(progress.batch.is_finished(), "{progress:?}");
        assert_eq!(progress.totals, progress.batch.counts);
        assert!(progress.batch.open_shards.is_empty());
        (progress, ran)
    }

    /// Children are numbered without gap, and each has the id of its place.
    pub(crate) async fn assert_children(&self, number: u32) -> Vec<JobRecord> {
        let children = self.children().await;
        let ids: Vec<_> = children.iter().map(|child| child.id.clone()).collect();
        let expected: Vec<_> = (0..number).map(|index| JobId::child(&batch(), index)).collect();
        assert_eq!(ids, expected);
        for (index, child) in (0..).zip(&children) {
            assert_eq!((child.index, child.parent.as_ref()), (Some(index), Some(&batch())));
        }
        children
    }

    /// The children's ends add up to the batch's.
    pub(crate) async fn assert_counted(&self) {
        let mut counts = Counts::default();
        for child in self.children().await {
            match child.status {
                JobStatus::Succeeded => counts.succeeded += 1,
                JobStatus::Failed => counts.failed += 1,
                JobStatus::Cancelled => counts.cancelled += 1,
                JobStatus::Expired => counts.expired += 1,
                other => panic!("{} is {other:?}", child.id),
            }
        }
        let progress = self.progress().await;
        assert_eq!((progress.totals, counts.finished()), (counts, progress.batch.planned));
    }
}

fn lane() -> QueueName {
    QueueName::Lane(Lane::default_lane())
}

/// A future that gives up after it was polled so many times.
struct Polled<F> {
    inner: Pin<Box<F>>,
    left: usize,
}

impl<F: Future<Output = ()>> Future for Polled<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.left == 0 {
            return Poll::Ready(());
        }
        self.left -= 1;
        if self.left == 0 {
            context.waker().wake_by_ref();
        }
        self.inner.as_mut().poll(context)
    }
}
