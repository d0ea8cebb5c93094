//! Who waits for which job to change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use tokio::sync::watch;

/// A row that was committed, if the change was of this process; any other has to be read.
type Change = Option<Arc<JobRecord>>;

/// Wakes those who wait for a row. Costs nothing for rows nobody waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    waiting: Arc<Mutex<HashMap<JobId, watch::Sender<Change>>>>,
}

impl Changes {
    /// Tells everybody who waits for this row; as it is now, if the caller knows.
    pub(crate) fn touch(&self, id: &JobId, row: Option<&JobRecord>) {
        if let Some(waiting) = self.lock().get(id) {
            waiting.send_replace(row.map(|row| Arc::new(row.clone())));
        }
    }

    /// Tells everybody who waits for any row.
    pub(crate) fn touch_all(&self) {
        self.lock().values().for_each(|waiting| drop(waiting.send_replace(None)));
    }

    /// Joins those who wait for this row, until the value returned is dropped.
    pub(crate) fn watch(&self, id: &JobId) -> Watch {
        let changed = self.lock().entry(id.clone()).or_default().subscribe();
        Watch { changes: self.clone(), id: id.clone(), changed }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<Change>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Watch {
    changes: Changes,
    id: JobId,
    changed: watch::Receiver<Change>,
}

impl Watch {
    /// The next change that is not known yet.
    pub(crate) async fn changed(&mut self) -> Change {
        // The sender stays as long as somebody waits.
        self.changed.changed().await.ok();
        self.changed.borrow_and_update().clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.changes.lock();
        // This one is the last that waits.
        if waiting.get(&self.id).is_some_and(|others| others.receiver_count() == 1) {
            waiting.remove(&self.id);
        }
    }
}
