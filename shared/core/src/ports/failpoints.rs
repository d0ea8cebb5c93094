//! Moments at which a process dies, for tests of real programs. Compiled in by the feature `failpoints`, which no program has
//! that is built to be used.
//!
//! `GANTZ_FAILPOINT=finish:after` aborts the process when its first [`JobStore::finish`] has been answered, before anybody
//! sees the answer; `finish:before:3` when the third is about to be called. Calls that write have such points, and so has
//! `receive`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;

use super::{
    BatchStore, BlobError, BlobStore, Depth, EntryError, EventSink, JobFilter, JobPage, JobQueue, JobStore,
    Message, NewMessage, PortResult, Ports, Postponed, QueueLimits, Receipt, Receive,
};
use crate::batch::{BatchProgress, BatchRecord, PlannedShard, PlanningEnd, ShardRecord};
use crate::envelope::Parameters;
use crate::event::Event;
use crate::ids::{JobId, QueueName, Tenant};
use crate::job::{JobRecord, JobStatus};
use crate::lifecycle::{
    AcceptVerdict, CancelVerdict, Claim, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict,
    HeartbeatVerdict, Held, KeepVerdict, Release, ReleaseVerdict,
};

/// The variable that names the point.
pub const VARIABLE: &str = "GANTZ_FAILPOINT";

/// The calls before and after which a process may die.
pub const CALLS: [&str; 22] = [
    "accept",
    "claim",
    "heartbeat",
    "finish",
    "release",
    "cancel",
    "give_up",
    "keep",
    "open_batch",
    "open_shard",
    "advance",
    "end_planning",
    "mark",
    "cancel_batch",
    "put_blob",
    "publish",
    "send",
    "receive",
    "delete",
    "postpone",
    "extend",
    "quarantine",
];

/// Where this process dies, if anywhere.
#[expect(clippy::panic, reason = "a test that names a point that is not there shall not pass")]
static POINT: LazyLock<Option<Point>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).ok()?;
    Some(Point::read(&text).unwrap_or_else(|| {
        panic!("{VARIABLE} is `{text}`: expected CALL:before or CALL:after, and `:N` for the N-th call")
    }))
});

struct Point {
    call: &'static str,
    moment: Moment,
    /// Calls still to come until it is reached.
    left: AtomicU32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

impl Point {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let name = parts.next()?;
        let call = CALLS.into_iter().find(|call| *call == name)?;
        let moment = match parts.next()? {
            "before" => Moment::Before,
            "after" => Moment::After,
            _ => return None,
        };
        let left = parts.next().map_or(Ok(1), str::parse).ok()?;
        parts.next().is_none().then_some(Self { call, moment, left: AtomicU32::new(left) })
    }
}

fn pass(call: &'static str, moment: Moment) {
    let Some(point) = &*POINT else { return };
    if point.call == call && point.moment == moment && point.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}

/// The ports with their failpoints; themselves, if no point is named.
pub(super) fn arm(ports: Ports) -> Ports {
    if POINT.is_none() {
        return ports;
    }
    Ports {
        jobs: Arc::new(Armed(ports.jobs)),
        batches: Arc::new(Armed(ports.batches)),
        queue: Arc::new(Armed(ports.queue)),
        blobs: Arc::new(Armed(ports.blobs)),
        events: Arc::new(Armed(ports.events)),
        limits: ports.limits,
    }
}

struct Armed<P: ?Sized>(Arc<P>);

/// A call between its two points.
macro_rules! through {
    ($call:literal, $answer:expr) => {{
        pass($call, Moment::Before);
        let answer = $answer.await;
        pass($call, Moment::After);
        answer
    }};
}

#[async_trait]
impl JobStore for Armed<dyn JobStore> {
    async fn accept(&self, jobs: Vec<JobRecord>) -> PortResult<Vec<AcceptVerdict>> {
        through!("accept", self.0.accept(jobs))
    }

    async fn get(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        self.0.get(id).await
    }

    async fn claim(&self, claim: Claim) -> PortResult<ClaimVerdict> {
        through!("claim", self.0.claim(claim))
    }

    async fn heartbeat(&self, held: &Held, lease_until_ms: u64, now_ms: u64) -> PortResult<HeartbeatVerdict> {
        through!("heartbeat", self.0.heartbeat(held, lease_until_ms, now_ms))
    }

    async fn finish(&self, held: &Held, ending: Ending, now_ms: u64) -> PortResult<FinishVerdict> {
        through!("finish", self.0.finish(held, ending, now_ms))
    }

    async fn release(&self, held: &Held, release: Release, now_ms: u64) -> PortResult<ReleaseVerdict> {
        through!("release", self.0.release(held, release, now_ms))
    }

    async fn cancel(&self, id: &JobId, now_ms: u64) -> PortResult<CancelVerdict> {
        through!("cancel", self.0.cancel(id, now_ms))
    }

