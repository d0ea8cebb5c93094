//! Connections that read beside the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gantz_core::ports::{PortError, PortResult};
use rusqlite::Connection;

use crate::schema;
use crate::writer::port_error;

/// Idle connections kept. Each has a page cache of its own; reads are short.
const IDLE_MAX: usize = 2;

#[derive(Debug, Clone)]
pub(crate) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: Arc::new(path.to_owned()), idle: Arc::default() }
    }

    /// Runs `work` on a thread that may block, with a connection that sees every commit before the call.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> PortResult<T> {
        let readers = self.clone();
        let read = tokio::task::spawn_blocking(move || readers.with(work));
        match read.await {
            Ok(result) => result.map_err(|error| port_error(&error)),
            Err(error) => Err(PortError::Transient(format!("a read was stopped: {error}"))),
        }
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => schema::open_reader(&self.path)?,
        };
        let result = work(&connection);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        result
    }
}
