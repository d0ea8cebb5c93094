//! The data directory, and the lock under which processes join it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::pause::pause;
use crate::private;

/// How often, and how many times, a process asks whether the other one that joins is done: ten seconds. One that brings
/// a large database up to date takes longer than others.
const ASK_EVERY: Duration = Duration::from_millis(5);
const ASK_MAX: u32 = 2_000;

/// A data directory, which any number of processes of one machine may share.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

/// A data directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process keeps it to itself.
    #[error("`{0}` is in use by another process, which may be of an earlier version of Gantz")]
    InUse(PathBuf),
    /// It cannot be created or locked.
    #[error("`{path}`: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Alone with the directory, for as long as it takes to join those who share it.
pub(crate) struct Joining {
    _lock: File,
}

impl Directory {
    /// Creates the directory if need be, for this user's eyes only.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(path: &Path) -> Result<Self, LockError> {
        private::folder(path).map_err(|source| LockError::Io { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned() })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until nobody else joins.
    pub(crate) fn join(&self) -> Result<Joining, LockError> {
        let io = |source| LockError::Io { path: self.path.clone(), source };
        let lock = File::create(self.path.join("lock")).map_err(io)?;
        for _ in 0..ASK_MAX {
            match lock.try_lock() {
                Ok(()) => return Ok(Joining { _lock: lock }),
                Err(TryLockError::WouldBlock) => pause(ASK_EVERY),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        Err(LockError::InUse(self.path.clone()))
    }

    /// Where input waits that has no file of its own, in a data directory at `path`. What is there is deleted once no plan
    /// can refer to it any more.
    pub fn spool(path: &Path) -> PathBuf {
        path.join("spool")
    }

    /// The same, created if need be for this user's eyes only, as is the data directory.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create_spool(path: &Path) -> io::Result<PathBuf> {
        private::folder(path)?;
        let spool = Self::spool(path);
        private::folder(&spool)?;
        Ok(spool)
    }

    /// Where the database is, in a data directory at `path`.
    pub(crate) fn database(path: &Path) -> PathBuf {
        path.join("gantz.db")
    }

    /// Where the processes that share the directory have their locks.
    pub(crate) fn processes(path: &Path) -> PathBuf {
        path.join("processes")
    }
}
