//! The processes that share a data directory, and what becomes of what a dead one held.
//!
//! Each process has a number, its epoch, which no other process of the directory ever has, and a locked file of that
//! name. The lock ends with the process, however it ends; no clock is asked. Whoever finds the lock of another one free
//! gives back its messages and forgets its number, and with it every lease that it granted.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use gantz_core::ids::JobId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::open::OpenError;
use crate::private;
use crate::queue;

/// Identifies the process that granted a lease or holds a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(pub(crate) i64);

/// This process among those that share the directory, until the value is dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) epoch: Epoch,
    _lock: File,
}

impl Membership {
    /// Joins. Its row appears after its file is locked, so that nobody takes it for dead.
    pub(crate) fn join(folder: &Path, connection: &Connection) -> Result<Self, OpenError> {
        private::folder(folder)?;
        let epoch = connection.query_row(
            "INSERT INTO meta (key, value) VALUES ('epoch', 1) \
             ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value",
            [],
            |row| row.get(0).map(Epoch),
        )?;
        let lock = File::create(file(folder, epoch))?;
        lock.try_lock().map_err(io::Error::from)?;
        connection.execute(
            "INSERT INTO processes (epoch, pid) VALUES (?1, ?2)",
            params![epoch.0, std::process::id()],
        )?;
        Ok(Self { epoch, _lock: lock })
    }
}

/// Whether that process may still be at work.
pub(crate) fn is_alive(connection: &Connection, epoch: Epoch) -> rusqlite::Result<bool> {
    let mut find = connection.prepare_cached("SELECT 1 FROM processes WHERE epoch = ?1")?;
    find.query_row([epoch.0], |_| Ok(())).optional().map(|found| found.is_some())
}

/// Stands for whatever is queued.
const EVERYTHING: &str = "*";

/// From now on that process works on this job or batch, or on whatever is queued.
pub(crate) fn works_on(connection: &Connection, epoch: Epoch, only: Option<&JobId>) -> rusqlite::Result<()> {
    let works_on = only.map_or(EVERYTHING, JobId::as_str);
    let update = "UPDATE processes SET works_on = ?2 WHERE epoch = ?1";
    connection.execute(update, params![epoch.0, works_on]).map(|_| ())
}

/// Whether a process that has not ended, other than `me`, works on this job or batch, maybe among others.
pub(crate) fn is_worked_on(
    connection: &Connection,
    folder: &Path,
    id: &JobId,
    me: Option<Epoch>,
) -> rusqlite::Result<bool> {
    let mut workers = connection
        .prepare_cached("SELECT epoch FROM processes WHERE works_on IN (?1, ?2) AND epoch IS NOT ?3")?;
    let me = me.map(|me| me.0);
    let workers = workers.query_map(params![EVERYTHING, id.as_str(), me], |row| row.get(0).map(Epoch))?;
    for epoch in workers {
        if look_after(folder, epoch?).is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A process that ended. Its lock is held meanwhile, so that one other process looks after what it left.
pub(crate) struct Dead {
    epoch: Epoch,
    path: PathBuf,
    /// None if its file is gone: somebody cleaned up by hand.
    _lock: Option<File>,
}

/// Which of the others have ended.
pub(crate) fn find_dead(connection: &Connection, folder: &Path, me: Epoch) -> rusqlite::Result<Vec<Dead>> {
    let mut others = connection.prepare_cached("SELECT epoch FROM processes WHERE epoch <> ?1")?;
    let others = others.query_map([me.0], |row| row.get(0).map(Epoch))?;
    let mut dead = Vec::new();
    for epoch in others {
        dead.extend(look_after(folder, epoch?));
    }
    Ok(dead)
}

fn look_after(folder: &Path, epoch: Epoch) -> Option<Dead> {
    let path = file(folder, epoch);
    let lock = match File::options().write(true).open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Some(Dead { epoch, path, _lock: None });
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot tell whether a process has ended");
            return None;
        }
    };
    match lock.try_lock() {
        Ok(()) => Some(Dead { epoch, path, _lock: Some(lock) }),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => {
            tracing::warn!(path = %path.display(), %error, "cannot tell whether a process has ended");
            None
        }
    }
}

impl Dead {
    /// Makes what it held visible and ends its leases. Returns how many messages came back.
    pub(crate) fn bury(&self, connection: &Connection, now_ms: u64) -> rusqlite::Result<usize> {
        let returned = queue::give_back_all(connection, self.epoch, now_ms)?;
        connection.execute("DELETE FROM processes WHERE epoch = ?1", [self.epoch.0])?;
        Ok(returned)
    }

    /// Once that is committed.
    pub(crate) fn forget(&self, returned: usize) {
        if returned > 0 {
            tracing::info!(
                process = self.epoch.0,
                returned,
                "a process ended without handing back what it held"
            );
        }
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "failed to remove the lock file of a dead process");
        }
    }
}

fn file(folder: &Path, epoch: Epoch) -> PathBuf {
    folder.join(epoch.0.to_string())
}
