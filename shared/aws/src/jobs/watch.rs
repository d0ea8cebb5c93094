//! Waiting for a row to change, by asking.

use std::time::Duration;

use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::ports::PortResult;
use tokio::time::{Instant, sleep};

use super::Jobs;

/// Quick jobs end within it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Nobody minds a second after having waited for some.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Jobs {
    /// In between, asks at half the price for rows that may be a moment old: those can only say that nothing has
    /// happened yet, because `updated_at` grows. The first and the last answer are the row as it is.
    pub(super) async fn watch(
        &self,
        id: &JobId,
        seen_updated_at_ms: u64,
        wait_ms: u64,
    ) -> PortResult<Option<JobRecord>> {
        let deadline = Instant::now() + Duration::from_millis(wait_ms);
        let row = self.view(id, true).await?;
        if row.as_ref().is_none_or(|row| row.updated_at_ms != seen_updated_at_ms) {
            return Ok(row);
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            sleep(pause.min(left)).await;
            if left <= pause {
                return self.view(id, true).await;
            }
            let row = self.view(id, false).await?;
            if row.as_ref().is_some_and(|row| row.updated_at_ms > seen_updated_at_ms) {
                return Ok(row);
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}
