//! `EventSink` over a table: on one machine the log of completions is read, not pushed.

use async_trait::async_trait;
use gantz_core::event::Event;
use gantz_core::ports::{EntryError, EventSink, PortResult};
use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;

use crate::open::Embedded;
use crate::rows;

/// An event and its place in the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Grows with every event.
    pub seq: i64,
    /// `Gantz Job Succeeded` and so on.
    pub detail_type: String,
    /// The content.
    pub detail: Value,
    /// When the job ended, milliseconds since the epoch.
    pub time_ms: u64,
}

#[async_trait]
impl EventSink for Embedded {
    async fn publish(&self, events: Vec<Event>) -> PortResult<Vec<Result<(), EntryError>>> {
        self.writer
            .call(move |connection| {
                let mut statement = connection.prepare_cached(
                    "INSERT INTO events (at, job_id, detail_type, detail) VALUES (?1, ?2, ?3, ?4)",
                )?;
                for event in &events {
                    let detail = rows::to_json(&event.detail)?;
                    statement.execute(params![
                        event.time_ms,
                        event.job_id.as_str(),
                        event.detail_type,
                        detail
                    ])?;
                }
                Ok(vec![Ok(()); events.len()])
            })
            .await
    }
}

pub(crate) fn after(connection: &Connection, after: i64, limit: usize) -> rusqlite::Result<Vec<StoredEvent>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, detail_type, detail, at FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let found = statement.query_map(params![after, limit], |row| {
        Ok(StoredEvent {
            seq: row.get(0)?,
            detail_type: row.get(1)?,
            detail: rows::json(2, row.get_ref(2)?.as_str()?)?,
            time_ms: row.get(3)?,
        })
    })?;
    found.collect()
}
