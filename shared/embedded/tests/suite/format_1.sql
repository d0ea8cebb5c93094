-- A data directory as the first format left it: one message delayed, one that was in flight, one that nobody had received.
PRAGMA journal_mode = WAL;
CREATE TABLE jobs (
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
CREATE TABLE queues (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
-- key = queue number << 40 | sequence: one tree, clustered by queue, appended to at each queue's end.
CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    visible_at INTEGER NOT NULL,
    receives INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    dead_reason TEXT
);
CREATE INDEX messages_delayed ON messages (visible_at, key) WHERE visible_at > 0;
CREATE TABLE notes (
    seq INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    why TEXT NOT NULL,
    until INTEGER NOT NULL,
    detail TEXT
);
CREATE INDEX notes_of_job ON notes (job_id, seq);
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    detail_type TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TABLE batches (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
);
CREATE TABLE shards (
    batch TEXT NOT NULL,
    number INTEGER NOT NULL,
    marks BLOB NOT NULL,
    closer INTEGER,
    PRIMARY KEY (batch, number)
) WITHOUT ROWID;
CREATE TABLE limits (
    key TEXT PRIMARY KEY,
    tat_us INTEGER NOT NULL,
    open_until INTEGER NOT NULL,
    probe_until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = 1;
INSERT INTO meta VALUES ('epoch', 7);
INSERT INTO queues VALUES (1, 'lane-fast');
INSERT INTO messages VALUES ((1 << 40) + 3, 0, 1, 1700000000000, 'was in flight', NULL);
INSERT INTO messages VALUES ((1 << 40) + 4, 9999999999999, 1, 1700000000000, 'is delayed', NULL);
INSERT INTO messages VALUES ((1 << 40) + 9, 0, 0, 1700000000000, 'was visible', NULL);
INSERT INTO jobs (id, tool, tenant, lane, params_hash, max_attempts, created_at, status, attempt, deferrals, clean_attempt,
    owner, lease_until, lease_epoch, updated_at)
VALUES ('from-format-1', 'echo', 'default', 'fast', 'HASH', 3, 1700000000000, 'RUNNING', 1, 0, 0,
    'gone', 9999999999999, 7, 1700000000000);
