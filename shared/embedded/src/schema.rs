//! Tables and connection settings.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

use crate::open::OpenError;

/// Bumped with every change of the tables. A directory of another version is refused by name, not misread.
pub(crate) const VERSION: u32 = 1;

/// Pages (of 4 KiB) in the log before a commit copies them into the database: large enough that a page which is
/// written by many commits is copied once, small enough that the log stays at some tens of megabytes.
const CHECKPOINT_PAGES: u32 = 8_000;

/// The writer's page cache, in KiB; the working set of the tables' ends and of the index of ids.
const WRITER_CACHE_KIB: i32 = 16 * 1024;
const READER_CACHE_KIB: i32 = 1024;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tool TEXT NOT NULL,
    tenant TEXT NOT NULL,
    lane TEXT NOT NULL,
    params_hash TEXT NOT NULL,
    max_attempts INTEGER NOT NULL,
    deadline INTEGER,
    parent TEXT,
    child_index INTEGER,
    label TEXT,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    deferrals INTEGER NOT NULL,
    clean_attempt INTEGER NOT NULL,
    owner TEXT,
    lease_until INTEGER,
    lease_epoch INTEGER,
    cancel_requested_at INTEGER,
    result TEXT,
    result_ref TEXT,
    error_kind TEXT,
    error_message TEXT,
    finished_by TEXT,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,
    retry_at INTEGER,
    finished_at INTEGER,
    expires_at INTEGER,
    history TEXT
);
CREATE TABLE IF NOT EXISTS queues (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
-- key = queue number << 40 | sequence: one tree, clustered by queue, appended to at each queue's end.
CREATE TABLE IF NOT EXISTS messages (
    key INTEGER PRIMARY KEY,
    visible_at INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    dead_reason TEXT
);
CREATE INDEX IF NOT EXISTS messages_delayed ON messages (visible_at, key) WHERE visible_at > 0;
CREATE TABLE IF NOT EXISTS notes (
    seq INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    why TEXT NOT NULL,
    until INTEGER NOT NULL,
    detail TEXT
);
CREATE INDEX IF NOT EXISTS notes_of_job ON notes (job_id, seq);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    detail_type TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS batches (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS shards (
    batch TEXT NOT NULL,
    number INTEGER NOT NULL,
    marks BLOB NOT NULL,
    closer INTEGER,
    PRIMARY KEY (batch, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS limits (
    key TEXT PRIMARY KEY,
    tat_us INTEGER NOT NULL,
    open_until INTEGER NOT NULL,
    probe_until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
";

/// The one connection that writes.
pub(crate) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL flushes the log at every commit: what was answered survives a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Creates the tables, or finds them as they should be.
pub(crate) fn migrate(connection: &Connection) -> Result<(), OpenError> {
    if version(connection)? != 0 {
        return check_version(connection);
    }
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(())
}

/// Refuses tables of another version, by name.
pub(crate) fn check_version(connection: &Connection) -> Result<(), OpenError> {
    match version(connection)? {
        VERSION => Ok(()),
        found => Err(OpenError::Version { found, expected: VERSION }),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// A connection that reads beside the writer, also from another process.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}
