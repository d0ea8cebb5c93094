//! Who waits for which job to change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_core::ids::JobId;
use tokio::sync::Notify;

/// Wakes those who wait for a row. Costs nothing for rows nobody waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    waiting: Arc<Mutex<HashMap<JobId, Arc<Notify>>>>,
}

impl Changes {
    /// Tells everybody who waits for this row.
    pub(crate) fn touch(&self, id: &JobId) {
        if let Some(notify) = self.lock().get(id) {
            notify.notify_waiters();
        }
    }

    /// Tells everybody who waits for any row.
    pub(crate) fn touch_all(&self) {
        self.lock().values().for_each(|notify| notify.notify_waiters());
    }

    /// Joins those who wait for this row, until the value returned is dropped.
    pub(crate) fn watch(&self, id: &JobId) -> Watch {
        let notify = Arc::clone(self.lock().entry(id.clone()).or_default());
        Watch { changes: self.clone(), id: id.clone(), notify }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Watch {
    changes: Changes,
    id: JobId,
    pub(crate) notify: Arc<Notify>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.changes.lock();
        // The map's own handle and this one: nobody else waits.
        if Arc::strong_count(&self.notify) == 2 {
            waiting.remove(&self.id);
        }
    }
}
