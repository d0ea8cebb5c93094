//! `BatchStore` over the table: a row for the batch, and one for each of its shards.
//!
//! A child's end is one small update of its shard's row, whatever the batch's size. What happens once per shard (it is
//! opened, sent, complete) changes the batch's row by the domain's own methods, under a version number.

mod read;
mod row;
mod shard;
mod write;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::batch::{BatchProgress, BatchRecord, PlannedShard, PlanningEnd, ShardRecord, shard_of};
use gantz_core::ids::{JobId, Tenant};
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use gantz_core::ports::{BatchStore, PortResult};

use crate::session::Session;
use crate::settings::Settings;
use shard::ShardRow;

/// Batches and their shards in the table.
pub struct Batches {
    session: Arc<Session>,
    settings: Arc<Settings>,
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("table", &self.settings.table).finish_non_exhaustive()
    }
}

impl Batches {
    /// The batches in the table that `settings` name.
    pub fn new(session: Arc<Session>, settings: Arc<Settings>) -> Self {
        Self { session, settings }
    }
}

#[async_trait]
impl BatchStore for Batches {
    async fn open(&self, batch: BatchRecord) -> PortResult<Option<BatchRecord>> {
        self.create(batch).await
    }

    async fn progress(&self, id: &JobId) -> PortResult<Option<BatchProgress>> {
        let Some(row) = self.read(id).await? else { return Ok(None) };
        let batch = row.record;
        // A shard that closes meanwhile is counted once: this row still names it, and its own row stays.
        let mut totals = batch.counts;
        for counts in self.counts_of(id, &batch.open_shards).await? {
            totals += counts;
        }
        Ok(Some(BatchProgress { batch, totals }))
    }

    async fn list_batches(&self, tenant: Option<&Tenant>, limit: usize) -> PortResult<Vec<BatchRecord>> {
        self.newest(tenant, limit).await
    }

    async fn open_shard(&self, id: &JobId, shard: PlannedShard) -> PortResult<Option<BatchRecord>> {
        // Both rows in one transaction: a shard that was never named has no row to mark, and one that is named is never
        // replaced, also when two planners differ on how many children it has.
        let open = |row: &mut row::Row| row.record.open_shard(&shard).then_some(&shard);
        self.change_with_shard(id, open).await.map(record)
    }

    async fn shard(&self, id: &JobId, number: u32) -> PortResult<Option<ShardRecord>> {
        Ok(self.read_shard(id, number).await?.map(ShardRow::into_record))
    }

    async fn advance(&self, id: &JobId, shard: PlannedShard, cursor: Option<String>) -> PortResult<()> {
        self.change(id, |row| row.record.advance(&shard, cursor.clone())).await.map(|_| ())
    }

    async fn end_planning(
        &self,
        id: &JobId,
        end: PlanningEnd,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>> {
        let changed = self.change(id, |row| {
            row.record.end_planning(end.clone());
            let _ended = row.record.finish_if_complete(now_ms);
        });
        changed.await.map(record)
    }

    async fn mark(
        &self,
        id: &JobId,
        index: u32,
        status: JobStatus,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>> {
        let Some(ending) = ShardRow::set_of(status) else { return Ok(None) };
        let (number, offset) = (shard_of(index), index % BATCH_SHARD_CHILDREN);
        let Some(shard) = self.mark_in_shard(id, number, offset, ending).await? else { return Ok(None) };
        if !shard.is_complete() || !shard.has_ended(offset) {
            return Ok(None);
        }
        // Also if the mark was there before: whoever set it may have died before the batch's row was written.
        let closed = self.change(id, |row| {
            if row.record.close_shard(number, shard.counts()) && row.record.finish_if_complete(now_ms) {
                row.ended_by = Some(index);
            }
        });
        // Also to another child of the shard: whoever closed it in this one's stead may have no message that comes back,
        // and may die before it tells.
        let ended_here = |row: &row::Row| row.ended_by.map(shard_of) == Some(number);
        Ok(closed.await?.filter(ended_here).map(|row| row.record))
    }

    async fn cancel_batch(&self, id: &JobId, now_ms: u64) -> PortResult<Option<BatchRecord>> {
        let changed = self.change(id, |row| {
            if !row.record.is_finished() {
                row.record.cancel_requested_at_ms.get_or_insert(now_ms);
            }
        });
        changed.await.map(record)
    }
}

fn record(row: Option<row::Row>) -> Option<BatchRecord> {
    row.map(|row| row.record)
}
