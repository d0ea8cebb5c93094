//! Forgetting what has expired.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use gantz_core::limits::RETENTION_MS;
use gantz_core::ports::{PortError, PortResult};
use rusqlite::{Connection, OptionalExtension, params};

use crate::blobs;
use crate::lock::Directory;
use crate::open::Embedded;

/// Rows looked at in one go, so that a sweep never holds up a commit for long.
const SWEEP_ROWS: i64 = 500;
/// As [`SWEEP_ROWS`], of events and of marks, which are found in their order.
const SWEEP_QUICK: usize = 2_000;
/// Times of a limit that have passed for so long say nothing to anybody.
const LIMIT_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

impl Embedded {
    /// Deletes what expired before now: jobs with their notes, events, batches, and blobs and spooled input that are
    /// older than anything which could still refer to them. Returns how many jobs went.
    ///
    /// # Errors
    /// When the database or the file system fails.
    pub async fn sweep(&self) -> PortResult<usize> {
        let now_ms = self.shared.clock.now_ms();
        let (mut swept, mut after) = (0, Some(0));
        while let Some(seq) = after {
            let step = self.writer.call(move |connection| sweep_jobs(connection, seq, now_ms)).await?;
            swept += step.deleted;
            after = step.next;
        }
        // As long as steps find only what is old: more may happen between two sweeps than one step takes.
        while self.writer.call(move |connection| sweep_events(connection, now_ms)).await? == SWEEP_QUICK {}
        while self.writer.call(move |connection| sweep_marks(connection, now_ms)).await? == SWEEP_QUICK {}
        let oldest_message_ms = self.writer.call(move |connection| sweep_rest(connection, now_ms)).await?;
        let unused_ms = now_ms.saturating_sub(2 * RETENTION_MS).min(oldest_message_ms);
        let oldest = SystemTime::UNIX_EPOCH + Duration::from_millis(unused_ms);
        let (blobs, spool) = (blobs::folder(self.path()), Directory::spool(self.path()));
        let files = tokio::task::spawn_blocking(move || {
            sweep_blobs(&blobs, oldest)?;
            sweep_folder(&spool, oldest)
        });
        let files = files.await;
        match files {
            Ok(Ok(())) => Ok(swept),
            Ok(Err(error)) => Err(PortError::Transient(format!("failed to sweep files: {error}"))),
            Err(error) => Err(PortError::Transient(format!("the sweep was stopped: {error}"))),
        }
    }
}

/// One step of a sweep, and where the next one begins.
struct Step {
    deleted: usize,
    next: Option<i64>,
}

/// Looks at some hundred rows behind `after`. Rows come in the order of their acceptance, so a sweep ends at the first
/// one too young to have expired.
fn sweep_jobs(connection: &Connection, after: i64, now_ms: u64) -> rusqlite::Result<Step> {
    let last: Option<(i64, u64)> = connection
        .prepare_cached(
            "SELECT seq, created_at FROM (SELECT seq, created_at FROM jobs WHERE seq > ?1 ORDER BY seq LIMIT ?2) \
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(params![after, SWEEP_ROWS], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((last, created_at_ms)) = last else { return Ok(Step { deleted: 0, next: None }) };
    let now_s = now_ms / 1_000;
    connection
        .prepare_cached(
            "DELETE FROM notes WHERE job_id IN \
             (SELECT id FROM jobs WHERE seq > ?1 AND seq <= ?2 AND expires_at < ?3)",
        )?
        .execute(params![after, last, now_s])?;
    let deleted = connection
        .prepare_cached("DELETE FROM jobs WHERE seq > ?1 AND seq <= ?2 AND expires_at < ?3")?
        .execute(params![after, last, now_s])?;
    let next = (created_at_ms.saturating_add(RETENTION_MS) < now_ms).then_some(last);
    Ok(Step { deleted, next })
}

/// One step; returns how many events went.
fn sweep_events(connection: &Connection, now_ms: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM events WHERE seq IN (SELECT seq FROM \
             (SELECT seq, at FROM events ORDER BY seq LIMIT ?2) WHERE at < ?1)",
        )?
        .execute(params![now_ms.saturating_sub(RETENTION_MS), SWEEP_QUICK])
}

/// One step; returns how many marks of objects went. How far a schedule has looked is kept for ever, a row for each name:
/// without it a run that is rarer than marks expire would take all objects again.
fn sweep_marks(connection: &Connection, now_ms: u64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM taken WHERE (schedule, mark) IN \
             (SELECT schedule, mark FROM taken WHERE expires_at < ?1 LIMIT ?2)",
        )?
        .execute(params![now_ms / 1_000, SWEEP_QUICK])
}

/// Limits and batches; returns when the oldest message that is still on a queue was sent.
fn sweep_rest(connection: &Connection, now_ms: u64) -> rusqlite::Result<u64> {
    // A row of a limit says nothing once the times in it have passed, and there may be one for each tenant.
    connection
        .prepare_cached("DELETE FROM limits WHERE max(tat_us / 1000, open_until, probe_until) < ?1")?
        .execute([now_ms.saturating_sub(LIMIT_KEPT_MS)])?;
    let oldest_ms = now_ms.saturating_sub(RETENTION_MS);
    connection
        .prepare_cached(
            "DELETE FROM shards WHERE batch IN \
             (SELECT id FROM batches WHERE json_extract(record, '$.finished_at') < ?1)",
        )?
        .execute([oldest_ms])?;
    connection
        .prepare_cached("DELETE FROM batches WHERE json_extract(record, '$.finished_at') < ?1")?
        .execute([oldest_ms])?;
    connection
        .prepare_cached("SELECT coalesce(min(sent_at), ?1) FROM messages")?
        .query_row([now_ms], |row| row.get(0))
}

fn sweep_blobs(folder: &Path, oldest: SystemTime) -> std::io::Result<()> {
    if !folder.try_exists()? {
        return Ok(());
    }
    for shelf in fs::read_dir(folder)? {
        sweep_folder(&shelf?.path(), oldest)?;
    }
    Ok(())
}

fn sweep_folder(folder: &Path, oldest: SystemTime) -> std::io::Result<()> {
    if !folder.try_exists()? {
        return Ok(());
    }
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.metadata()?.modified()? < oldest {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}
