//! Tables and connection settings.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

use crate::open::OpenError;
use crate::pause::pause;

/// The format of the tables. One more with every change of them, and a step in [`STEPS`]; a directory of a later
/// version is refused by name, not misread.
pub(crate) const VERSION: u32 = 10;

/// What leads from each format to the next.
const STEPS: [&str; VERSION as usize] =
    [TABLES, SHARED, PROMISES, KEPT, PAGES, STATES, CHILD_EVENTS, FAIR, TAKEN, FORGOTTEN];

/// Pages (of 4 KiB) in the log before a commit copies them into the database: large enough that a page which is
/// written by many commits is copied once, small enough that the log stays at some tens of megabytes.
const CHECKPOINT_PAGES: u32 = 8_000;
/// What the log's file is cut to when it is begun anew, after something kept it from that for a while.
const LOG_KEPT_BYTES: u32 = 64 * 1024 * 1024;

/// The writer's page cache, in KiB; the working set of the tables' ends and of the index of ids.
const WRITER_CACHE_KIB: i32 = 16 * 1024;
const READER_CACHE_KIB: i32 = 1024;

/// How often, and how many times, a process asks for the lock that another one holds: a minute. Whoever holds it for
/// longer does not commit a group of writes.
const LOCKED_ASK_EVERY: Duration = Duration::from_millis(1);
const LOCKED_ASK_MAX: i32 = 60_000;

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

/// Several processes share a directory: who holds which message moves from their memory into rows, and so do the ends
/// and the counts of queues. The process that a delivery was with has ended.
const SHARED: &str = "
CREATE TABLE processes (
    epoch INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    -- `*` for whatever is queued, or the one job or batch that it works on.
    works_on TEXT
);
ALTER TABLE queues ADD COLUMN last INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN delayed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN holder INTEGER;
DROP INDEX messages_delayed;
CREATE INDEX messages_timed ON messages (key >> 40, visible_at) WHERE visible_at > 0;
UPDATE queues SET
    last = (SELECT coalesce(max(key & 0xffffffffff), 0) FROM messages WHERE key >> 40 = number),
    messages = (SELECT count(*) FROM messages WHERE key >> 40 = number),
    delayed = (SELECT count(*) FROM messages WHERE key >> 40 = number AND visible_at > 0);
";

/// What jobs that ended without success were to be done with, so that they can be done again.
const KEPT: &str = "
ALTER TABLE jobs ADD COLUMN parameters TEXT;
ALTER TABLE jobs ADD COLUMN parameters_ref TEXT;
";

/// A shard's children can be read where they are written down, also those that kept nothing in rows of their own.
const PAGES: &str = "
ALTER TABLE shards ADD COLUMN page TEXT;
";

/// The history is that of states; what it was before has a name of its own.
const STATES: &str = "
ALTER TABLE jobs RENAME COLUMN history TO attempts;
ALTER TABLE jobs ADD COLUMN history TEXT;
";

/// A batch's children can tell of their ends themselves.
const CHILD_EVENTS: &str = "
ALTER TABLE jobs ADD COLUMN child_events INTEGER NOT NULL DEFAULT FALSE;
";

/// A queue that several groups share is fair. What was there before goes first.
const FAIR: &str = "
ALTER TABLE queues ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN served INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queues ADD COLUMN alone TEXT;
ALTER TABLE messages ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN ahead INTEGER NOT NULL DEFAULT FALSE;
CREATE INDEX messages_ahead ON messages (key >> 40, turn, key) WHERE ahead = 1 AND visible_at = 0;
CREATE TABLE turns (
    queue INTEGER NOT NULL,
    name TEXT NOT NULL,
    turn INTEGER NOT NULL,
    PRIMARY KEY (queue, name)
) WITHOUT ROWID;
CREATE INDEX turns_in_order ON turns (queue, turn);
";

/// A schedule's runs can each take objects that no other has taken.
const TAKEN: &str = "
CREATE TABLE taken (
    schedule TEXT NOT NULL,
    mark TEXT NOT NULL,
    batch TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (schedule, mark)
) WITHOUT ROWID;
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;
";

/// Marks that have expired are found without a look at the others.
const FORGOTTEN: &str = "
CREATE INDEX taken_by_expiry ON taken (expires_at);
";

/// What was promised on acceptance is kept with the job. Of those that have not ended nobody knows whether their tools
/// may run twice.
const PROMISES: &str = "
ALTER TABLE jobs ADD COLUMN effects TEXT NOT NULL DEFAULT 'at_most_once';
ALTER TABLE jobs ADD COLUMN effect_key TEXT;
ALTER TABLE jobs ADD COLUMN retry_of TEXT;
ALTER TABLE jobs ADD COLUMN token TEXT;
";

/// The one connection of a process that writes.
pub(crate) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL flushes the log at every commit: what was answered survives a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_KEPT_BYTES)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Brings the tables up to date, step by step; a database that is new has taken none.
pub(crate) fn migrate(connection: &Connection) -> Result<(), OpenError> {
    let found = version(connection)?;
    if found > VERSION {
        return Err(OpenError::Version { found, newest: VERSION });
    }
    for (step, to) in STEPS.iter().zip(1_u32..).skip(found as usize) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", to)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Whether there are tables yet. Those of another version are refused by name: whoever only reads cannot bring them up
/// to date.
pub(crate) fn has_tables(connection: &Connection) -> Result<bool, OpenError> {
    match version(connection)? {
        0 => Ok(false),
        VERSION => Ok(true),
        found if found > VERSION => Err(OpenError::Version { found, newest: VERSION }),
        found => Err(OpenError::Outdated { found }),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// SQLite asks this after each attempt to get a lock: true to try again.
pub(crate) fn wait_for_lock(attempts: i32) -> bool {
    pause(LOCKED_ASK_EVERY);
    attempts < LOCKED_ASK_MAX
}

/// A connection that reads beside the writer, also from another process.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}
