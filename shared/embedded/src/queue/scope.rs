//! Receiving only what belongs to one job or batch: for a command that works on what it was started for, beside others
//! that work on theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_core::ids::JobId;

/// The job or batch, and how far each queue was searched for its messages.
#[derive(Debug, Clone)]
pub(crate) struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: JobId,
    cursors: Mutex<HashMap<i64, u64>>,
}

impl Scope {
    pub(crate) fn of(id: JobId) -> Self {
        Self(Arc::new(Inner { id, cursors: Mutex::default() }))
    }

    pub(crate) fn id(&self) -> &JobId {
        &self.0.id
    }

    /// Fresh messages of the queue with that number up to here are not the job's, or are received.
    pub(super) fn cursor(&self, queue: i64) -> u64 {
        self.cursors().get(&queue).copied().unwrap_or(0)
    }

    /// Once what was found up to there is committed.
    pub(super) fn advance(&self, queue: i64, cursor: u64) {
        let mut cursors = self.cursors();
        let known = cursors.entry(queue).or_default();
        *known = cursor.max(*known);
    }

    fn cursors(&self) -> MutexGuard<'_, HashMap<i64, u64>> {
        self.0.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
