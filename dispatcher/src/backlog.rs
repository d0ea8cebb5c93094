//! Room for more jobs in the queues, as this process remembers it: to ask a queue before each submission would cost more
//! than the submission.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_core::ids::QueueName;

/// What a queue has said is believed for so long. Others submit meanwhile: the bound is passed by what they send within
/// this time, as far as they do not ask.
const BELIEVED_FOR_MS: u64 = 1_000;

/// The room in each queue. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Backlogs(Arc<Mutex<HashMap<QueueName, Room>>>);

#[derive(Debug)]
struct Room {
    asked_at_ms: u64,
    places: u64,
}

impl Backlogs {
    /// Takes a place in a queue that is known to have one. False if it has to be asked.
    pub(crate) fn take(&self, queue: &QueueName, now_ms: u64) -> bool {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(queue) else { return false };
        if room.places == 0 || now_ms.abs_diff(room.asked_at_ms) >= BELIEVED_FOR_MS {
            return false;
        }
        room.places -= 1;
        true
    }

    /// Takes note of how many places a queue has left.
    pub(crate) fn learn(&self, queue: &QueueName, places: u64, now_ms: u64) {
        self.lock().insert(queue.clone(), Room { asked_at_ms: now_ms, places });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<QueueName, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_until_there_are_none_or_too_much_time_has_passed() {
        let (backlogs, queue) = (Backlogs::default(), QueueName::Plan);
        assert!(!backlogs.take(&queue, 0), "nothing is known");
        backlogs.learn(&queue, 2, 5_000);
        let shared = backlogs.clone();
        assert_eq!([0, 999, 999].map(|later| shared.take(&queue, 5_000 + later)), [true, true, false]);
        backlogs.learn(&queue, 2, 7_000);
        assert!(!backlogs.take(&queue, 8_000), "too old");
        assert!(!backlogs.take(&QueueName::Ingest, 7_000), "another queue");
    }
}
