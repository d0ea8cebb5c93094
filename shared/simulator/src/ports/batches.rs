//! Rows of batches, and of their shards.

use std::collections::BTreeMap;

use async_trait::async_trait;
use gantz_core::batch::{
    BatchProgress, BatchRecord, Mark, PlannedShard, PlanningEnd, Shard, ShardRecord, shard_of,
};
use gantz_core::ids::{JobId, Tenant};
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use gantz_core::ports::{BatchStore, PortResult};

use crate::process::Process;
use crate::world::{Mutation, State};

/// A batch, its shards, and the child whose mark ended it.
pub(crate) struct BatchRow {
    pub(crate) record: BatchRecord,
    shards: BTreeMap<u32, ShardRecord>,
    ended_by: Option<u32>,
    /// Ends that were told, for a mutation that counts them.
    told: u32,
}

#[async_trait]
impl BatchStore for Process {
    async fn open(&self, batch: BatchRecord) -> PortResult<Option<BatchRecord>> {
        let about = batch.id.to_string();
        let open = move |state: &mut State| {
            if let Some(row) = state.batches.get(&batch.id) {
                return Some(row.record.clone());
            }
            let row = BatchRow { record: batch.clone(), shards: BTreeMap::new(), ended_by: None, told: 0 };
            state.batches.insert(batch.id.clone(), row);
            None
        };
        self.call("open_batch", &about, open).await
    }

    async fn progress(&self, id: &JobId) -> PortResult<Option<BatchProgress>> {
        let wanted = id.clone();
        let look = move |state: &mut State| {
            let row = state.batches.get(&wanted)?;
            let mut totals = row.record.counts;
            for number in &row.record.open_shards {
                if let Some(shard) = row.shards.get(number) {
                    totals += shard.shard.counts();
                }
            }
            Some(BatchProgress { batch: row.record.clone(), totals })
        };
        self.call("progress", id.as_str(), look).await
    }

    async fn list_batches(&self, tenant: Option<&Tenant>, limit: usize) -> PortResult<Vec<BatchRecord>> {
        let tenant = tenant.cloned();
        let look = move |state: &mut State| {
            let all = state.batches.values().map(|row| row.record.clone());
            let mut all: Vec<_> =
                all.filter(|batch| tenant.as_ref().is_none_or(|tenant| *tenant == batch.tenant)).collect();
            all.sort_by_key(|batch| std::cmp::Reverse((batch.created_at_ms, batch.id.clone())));
            all.truncate(limit);
            all
        };
        self.call("list_batches", "", look).await
    }

    async fn open_shard(&self, id: &JobId, shard: PlannedShard) -> PortResult<Option<BatchRecord>> {
        self.change("open_shard", id, move |row| {
            if row.record.open_shard(&shard) {
                let record = ShardRecord { shard: Shard::open(shard.children), page: shard.page.clone() };
                row.shards.insert(shard.number, record);
            }
        })
        .await
    }

    async fn shard(&self, id: &JobId, number: u32) -> PortResult<Option<ShardRecord>> {
        let wanted = id.clone();
        let look = move |state: &mut State| state.batches.get(&wanted)?.shards.get(&number).cloned();
        self.call("shard", &format!("{id} {number}"), look).await
    }

    async fn advance(&self, id: &JobId, shard: PlannedShard, cursor: Option<String>) -> PortResult<()> {
        self.change("advance", id, move |row| row.record.advance(&shard, cursor.clone())).await.map(|_| ())
    }

    async fn end_planning(
        &self,
        id: &JobId,
        end: PlanningEnd,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>> {
        self.change("end_planning", id, move |row| {
            row.record.end_planning(end.clone());
            let _ended = row.record.finish_if_complete(now_ms);
        })
        .await
    }

    async fn mark(
        &self,
        id: &JobId,
        index: u32,
        status: JobStatus,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>> {
        let (wanted, about) = (id.clone(), format!("{id} {index} {}", status.as_str()));
        let mark = move |state: &mut State| {
            state.observer.marked(&wanted, index);
            let mutation = state.settings.mutation;
            let row = state.batches.get_mut(&wanted)?;
            let before = row.record.clone();
            let ended = mark(row, index, status, now_ms, mutation);
            state.observer.batch_written(Some(&before), &row.record);
            ended
        };
        self.call("mark", &about, mark).await
    }

    async fn cancel_batch(&self, id: &JobId, now_ms: u64) -> PortResult<Option<BatchRecord>> {
        self.change("cancel_batch", id, move |row| {
            if !row.record.is_finished() {
                row.record.cancel_requested_at_ms.get_or_insert(now_ms);
            }
        })
        .await
    }
}

impl Process {
    async fn change(
        &self,
        method: &'static str,
        id: &JobId,
        change: impl Fn(&mut BatchRow) + Send + 'static,
    ) -> PortResult<Option<BatchRecord>> {
        let wanted = id.clone();
        let write = move |state: &mut State| {
            let row = state.batches.get_mut(&wanted)?;
            let before = row.record.clone();
            change(row);
            state.observer.batch_written(Some(&before), &row.record);
            Some(row.record.clone())
        };
        self.call(method, id.as_str(), write).await
    }
}

fn mark(
    row: &mut BatchRow,
    index: u32,
    status: JobStatus,
    now_ms: u64,
    mutation: Option<Mutation>,
) -> Option<BatchRecord> {
    let (number, offset) = (shard_of(index), index % BATCH_SHARD_CHILDREN);
    if mutation == Some(Mutation::CounterInsteadOfSet) {
        return count(row, number, status, now_ms);
    }
    let shard = &mut row.shards.get_mut(&number)?.shard;
    if shard.mark(offset, status) == Mark::Unchanged {
        // A repetition. The one that ended the batch says so again, in case nobody heard.
        return (row.ended_by == Some(index)).then(|| row.record.clone());
    }
    if !shard.is_complete() || !row.record.close_shard(number, shard.counts()) {
        return None;
    }
    if !row.record.finish_if_complete(now_ms) {
        return None;
    }
    row.ended_by = Some(index);
    Some(row.record.clone())
}

/// What the protocol must not do: the next child that has not ended is taken for the one whose end was told.
fn count(row: &mut BatchRow, number: u32, status: JobStatus, now_ms: u64) -> Option<BatchRecord> {
    let shard = &mut row.shards.get_mut(&number)?.shard;
    let _counted = shard.mark(row.told % BATCH_SHARD_CHILDREN, status);
    row.told += 1;
    if shard.is_complete() && row.record.close_shard(number, shard.counts()) {
        let _ended = row.record.finish_if_complete(now_ms);
    }
    row.record.is_finished().then(|| row.record.clone())
}
