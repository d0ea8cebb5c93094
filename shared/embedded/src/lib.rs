//! The ports of Gantz over one directory: SQLite for rows, messages and events, files for blobs.
//!
//! One process owns the directory (a lock proves it); others may read. All writes go through one thread that commits
//! whatever is waiting as one group, so that a flush to disk serves many callers.

mod batches;
mod blobs;
mod changes;
#[cfg(test)]
mod damage_tests;
mod events;
mod fleet;
mod lock;
mod notes;
mod open;
mod private;
mod queue;
mod readers;
mod rows;
mod schema;
mod store;
mod sweep;
mod view;
mod writer;

pub use events::StoredEvent;
pub use lock::{Directory, LockError};
pub use notes::Note;
pub use open::{Embedded, OpenError, Settings};
pub use queue::{DeadLetter, QueuedMessage};
pub use view::View;
