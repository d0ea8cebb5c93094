//! Reading a data directory, whoever else uses it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantz_core::batch::{BatchProgress, BatchRecord, ShardRecord};
use gantz_core::ids::{JobId, QueueName, Tenant};
use gantz_core::job::JobRecord;
use gantz_core::ports::{BlobError, JobFilter, JobPage, PortResult};
use rusqlite::params;

use crate::events::{self, StoredEvent};
use crate::lock::Directory;
use crate::notes::{self, Note};
use crate::open::OpenError;
use crate::queue::{self, DeadLetter, QueuedMessage};
use crate::readers::Readers;
use crate::{batches, blobs, process, rows, schema, store};

/// What a data directory holds, as of each call. Clones share connections.
#[derive(Debug, Clone)]
pub struct View {
    path: Arc<PathBuf>,
    readers: Readers,
}

impl View {
    /// Looks into the directory at `path`; it takes no lock. `None` if nothing was ever stored there.
    ///
    /// # Errors
    /// When the database cannot be read, or is of another version.
    pub fn open(path: &Path) -> Result<Option<Self>, OpenError> {
        let database = Directory::database(path);
        if !database.try_exists()? {
            return Ok(None);
        }
        let has_tables = schema::has_tables(&schema::open_reader(&database)?)?;
        Ok(has_tables.then(|| Self::new(path)))
    }

    pub(crate) fn new(path: &Path) -> Self {
        Self { path: Arc::new(path.to_owned()), readers: Readers::new(&Directory::database(path)) }
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }

    /// A job's row.
    ///
    /// # Errors
    /// When the database fails; so do all methods below.
    pub async fn job(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        let id = id.clone();
        self.readers.call(move |connection| rows::get(connection, &id)).await
    }

    /// Jobs, newest first; see [`gantz_core::ports::JobStore::list`].
    ///
    /// # Errors
    /// Also when `cursor` is none that a page gave.
    pub async fn jobs(&self, filter: &JobFilter, limit: usize, cursor: Option<&str>) -> PortResult<JobPage> {
        let before = store::parse_cursor(cursor)?;
        let filter = filter.clone();
        self.readers.call(move |connection| store::list(connection, &filter, limit, before)).await
    }

    /// The children of a batch that have these indexes, as far as there are any, in their order.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn children(&self, batch: &JobId, indexes: Range<u32>) -> PortResult<Vec<JobRecord>> {
        let (from, to) = (JobId::child(batch, indexes.start), JobId::child(batch, indexes.end));
        self.readers
            .call(move |connection| {
                let mut statement = connection.prepare_cached(concat!(
                    "SELECT ",
                    rows::columns!(),
                    " FROM jobs WHERE id >= ?1 AND id < ?2 ORDER BY id"
                ))?;
                statement.query_map(params![from.as_str(), to.as_str()], rows::read)?.collect()
            })
            .await
    }

    /// A batch and its exact totals.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn batch(&self, id: &JobId) -> PortResult<Option<BatchProgress>> {
        let id = id.clone();
        self.readers.call(move |connection| batches::progress(connection, &id)).await
    }

    /// A batch's shard.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn shard(&self, batch: &JobId, number: u32) -> PortResult<Option<ShardRecord>> {
        let batch = batch.clone();
        self.readers.call(move |connection| batches::shard(connection, &batch, number)).await
    }

    /// Batches, newest first; of one tenant only, if one is given.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn batches(&self, tenant: Option<&Tenant>, limit: usize) -> PortResult<Vec<BatchRecord>> {
        let tenant = tenant.cloned();
        self.readers.call(move |connection| batches::list(connection, tenant.as_ref(), limit)).await
    }

    /// Why a job's message went back to its queue, the last few times, oldest first.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn notes(&self, id: &JobId) -> PortResult<Vec<Note>> {
        let id = id.clone();
        self.readers.call(move |connection| notes::of_job(connection, &id)).await
    }

    /// A job's messages that are still on a queue, with how often each was delivered and when it is due. Reads every
    /// message there is.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn messages(&self, id: &JobId) -> PortResult<Vec<QueuedMessage>> {
        let id = id.clone();
        self.readers.call(move |connection| queue::of_job(connection, &id)).await
    }

    /// Events after the one numbered `after`, oldest first.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn events(&self, after: i64, limit: usize) -> PortResult<Vec<StoredEvent>> {
        self.readers.call(move |connection| events::after(connection, after, limit)).await
    }

    /// What was set aside from a queue, oldest first.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn dead_letters(&self, home: &QueueName, limit: usize) -> PortResult<Vec<DeadLetter>> {
        let Some(name) = home.aside().map(|aside| aside.to_string()) else { return Ok(Vec::new()) };
        self.readers.call(move |connection| queue::dead_letters(connection, &name, limit)).await
    }

    /// Whether a process that shares the directory works on this job or batch, maybe among others.
    ///
    /// # Errors
    /// See [`View::job`].
    pub async fn is_worked_on(&self, id: &JobId) -> PortResult<bool> {
        let (folder, id) = (Directory::processes(&self.path), id.clone());
        self.readers.call(move |connection| process::is_worked_on(connection, &folder, &id, None)).await
    }

    /// The bytes of a blob, if there are at most `max_bytes`.
    ///
    /// # Errors
    /// As [`gantz_core::ports::BlobStore::get`].
    pub async fn blob(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        blobs::read(&self.path, reference, max_bytes).await
    }
}
