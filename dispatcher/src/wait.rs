//! Waiting for the end of a job or a batch.

use std::time::Duration;

use gantz_core::batch::BatchProgress;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::ports::{BatchStore, JobStore, PortResult};
use tokio::time::Instant;

/// The first look at a batch comes after this.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(100);
/// Counting a large batch reads thousands of rows: later looks come no closer than this.
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(1);

/// The job as it is once it has ended, or at `until`, whichever comes first.
pub(crate) async fn for_job(
    jobs: &dyn JobStore,
    mut row: JobRecord,
    until: Instant,
) -> PortResult<JobRecord> {
    while let Some(newer) = for_change(jobs, &row, until).await? {
        row = newer;
    }
    Ok(row)
}

/// The job as it is after its next change. None if it has ended, does not change until then, or is no longer there.
pub(crate) async fn for_change(
    jobs: &dyn JobStore,
    row: &JobRecord,
    until: Instant,
) -> PortResult<Option<JobRecord>> {
    let left_ms = millis(until.saturating_duration_since(Instant::now()));
    if row.is_finished() || left_ms == 0 {
        return Ok(None);
    }
    jobs.changed(&row.id, row.updated_at_ms, left_ms).await
}

/// The batch as it is once it has ended, or at `until`, whichever comes first.
pub(crate) async fn for_batch(
    batches: &dyn BatchStore,
    id: &JobId,
    until: Instant,
) -> PortResult<Option<BatchProgress>> {
    let mut pause = LOOK_AGAIN_MIN;
    loop {
        let progress = batches.progress(id).await?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || progress.as_ref().is_none_or(|progress| progress.batch.is_finished()) {
            return Ok(progress);
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LOOK_AGAIN_MAX);
    }
}

/// So many milliseconds from now.
pub(crate) fn until(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
