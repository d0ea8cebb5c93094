//! A job's messages: what its timeline wants to know of the queue.

use gantz_core::ids::JobId;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::table::shift;

/// Messages of one job looked at. It has one; a second one after a lost answer, or as a dead letter.
const FOUND_MAX: usize = 16;

/// A message that is on a queue, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueuedMessage {
    /// The queue's name, as [`gantz_core::ids::QueueName`] prints it.
    pub queue: String,
    /// When it was sent, milliseconds since the epoch.
    pub sent_at_ms: u64,
    /// How often it was delivered.
    pub deliveries: u32,
    /// When it can next be received, milliseconds since the epoch; none if it can be now, or is with a worker.
    pub due_at_ms: Option<u64>,
}

/// The messages whose envelope names this job, oldest first. Reads every message there is: for people who ask about one
/// job, not for workers.
pub(crate) fn of_job(connection: &Connection, id: &JobId) -> rusqlite::Result<Vec<QueuedMessage>> {
    // Most bodies are told apart without reading them as JSON.
    let mut statement = connection.prepare_cached(
        "SELECT queues.name, sent_at, receives, CASE WHEN holder IS NULL THEN nullif(visible_at, 0) END FROM messages \
         JOIN queues ON queues.number = key >> ?2 \
         WHERE instr(body, ?1) > 0 \
         AND CASE WHEN json_valid(body) THEN json_extract(body, '$.job_id') = ?1 END \
         ORDER BY key LIMIT ?3",
    )?;
    let found = statement.query_map(params![id.as_str(), shift(), FOUND_MAX], |row| {
        Ok(QueuedMessage {
            queue: row.get(0)?,
            sent_at_ms: row.get(1)?,
            deliveries: row.get(2)?,
            due_at_ms: row.get(3)?,
        })
    })?;
    found.collect()
}
