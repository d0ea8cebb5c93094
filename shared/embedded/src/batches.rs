//! `BatchStore`: a batch's record as JSON in one row, its shards' marks in others.

use async_trait::async_trait;
use gantz_core::batch::{
    BatchProgress, BatchRecord, Mark, PlannedShard, PlanningEnd, Shard, ShardRecord, shard_of,
};
use gantz_core::ids::{JobId, Tenant};
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use gantz_core::ports::{BatchStore, PortResult};
use rusqlite::{Connection, OptionalExtension, params};

use crate::open::Embedded;
use crate::rows;
use crate::writer::Flush;

#[async_trait]
impl BatchStore for Embedded {
    async fn open(&self, batch: BatchRecord) -> PortResult<Option<BatchRecord>> {
        self.writer
            .call(move |connection| {
                let found = read(connection, &batch.id)?;
                if found.is_none() {
                    connection
                        .prepare_cached("INSERT INTO batches (id, record) VALUES (?1, ?2)")?
                        .execute(params![batch.id.as_str(), rows::to_json(&batch)?])?;
                }
                Ok(found)
            })
            .await
    }

    async fn progress(&self, id: &JobId) -> PortResult<Option<BatchProgress>> {
        self.view.batch(id).await
    }

    async fn list_batches(&self, tenant: Option<&Tenant>, limit: usize) -> PortResult<Vec<BatchRecord>> {
        self.view.batches(tenant, limit).await
    }

    async fn open_shard(&self, id: &JobId, shard: PlannedShard) -> PortResult<Option<BatchRecord>> {
        let id = id.clone();
        self.writer
            .call(move |connection| {
                let Some(mut batch) = read(connection, &id)? else { return Ok(None) };
                if batch.open_shard(&shard) {
                    open_shard(connection, &id, &shard)?;
                    write(connection, &batch)?;
                }
                Ok(Some(batch))
            })
            .await
    }

    async fn shard(&self, id: &JobId, number: u32) -> PortResult<Option<ShardRecord>> {
        self.view.shard(id, number).await
    }

    async fn advance(&self, id: &JobId, shard: PlannedShard, cursor: Option<String>) -> PortResult<()> {
        self.change_batch(id, move |batch| batch.advance(&shard, cursor)).await.map(|_| ())
    }

