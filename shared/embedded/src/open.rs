//! Opening a data directory.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantz_core::host::Clock;
use gantz_core::ids::JobId;
use gantz_core::limits;
use gantz_core::ports::PortResult;
use rusqlite::{Connection, ErrorCode};

use crate::changes::Changes;
use crate::lock::{Directory, LockError};
use crate::log::Log;
use crate::process::{self, Membership};
use crate::queue::{Queues, Scope};
use crate::room::Room;
use crate::view::View;
use crate::writer::Writer;
use crate::{private, schema, watch};

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
    pub(crate) shared: Arc<Shared>,
    pub(crate) room: Arc<Room>,
    pub(crate) scope: Option<Scope>,
}

/// What this process knows of itself and of those who wait in it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) changes: Changes,
    pub(crate) queues: Queues,
    pub(crate) membership: Membership,
    /// Where the processes that share the directory have their locks.
    pub(crate) processes: PathBuf,
}

/// A data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It could not be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It was written by a later version of Gantz.
    #[error(
        "the data directory has format {found}, this version of Gantz reads up to {newest}: move it away, or use the version that wrote it"
    )]
    Version {
        /// The format found.
        found: u32,
        /// The newest format that this version reads.
        newest: u32,
    },
    /// It has the format of an earlier version, and nobody has opened it for writing since.
    #[error(
        "the data directory has format {found}, an earlier version's: any command that writes brings it up to date"
    )]
    Outdated {
        /// The format found.
        found: u32,
    },
    /// There is no room for what a process writes when it joins. Reading needs none.
    #[error("the disk is full: nothing can be recorded until there is room ({0})")]
    Full(rusqlite::Error),
    /// The database failed.
    #[error("failed to open the database: {0}")]
    Database(rusqlite::Error),
    /// The file system failed, or the writing thread could not be started.
    #[error("failed to open the data directory: {0}")]
    Io(#[from] std::io::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            _ => Self::Database(error),
        }
    }
}

impl Embedded {
    /// Joins the processes that share the directory. What those that ended have left is visible again when this returns.
    ///
    /// # Errors
    /// When the database cannot be opened, or is of a later version.
    pub fn open(directory: Directory, clock: Clock, settings: Settings) -> Result<Self, OpenError> {
        let joining = directory.join()?;
        let path = Directory::database(directory.path());
        // SQLite gives the files beside it the same permissions.
        private::file(&path)?;
        let connection = schema::open_writer(&path)?;
        schema::migrate(&connection)?;
        let processes = Directory::processes(directory.path());
        let membership = Membership::join(&processes, &connection)?;
        for dead in process::find_dead(&connection, &processes, membership.epoch)? {
            let transaction = connection.unchecked_transaction()?;
            let returned = dead.bury(&transaction, clock.now_ms())?;
            transaction.commit()?;
            dead.forget(returned);
        }
        drop(joining);
        let view = View::new(directory.path());
        let queues = Queues::new(settings.max_receives);
        let room = Arc::new(Room::new(directory.path(), clock.clone()));
        let shared = Arc::new(Shared { clock, changes: Changes::default(), queues, membership, processes });
        let writer = Writer::start(connection, Log::of(&path), Arc::clone(&room))?;
        watch::start(schema::open_reader(&path)?, &shared, &writer)?;
        Ok(Self { directory: Arc::new(directory), writer, view, shared, room, scope: None })
    }

    /// The same ports, but what is received is only of that job or batch: its own messages, those of its children, and
    /// what is planned of it. All else is left to others.
    #[must_use]
    pub fn only(&self, id: JobId) -> Self {
        Self { scope: Some(Scope::of(id)), ..self.clone() }
    }

    /// Says that this process works on what it can receive, until it ends; see [`View::is_worked_on`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn announce_work(&self) -> PortResult<()> {
        let (epoch, scope) = (self.shared.membership.epoch, self.scope.clone());
        self.writer
            .call(move |connection| process::works_on(connection, epoch, scope.as_ref().map(Scope::id)))
            .await
    }

    /// Whether another process that shares the directory works on this job or batch, maybe among others.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn others_work_on(&self, id: &JobId) -> PortResult<bool> {
        let (shared, id) = (Arc::clone(&self.shared), id.clone());
        let me = Some(shared.membership.epoch);
        let look =
            move |connection: &Connection| process::is_worked_on(connection, &shared.processes, &id, me);
        self.view.readers().call(look).await
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
