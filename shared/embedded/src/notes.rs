//! Why messages went back to their queue: the part of a job's timeline that its row does not tell.

use gantz_core::ids::JobId;
use gantz_core::ports::Postponed;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// Notes kept of one job: a job that is deferred for hours says so a few hundred times.
const NOTES_MAX: i64 = 32;

/// A message went back to its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When, milliseconds since the epoch.
    pub at_ms: u64,
    /// Why: a stable name, as in [`Postponed::as_str`].
    pub why: String,
    /// When it can be received again, milliseconds since the epoch.
    pub until_ms: u64,
    /// More, for people.
    pub detail: Option<String>,
}

/// The last notes about a job, oldest first.
pub(crate) fn of_job(connection: &Connection, id: &JobId) -> rusqlite::Result<Vec<Note>> {
    let mut statement = connection
        .prepare_cached("SELECT at, why, until, detail FROM notes WHERE job_id = ?1 ORDER BY seq")?;
    let found = statement.query_map([id.as_str()], |row| {
        Ok(Note { at_ms: row.get(0)?, why: row.get(1)?, until_ms: row.get(2)?, detail: row.get(3)? })
    })?;
    found.collect()
}

/// Adds a note to the job whose envelope is the message with this key, and drops the job's oldest ones beyond
/// [`NOTES_MAX`]. A body that names no job gets none.
pub(crate) fn add(
    connection: &Connection,
    key: i64,
    at_ms: u64,
    until_ms: u64,
    why: &Postponed,
) -> rusqlite::Result<()> {
    let detail = match why {
        Postponed::PortFailed(detail) => Some(detail),
        _ => None,
    };
    let job_id: Option<String> = connection
        .prepare_cached(
            "INSERT INTO notes (job_id, at, why, until, detail) \
             SELECT json_extract(body, '$.job_id'), ?2, ?3, ?4, ?5 FROM messages \
             WHERE key = ?1 AND CASE WHEN json_valid(body) THEN json_type(body, '$.job_id') = 'text' END \
             RETURNING job_id",
        )?
        .query_row(params![key, at_ms, why.as_str(), until_ms, detail], |row| row.get(0))
        .optional()?;
    if let Some(job_id) = job_id {
        connection
            .prepare_cached(
                "DELETE FROM notes WHERE job_id = ?1 AND seq <= \
                 (SELECT seq FROM notes WHERE job_id = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![job_id, NOTES_MAX])?;
    }
    Ok(())
}
