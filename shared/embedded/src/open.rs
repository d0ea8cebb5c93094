//! Opening a data directory.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use gantz_core::host::Clock;
use gantz_core::limits;
use rusqlite::Connection;

use crate::changes::Changes;
use crate::lock::{Directory, LockError};
use crate::private;
use crate::queue::Queues;
use crate::rows::Epoch;
use crate::schema;
use crate::view::View;
use crate::writer::Writer;

/// How a directory is used.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Receives before a message is dead-lettered.
    pub max_receives: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_receives: limits::MAX_RECEIVES }
    }
}

/// Every port of Gantz over one data directory. Clones share it.
#[derive(Clone)]
pub struct Embedded {
    pub(crate) directory: Arc<Directory>,
    pub(crate) writer: Writer,
    pub(crate) view: View,
    pub(crate) changes: Changes,
    pub(crate) queues: Arc<Queues>,
    pub(crate) clock: Clock,
    pub(crate) epoch: Epoch,
}

/// A data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It could not be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It was written by another version of Gantz.
    #[error(
        "the data directory has format {found}, this version of Gantz reads {expected}: move it away, or use the version that wrote it"
    )]
    Version {
        /// The format found.
        found: u32,
        /// The format expected.
        expected: u32,
    },
    /// The database failed.
    #[error("failed to open the database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file system failed, or the writing thread could not be started.
    #[error("failed to open the data directory: {0}")]
    Io(#[from] std::io::Error),
}

impl Embedded {
    /// Opens a directory that this process owns.
    ///
    /// # Errors
    /// When the database cannot be opened, or is of another version.
    pub fn open(directory: Directory, clock: Clock, settings: Settings) -> Result<Self, OpenError> {
        let path = Directory::database(directory.path());
        // SQLite gives the files beside it the same permissions.
        private::file(&path)?;
        let connection = schema::open_writer(&path)?;
        schema::migrate(&connection)?;
        let epoch = next_epoch(&connection)?;
        let queues = Arc::new(Queues::load(&connection, settings.max_receives)?);
        let view = View::new(directory.path());
        let (writer, _thread) = Writer::start(connection, Arc::clone(&queues))?;
        Ok(Self {
            directory: Arc::new(directory),
            writer,
            view,
            changes: Changes::default(),
            queues,
            clock,
            epoch,
        })
    }

    /// Reading, which needs no writer.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn next_epoch(connection: &Connection) -> rusqlite::Result<Epoch> {
    connection
        .query_row(
            "INSERT INTO meta (key, value) VALUES ('epoch', 1) \
             ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value",
            [],
            |row| row.get(0),
        )
        .map(Epoch)
}
