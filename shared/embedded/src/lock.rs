//! The data directory and its owner.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::private;

/// A data directory that this process owns until the value is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    _lock: File,
}

/// A data directory could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process owns it.
    #[error("`{0}` is in use by another process")]
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

impl Directory {
    /// Creates the directory if need be, for this user's eyes only, and becomes its owner.
    ///
    /// # Errors
    /// When another process owns it, or it cannot be written.
    pub fn lock(path: &Path) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: path.to_owned(), source };
        private::folder(path).map_err(io)?;
        let lock = File::create(path.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
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
}
