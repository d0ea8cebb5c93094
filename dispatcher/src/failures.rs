//! What failed in a batch.
//!
//! Shards tell who ended without success, so that successes cost no read each.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use gantz_core::batch::{
    BatchProgress, BatchRecord, BatchReport, BatchView, FailedChild, ShardRecord, first_of,
};
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::limits::{BATCH_SHARD_CHILDREN, FAILURES_SHOWN_MAX};
use gantz_core::ports::{BlobError, PortResult, Ports};
use serde_json::Value;

use crate::plan::{PLANNED_PAGE_MAX_BYTES, planned_inputs};

/// Rows read side by side.
const READS_AT_ONCE: usize = 16;
/// Shards that are looked through: those of 100,000 children. Whoever polls a larger batch shall not read thousands of
/// rows each time to find a rare failure at its end.
const SHARDS_MAX: u32 = 500;

/// Where the rows and pages of batches are.
pub trait Records: Sync {
    /// A batch's shard.
    fn shard(
        &self,
        batch: &JobId,
        number: u32,
    ) -> impl Future<Output = PortResult<Option<ShardRecord>>> + Send;

    /// A job's row.
    fn job(&self, id: &JobId) -> impl Future<Output = PortResult<Option<JobRecord>>> + Send;

    /// The bytes of a blob, if there are at most `max_bytes`.
    fn blob(
        &self,
        reference: &str,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Vec<u8>, BlobError>> + Send;
}

impl Records for Ports {
    async fn shard(&self, batch: &JobId, number: u32) -> PortResult<Option<ShardRecord>> {
        self.batches.shard(batch, number).await
    }

    async fn job(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        self.jobs.get(id).await
    }

    async fn blob(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        self.blobs.get(reference, max_bytes).await
    }
}

/// A batch with its first failures.
///
/// # Errors
/// When a row or a blob cannot be read; one that is gone is no error.
pub async fn report(rows: &impl Records, progress: &BatchProgress) -> PortResult<BatchReport> {
    let failures_total = progress.totals.unsuccessful();
    let failures =
        if failures_total > 0 { first(rows, &progress.batch, failures_total).await? } else { Vec::new() };
    Ok(BatchReport { batch: BatchView::from(progress), failures, failures_total })
}

async fn first(rows: &impl Records, batch: &BatchRecord, total: u32) -> PortResult<Vec<FailedChild>> {
    let wanted = usize::try_from(total).unwrap_or(usize::MAX).min(FAILURES_SHOWN_MAX);
    let shards = batch.planned.div_ceil(BATCH_SHARD_CHILDREN).min(SHARDS_MAX);
    let read = async |number| PortResult::Ok((number, rows.shard(&batch.id, number).await?));
    let mut shards = std::pin::pin!(stream::iter(0..shards).map(read).buffered(READS_AT_ONCE));
    let mut failures = Vec::new();
    while failures.len() < wanted
        && let Some((number, shard)) = shards.try_next().await?
    {
        if let Some(shard) = shard {
            failures.extend(of_shard(rows, &batch.id, number, shard, wanted - failures.len()).await?);
        }
    }
    Ok(failures)
}

async fn of_shard(
    rows: &impl Records,
    batch: &JobId,
    number: u32,
    ShardRecord { shard, page }: ShardRecord,
    wanted: usize,
) -> PortResult<Vec<FailedChild>> {
    let offsets: Vec<u32> = shard.unsuccessful().take(wanted).collect();
    if offsets.is_empty() {
        return Ok(Vec::new());
    }
    let inputs = match page {
        Some(page) => inputs(rows, &page).await?,
        None => Vec::new(),
    };
    let input = |offset: u32| inputs.get(offset as usize).cloned().unwrap_or_default();
    let read = async |offset: u32| {
        let row = rows.job(&JobId::child(batch, first_of(number) + offset)).await?;
        PortResult::Ok(row.map(|row| FailedChild::new(&row, input(offset))))
    };
    let children = stream::iter(offsets).map(read).buffered(READS_AT_ONCE);
    // A row may have gone before its batch's.
    children.try_filter_map(async |failure| Ok(failure)).try_collect().await
}

/// The items that the children on a page were planned from, each null where it had no parameters; none at all where the page
/// is lost, as its jobs' rows tell most.
///
/// # Errors
/// When the blob may be there, but cannot be read.
pub async fn inputs(rows: &impl Records, page: &str) -> PortResult<Vec<Value>> {
    match rows.blob(page, PLANNED_PAGE_MAX_BYTES).await {
        Ok(bytes) => Ok(planned_inputs(&bytes).unwrap_or_default()),
        Err(BlobError::Port(error)) => Err(error),
        Err(_) => Ok(Vec::new()),
    }
}