    async fn end_planning(
        &self,
        id: &JobId,
        end: PlanningEnd,
        now_ms: u64,
    ) -> PortResult<Option<BatchRecord>> {
        self.change_batch(id, move |batch| {
            batch.end_planning(end);
            let _ended = batch.finish_if_complete(now_ms);
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
        let (id, changed) = (id.clone(), id.clone());
        let changes = self.shared.changes.clone();
        self.writer
            .call_then(
                Flush::Now,
                move |connection| mark(connection, &id, index, status, now_ms),
                move |ended| {
                    if ended.is_some() {
                        changes.touch(&changed, None);
                    }
                },
            )
            .await
    }

    async fn cancel_batch(&self, id: &JobId, now_ms: u64) -> PortResult<Option<BatchRecord>> {
        self.change_batch(id, move |batch| {
            if !batch.is_finished() {
                batch.cancel_requested_at_ms.get_or_insert(now_ms);
            }
        })
        .await
    }
}

impl Embedded {
    /// Changes a batch's record, if there is one, and returns it.
    async fn change_batch(
        &self,
        id: &JobId,
        change: impl FnOnce(&mut BatchRecord) + Send + 'static,
    ) -> PortResult<Option<BatchRecord>> {
        let id = id.clone();
        self.writer
            .call(move |connection| {
                let Some(mut batch) = read(connection, &id)? else { return Ok(None) };
                change(&mut batch);
                write(connection, &batch)?;
                Ok(Some(batch))
            })
            .await
    }
}

pub(crate) fn progress(connection: &Connection, id: &JobId) -> rusqlite::Result<Option<BatchProgress>> {
    // One snapshot: a shard that closes meanwhile must be counted once.
    let snapshot = connection.unchecked_transaction()?;
    let Some(batch) = read(&snapshot, id)? else { return Ok(None) };
    let mut totals = batch.counts;
    for number in &batch.open_shards {
        if let Some((shard, _)) = read_shard(&snapshot, id, *number)? {
            totals += shard.counts();
        }
    }
    Ok(Some(BatchProgress { batch, totals }))
}

pub(crate) fn list(
    connection: &Connection,
    tenant: Option<&Tenant>,
    limit: usize,
) -> rusqlite::Result<Vec<BatchRecord>> {
    let mut statement = connection.prepare_cached(
        "SELECT record FROM batches WHERE ?1 IS NULL OR json_extract(record, '$.tenant') = ?1
         ORDER BY seq DESC LIMIT ?2",
    )?;
    let asked = params![tenant.map(Tenant::as_str), limit];
    let found = statement.query_map(asked, |row| rows::json(0, row.get_ref(0)?.as_str()?))?;
    found.collect()
}

pub(crate) fn shard(
    connection: &Connection,
    id: &JobId,
    number: u32,
) -> rusqlite::Result<Option<ShardRecord>> {
    connection
        .prepare_cached("SELECT marks, page FROM shards WHERE batch = ?1 AND number = ?2")?
        .query_row(params![id.as_str(), number], |row| {
            Ok(ShardRecord { shard: Shard::from_marks(row.get(0)?), page: row.get(1)? })
        })
        .optional()
}

fn mark(
    connection: &Connection,
    id: &JobId,
    index: u32,
    status: JobStatus,
    now_ms: u64,
) -> rusqlite::Result<Option<BatchRecord>> {
    let number = shard_of(index);
    let Some((mut shard, closer)) = read_shard(connection, id, number)? else { return Ok(None) };
    if shard.mark(index % BATCH_SHARD_CHILDREN, status) == Mark::Unchanged {
        // A repetition. The one that ended the batch says so again, in case nobody heard.
        return if closer == Some(index) { read(connection, id) } else { Ok(None) };
    }
    // Read before anything is written: a damaged row is this call's problem alone.
    let batch = if shard.is_complete() { read(connection, id)? } else { None };
    write_shard(connection, id, number, &shard)?;
    let Some(mut batch) = batch else { return Ok(None) };
    if !batch.close_shard(number, shard.counts()) {
        return Ok(None);
    }
    let ended = batch.finish_if_complete(now_ms);
    write(connection, &batch)?;
    if !ended {
        return Ok(None);
    }
    connection
        .prepare_cached("UPDATE shards SET closer = ?3 WHERE batch = ?1 AND number = ?2")?
        .execute(params![id.as_str(), number, index])?;
    Ok(Some(batch))
}

fn read(connection: &Connection, id: &JobId) -> rusqlite::Result<Option<BatchRecord>> {
    connection
        .prepare_cached("SELECT record FROM batches WHERE id = ?1")?
        .query_row([id.as_str()], |row| rows::json(0, row.get_ref(0)?.as_str()?))
        .optional()
}

fn write(connection: &Connection, batch: &BatchRecord) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE batches SET record = ?2 WHERE id = ?1")?
        .execute(params![batch.id.as_str(), rows::to_json(batch)?])?;
    Ok(())
}

fn read_shard(
    connection: &Connection,
    id: &JobId,
    number: u32,
) -> rusqlite::Result<Option<(Shard, Option<u32>)>> {
    connection
        .prepare_cached("SELECT marks, closer FROM shards WHERE batch = ?1 AND number = ?2")?
        .query_row(params![id.as_str(), number], |row| Ok((Shard::from_marks(row.get(0)?), row.get(1)?)))
        .optional()
}

fn open_shard(connection: &Connection, id: &JobId, shard: &PlannedShard) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO shards (batch, number, marks, page) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id.as_str(), shard.number, Shard::open(shard.children).marks(), shard.page])?;
    Ok(())
}

fn write_shard(connection: &Connection, id: &JobId, number: u32, shard: &Shard) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE shards SET marks = ?3 WHERE batch = ?1 AND number = ?2")?
        .execute(params![id.as_str(), number, shard.marks()])?;
    Ok(())
}
