//! What the domain needs from the outside. Each method's doc says what is true once it has returned.
//!
//! `gantz-testkit` holds one conformance suite for each port of [`Ports`]; every adapter runs it. What only S3 offers,
//! [`ObjectList`], [`ByteSource`] and [`NewObjects`], has tests of its own, and so has [`SecretStore`].

mod batches;
mod blobs;
mod bytes;
mod events;
#[cfg(feature = "failpoints")]
pub mod failpoints;
mod fleet;
mod new_objects;
mod objects;
mod queue;
mod secrets;
mod store;

pub use batches::BatchStore;
pub use blobs::{BlobError, BlobStore, read_parameters};
pub use bytes::{ByteReader, ByteSource, Opened, Place, SourceError};
pub use events::EventSink;
pub use fleet::{BreakerState, Limits};
pub use new_objects::{NewObjects, may_be_new, object_mark};
pub use objects::{Object, ObjectList, ObjectPage};
pub use queue::{Depth, EntryError, JobQueue, Message, NewMessage, Postponed, QueueLimits, Receipt, Receive};
pub use secrets::SecretStore;
pub use store::{JobFilter, JobPage, JobStore};

use std::sync::Arc;

/// Every port of one backend. Clones share it.
#[derive(Clone)]
pub struct Ports {
    /// Rows of jobs.
    pub jobs: Arc<dyn JobStore>,
    /// Rows of batches.
    pub batches: Arc<dyn BatchStore>,
    /// Messages.
    pub queue: Arc<dyn JobQueue>,
    /// Large parameters and results.
    pub blobs: Arc<dyn BlobStore>,
    /// Completion events.
    pub events: Arc<dyn EventSink>,
    /// What the fleet shares.
    pub limits: Arc<dyn Limits>,
}

impl Ports {
    /// One backend that is every port.
    pub fn of<B>(backend: B) -> Self
    where
        B: JobStore + BatchStore + JobQueue + BlobStore + EventSink + Limits + 'static,
    {
        let backend = Arc::new(backend);
        let ports = Self {
            jobs: backend.clone(),
            batches: backend.clone(),
            queue: backend.clone(),
            blobs: backend.clone(),
            events: backend.clone(),
            limits: backend,
        };
        ports.armed()
    }

    /// Where a test may have the process die: see the module `failpoints`, which nothing has that is built to be used.
    #[must_use]
    pub fn armed(self) -> Self {
        #[cfg(feature = "failpoints")]
        return failpoints::arm(self);
        #[cfg(not(feature = "failpoints"))]
        self
    }
}

/// A port could not do its job.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PortError {
    /// The service asked for fewer calls.
    #[error("throttled: {0}")]
    Throttled(String),
    /// The call may have been applied or not; the same call may succeed later.
    #[error("{0}")]
    Transient(String),
    /// There is no room left to record anything. The same call may succeed later; the port has told the log by itself,
    /// once.
    #[error("{0}")]
    Full(String),
    /// The same call will fail again.
    #[error("{0}")]
    Permanent(String),
    /// What is stored cannot be read: no call for it will succeed until somebody mends it. Calls for other things do.
    #[error("what is stored is damaged: {0}")]
    Damaged(String),
}

impl PortError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled(_) | Self::Transient(_) | Self::Full(_))
    }

    /// Whether the log has been told already: to tell it again with each call that fails would bury all else.
    pub fn is_said(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// The result of a port's method.
pub type PortResult<T> = Result<T, PortError>;