    async fn give_up(
        &self,
        first_seen: JobRecord,
        attempt_seen: u32,
        ending: Ending,
        now_ms: u64,
    ) -> PortResult<GiveUpVerdict> {
        through!("give_up", self.0.give_up(first_seen, attempt_seen, ending, now_ms))
    }

    async fn keep(&self, id: &JobId, parameters: Parameters, now_ms: u64) -> PortResult<KeepVerdict> {
        through!("keep", self.0.keep(id, parameters, now_ms))
    }

    async fn list(&self, filter: &JobFilter, limit: usize, cursor: Option<&str>) -> PortResult<JobPage> {
        self.0.list(filter, limit, cursor).await
    }

    async fn changed(
        &self,
        id: &JobId,
        seen_updated_at_ms: u64,
        wait_ms: u64,
    ) -> PortResult<Option<JobRecord>> {
        self.0.changed(id, seen_updated_at_ms, wait_ms).await
    }
}

#[async_trait]
impl BatchStore for Armed<dyn BatchStore> {
    async fn open(&self, batch: BatchRecord) -> PortResult<Option<BatchRecord>> {
        through!("open_batch", self.0.open(batch))
    }

    async fn progress(&self, id: &JobId) -> PortResult<Option<BatchProgress>> {
        self.0.progress(id).await
    }

    async fn list_batches(&self, tenant: Option<&Tenant>, limit: usize) -> PortResult<Vec<BatchRecord>> {
        self.0.list_batches(tenant, limit).await
    }

    async fn open_shard(&self, id: &JobId, shard: PlannedShard) -> PortResult<Option<BatchRecord>> {
        through!("open_shard", self.0.open_shard(id, shard))
    }

    async fn advance(&self, id: &JobId, shard: PlannedShard, cursor: Option<String>) -> PortResult<()> {
        through!("advance", self.0.advance(id, shard, cursor))
    }

    async fn shard(&self, id: &JobId, number: u32) -> PortResult<Option<ShardRecord>> {
        self.0.shard(id, number).await
    }

    async fn end_planning(
        &self,
        id: &JobId,
        end: PlanningEnd,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>> {
        through!("end_planning", self.0.end_planning(id, end, now_ms))
    }

    async fn mark(
        &self,
        id: &JobId,
        index: u32,
        status: JobStatus,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>> {
        through!("mark", self.0.mark(id, index, status, now_ms))
    }

    async fn cancel_batch(&self, id: &JobId, now_ms: u64) -> PortResult<Option<BatchRecord>> {
        through!("cancel_batch", self.0.cancel_batch(id, now_ms))
    }
}

#[async_trait]
impl JobQueue for Armed<dyn JobQueue> {
    fn limits(&self) -> QueueLimits {
        self.0.limits()
    }

    async fn send(
        &self,
        queue: &QueueName,
        messages: Vec<NewMessage>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        through!("send", self.0.send(queue, messages))
    }

    async fn receive(&self, queue: &QueueName, ask: Receive) -> PortResult<Vec<Message>> {
        pass("receive", Moment::Before);
        let messages = self.0.receive(queue, ask).await?;
        // A look that finds nothing changes nothing.
        if !messages.is_empty() {
            pass("receive", Moment::After);
        }
        Ok(messages)
    }

    async fn delete(
        &self,
        queue: &QueueName,
        receipts: Vec<Receipt>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        through!("delete", self.0.delete(queue, receipts))
    }

    async fn postpone(
        &self,
        queue: &QueueName,
        receipt: &Receipt,
        delay_ms: u64,
        why: Postponed,
    ) -> PortResult<()> {
        through!("postpone", self.0.postpone(queue, receipt, delay_ms, why))
    }

    async fn extend(&self, queue: &QueueName, receipt: &Receipt, visibility_ms: u64) -> PortResult<bool> {
        through!("extend", self.0.extend(queue, receipt, visibility_ms))
    }

    async fn quarantine(&self, queue: &QueueName, message: &Message, reason: &str) -> PortResult<()> {
        through!("quarantine", self.0.quarantine(queue, message, reason))
    }

    async fn put_back(&self, dead: &QueueName, message: &Message, group: Option<&str>) -> PortResult<()> {
        through!("send", self.0.put_back(dead, message, group))
    }

    async fn depth(&self, queue: &QueueName) -> PortResult<Depth> {
        self.0.depth(queue).await
    }
}

#[async_trait]
impl BlobStore for Armed<dyn BlobStore> {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        through!("put_blob", self.0.put(bytes))
    }

    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        self.0.get(reference, max_bytes).await
    }
}

#[async_trait]
impl EventSink for Armed<dyn EventSink> {
    async fn publish(&self, events: Vec<Event>) -> PortResult<Vec<Result<(), EntryError>>> {
        through!("publish", self.0.publish(events))
    }
}
