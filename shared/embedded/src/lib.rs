//! The ports of Gantz over one directory: SQLite for rows, messages and events, files for blobs.
//!
//! Any number of processes of one machine may share the directory. All writes of a process go through one thread that
//! commits whatever is waiting as one group, so that a flush to disk serves many callers.

mod batches;
mod blobs;
mod changes;
#[cfg(test)]
mod damage_tests;
mod events;
mod fleet;
mod lock;
mod log;
mod new_objects;
mod notes;
mod open;
mod pause;
mod private;
mod process;
mod queue;
mod readers;
mod room;
mod rows;
mod schema;
mod store;
mod sweep;
mod view;
mod watch;
mod writer;

pub use events::StoredEvent;
pub use lock::{Directory, LockError};
pub use notes::Note;
pub use open::{Embedded, OpenError, Settings};
pub use queue::{DeadLetter, QueuedMessage};
pub use view::View;
