use async_trait::async_trait;

use super::PortResult;
use crate::batch::{BatchProgress, BatchRecord, PlannedShard, PlanningEnd, ShardRecord};
use crate::ids::{JobId, Tenant};
use crate::job::JobStatus;

/// The rows of batches and their shards. Every write is atomic and durable on return, and may be repeated.
#[async_trait]
pub trait BatchStore: Send + Sync {
    /// Records a new batch, or returns the row that its id already has.
    async fn open(&self, batch: BatchRecord) -> PortResult<Option<BatchRecord>>;

    /// The batch and its exact totals.
    async fn progress(&self, id: &JobId) -> PortResult<Option<BatchProgress>>;

    /// Batches, newest first; of one tenant only, if one is given.
    async fn list_batches(&self, tenant: Option<&Tenant>, limit: usize) -> PortResult<Vec<BatchRecord>>;

    /// Takes a shard into the set of open ones, before any of its children is recorded. `None` if there is no such batch.
    async fn open_shard(&self, id: &JobId, shard: PlannedShard) -> PortResult<Option<BatchRecord>>;

    /// Takes note that a shard's children are recorded and sent, and where planning goes on.
    async fn advance(&self, id: &JobId, shard: PlannedShard, cursor: Option<String>) -> PortResult<()>;

    /// A shard's marks, and where its children are written down. `None` if there is no such shard.
    async fn shard(&self, id: &JobId, number: u32) -> PortResult<Option<ShardRecord>>;

    /// Takes note that planning is over. Returns the batch, ended if nothing was left to wait for.
    async fn end_planning(
        &self,
        id: &JobId,
        end: PlanningEnd,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>>;

    /// Marks a child as ended. Returns the batch if that ended it, and again for every repetition of the mark that
    /// did, so that a crash before the batch's event was accepted loses nothing. Other marks of the same shard may be
    /// told, too.
    async fn mark(
        &self,
        id: &JobId,
        index: u32,
        status: JobStatus,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>>;

    /// Takes note that the batch shall be cancelled. Returns the row, or `None` if there is no such batch.
    async fn cancel_batch(&self, id: &JobId, now_ms: u64) -> PortResult<Option<BatchRecord>>;
}
