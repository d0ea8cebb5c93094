//! The floor under every figure: what SQLite itself does on this disk with three row writes a job.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

/// Jobs a second at three row writes a job (insert, update, delete), `group` jobs to a commit, `synchronous=FULL`.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn raw_sqlite(dir: &Path, jobs: u32, group: u32) -> rusqlite::Result<f64> {
    let connection = Connection::open(dir.join("raw.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE jobs (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, status TEXT, body TEXT);
         CREATE TABLE messages (seq INTEGER PRIMARY KEY, body TEXT);",
    )?;
    let body = "x".repeat(300);
    let started = Instant::now();
    for first in (0..jobs).step_by(group as usize) {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for job in first..(first + group).min(jobs) {
            connection
                .prepare_cached("INSERT INTO jobs (id, status, body) VALUES (?1, 'QUEUED', ?2)")?
                .execute(params![format!("01900000-0000-7000-8000-{job:012}"), body])?;
            connection
                .prepare_cached("INSERT INTO messages (seq, body) VALUES (?1, ?2)")?
                .execute(params![job, body])?;
            connection
                .prepare_cached("UPDATE jobs SET status = 'SUCCEEDED' WHERE seq = ?1")?
                .execute([job + 1])?;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(f64::from(jobs) / started.elapsed().as_secs_f64())
}
