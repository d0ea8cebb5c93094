//! Which queues this process has used, and who waits at them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_core::ids::QueueName;
use tokio::sync::Notify;

/// The queues of a directory, as this process knows them.
#[derive(Debug)]
pub(crate) struct Queues {
    queues: Mutex<HashMap<String, Arc<Queue>>>,
    max_receives: u32,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct Queue {
    name: QueueName,
    pub(super) number: i64,
    pub(super) max_receives: u32,
    cursor: AtomicU64,
    pub(super) arrived: Notify,
}

impl Queues {
    pub(crate) fn new(max_receives: u32) -> Self {
        Self { queues: Mutex::default(), max_receives }
    }

    pub(super) fn known(&self, name: &QueueName) -> Option<Arc<Queue>> {
        self.lock().get(&name.to_string()).cloned()
    }

    /// The queue with that number in the table, which is there for good.
    pub(super) fn add(&self, name: &QueueName, number: i64) -> Arc<Queue> {
        let queue = || Queue {
            name: name.clone(),
            number,
            max_receives: self.max_receives,
            cursor: AtomicU64::new(0),
            arrived: Notify::new(),
        };
        Arc::clone(self.lock().entry(name.to_string()).or_insert_with(|| Arc::new(queue())))
    }

    /// Wakes a receiver of every queue: nobody can tell where something arrived.
    pub(crate) fn look_all(&self) {
        self.lock().values().for_each(|queue| queue.arrived.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The queue that takes what this one gives up on. Only lanes have one.
    pub(super) fn dead_letters(&self) -> Option<QueueName> {
        // Behind dead letters there is one for people, and nothing gets there by being received too often.
        if self.name.home().is_none() { self.name.aside() } else { None }
    }

    /// The queue that takes what a handler of this one sets aside.
    pub(super) fn aside(&self) -> Option<QueueName> {
        self.name.aside()
    }

    /// Where to look for fresh messages: those up to here are received, or have a time.
    pub(super) fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// Once what was found up to there is committed.
    pub(super) fn advance(&self, cursor: u64) {
        self.cursor.fetch_max(cursor, Ordering::AcqRel);
    }
}
