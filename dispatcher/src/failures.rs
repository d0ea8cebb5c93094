//! What failed in a batch.
//!
//! Shards tell who ended without success, so that successes cost no read each.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use gantz_core::batch::{BatchProgress, BatchRecord, BatchReport, BatchView, FailedChild, ShardRecord};
use gantz_core::ids::JobId;
use gantz_core::limits::{BATCH_SHARD_CHILDREN, FAILURES_SHOWN_MAX};
use gantz_core::ports::{BlobError, PortResult, Ports};
use serde_json::Value;

use crate::plan::{PLANNED_PAGE_MAX_BYTES, planned_inputs};

/// Rows read side by side.
const READS_AT_ONCE: usize = 16;
/// Shards that are looked through: those of 100,000 children. Whoever polls a larger batch shall not read thousands of
/// rows each time to find a rare failure at its end.
const SHARDS_MAX: u32 = 500;

/// A batch with its first failures.
pub(crate) async fn report(ports: &Ports, progress: &BatchProgress) -> PortResult<BatchReport> {
    let failures_total = progress.totals.unsuccessful();
    let failures =
        if failures_total > 0 { first(ports, &progress.batch, failures_total).await? } else { Vec::new() };
    Ok(BatchReport { batch: BatchView::from(progress), failures, failures_total })
}

async fn first(ports: &Ports, batch: &BatchRecord, total: u32) -> PortResult<Vec<FailedChild>> {
    let wanted = usize::try_from(total).unwrap_or(usize::MAX).min(FAILURES_SHOWN_MAX);
    let shards = batch.planned.div_ceil(BATCH_SHARD_CHILDREN).min(SHARDS_MAX);
    let read = async |number| PortResult::Ok((number, ports.batches.shard(&batch.id, number).await?));
    let mut shards = std::pin::pin!(stream::iter(0..shards).map(read).buffered(READS_AT_ONCE));
    let mut failures = Vec::new();
    while failures.len() < wanted
        && let Some((number, shard)) = shards.try_next().await?
    {
        if let Some(shard) = shard {
            failures.extend(of_shard(ports, &batch.id, number, shard, wanted - failures.len()).await?);
        }
    }
    Ok(failures)
}

async fn of_shard(
    ports: &Ports,
    batch: &JobId,
    number: u32,
    ShardRecord { shard, page }: ShardRecord,
    wanted: usize,
) -> PortResult<Vec<FailedChild>> {
    let first = number * BATCH_SHARD_CHILDREN;
    let offsets: Vec<u32> = shard.unsuccessful().take(wanted).collect();
    if offsets.is_empty() {
        return Ok(Vec::new());
    }
    let inputs = match page {
        Some(page) => inputs(ports, &page).await?,
        None => Vec::new(),
    };
    let input = |offset: u32| inputs.get(offset as usize).cloned().unwrap_or_default();
    let read = async |offset: u32| {
        let row = ports.jobs.get(&JobId::child(batch, first + offset)).await?;
        PortResult::Ok(row.map(|row| FailedChild::new(&row, input(offset))))
    };
    let rows = stream::iter(offsets).map(read).buffered(READS_AT_ONCE);
    // A row may have gone before its batch's.
    rows.try_filter_map(async |failure| Ok(failure)).try_collect().await
}

/// The items of a page; none where they are lost, as their jobs' rows tell most.
async fn inputs(ports: &Ports, page: &str) -> PortResult<Vec<Value>> {
    match ports.blobs.get(page, PLANNED_PAGE_MAX_BYTES).await {
        Ok(bytes) => Ok(planned_inputs(&bytes).unwrap_or_default()),
        Err(BlobError::Port(error)) => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}
