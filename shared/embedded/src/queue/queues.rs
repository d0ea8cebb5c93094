//! Which queues there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantz_core::ids::{FIFO_SUFFIX, Lane, QueueName};
use rusqlite::Connection;
use tokio::sync::Notify;

use super::state::State;
use super::table;

/// The queues of a directory.
pub(crate) struct Queues {
    queues: Mutex<HashMap<String, Arc<Queue>>>,
    /// Those that the group of writes in progress uses first. They exist once it is committed: the number of one whose
    /// row was undone will be another queue's.
    created: Mutex<Vec<Arc<Queue>>>,
    max_receives: u32,
}

/// One queue.
pub(crate) struct Queue {
    name: QueueName,
    pub(super) number: i64,
    pub(super) max_receives: u32,
    state: Mutex<State>,
    pub(super) arrived: Notify,
}

impl Queues {
    /// Finds every queue that has been used.
    pub(crate) fn load(connection: &Connection, max_receives: u32) -> rusqlite::Result<Self> {
        let this = Self { queues: Mutex::default(), created: Mutex::default(), max_receives };
        let mut statement = connection.prepare("SELECT name FROM queues")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        for name in names.iter().filter_map(|name| queue_name(name)) {
            this.find_or_create(connection, &name)?;
        }
        this.keep();
        Ok(this)
    }

    /// The group of writes is committed.
    pub(crate) fn keep(&self) {
        let mut queues = lock(&self.queues);
        queues.extend(lock(&self.created).drain(..).map(|queue| (queue.name.to_string(), queue)));
        queues.values().for_each(|queue| queue.state().keep());
    }

    /// The group of writes was undone.
    pub(crate) fn take_back(&self) {
        lock(&self.created).clear();
        for queue in lock(&self.queues).values() {
            if queue.state().take_back() {
                // There may be messages again, and nobody sends a second time to say so.
                queue.arrived.notify_one();
            }
        }
    }

    pub(super) fn known(&self, name: &QueueName) -> Option<Arc<Queue>> {
        lock(&self.queues).get(&name.to_string()).cloned()
    }

    pub(super) fn find_or_create(
        &self,
        connection: &Connection,
        name: &QueueName,
    ) -> rusqlite::Result<Arc<Queue>> {
        let created = || lock(&self.created).iter().find(|queue| queue.name == *name).cloned();
        if let Some(queue) = self.known(name).or_else(created) {
            return Ok(queue);
        }
        let number = table::number(connection, &name.to_string())?;
        let queue = Arc::new(Queue {
            name: name.clone(),
            number,
            max_receives: self.max_receives,
            state: Mutex::new(table::load(connection, number)?),
            arrived: Notify::new(),
        });
        lock(&self.created).push(Arc::clone(&queue));
        Ok(queue)
    }
}

impl Queue {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The queue that takes what this one gives up on. Only lanes have one.
    pub(super) fn dead_letters(&self) -> Option<QueueName> {
        // Behind dead letters there is one for people, and nothing gets there by being received too often.
        if self.name.home().is_none() { self.name.aside() } else { None }
    }

    /// The queue that takes what a handler of this one sets aside.
    pub(super) fn aside(&self) -> Option<QueueName> {
        self.name.aside()
    }
}

fn queue_name(text: &str) -> Option<QueueName> {
    if let Some(name) = text.strip_suffix(FIFO_SUFFIX) {
        return queue_name(name).map(|queue| QueueName::Fifo(Box::new(queue)));
    }
    if text == QueueName::Plan.to_string() {
        return Some(QueueName::Plan);
    }
    let (kind, lane) = text.split_once('-')?;
    let lane = Lane::try_new(lane).ok()?;
    match kind {
        "lane" => Some(QueueName::Lane(lane)),
        "dead" => Some(QueueName::Dead(lane)),
        "parked" => Some(QueueName::Parked(lane)),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
