//! A thread that notices what other processes do: what they commit, and that they end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rusqlite::Connection;

use crate::open::{OpenError, Shared};
use crate::pause::pause;
use crate::process;
use crate::writer::Writer;

/// How soon a commit of another process is noticed. Asking reads one number in shared memory.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks until the other processes' locks are tried.
const LOOKS_PER_ROUND: u32 = 5;

/// Starts the thread. It ends with the last handle of the directory.
pub(crate) fn start(connection: Connection, shared: &Arc<Shared>, writer: &Writer) -> Result<(), OpenError> {
    let (shared, writer) = (Arc::downgrade(shared), writer.clone());
    let writer = writer.downgrade();
    // Before anybody can wait for what happens from now on.
    let seen = data_version(&connection)?;
    std::thread::Builder::new().name("gantz-watch".into()).spawn(move || {
        let mut watch = Watch { connection, shared, seen };
        for look in 1_u32.. {
            pause(LOOK_EVERY);
            let Some(writer) = writer.upgrade() else { return };
            let looked = watch.look(&writer, look.is_multiple_of(LOOKS_PER_ROUND));
            match looked {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "failed to look at what other processes do"),
            }
        }
    })?;
    Ok(())
}

struct Watch {
    connection: Connection,
    shared: Weak<Shared>,
    seen: i64,
}

/// A number that differs after another connection's commit.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

impl Watch {
    /// False once nobody is there to be told.
    fn look(&mut self, writer: &Writer, round: bool) -> rusqlite::Result<bool> {
        let Some(shared) = self.shared.upgrade() else { return Ok(false) };
        let version = data_version(&self.connection)?;
        if std::mem::replace(&mut self.seen, version) != version {
            shared.queues.look_all();
            shared.changes.touch_all();
        }
        if round {
            for dead in process::find_dead(&self.connection, &shared.processes, shared.membership.epoch)? {
                let (now_ms, told) = (shared.clock.now_ms(), Arc::clone(&shared));
                writer.post(
                    move |connection| Ok((dead.bury(connection, now_ms)?, dead)),
                    move |(returned, dead)| {
                        dead.forget(*returned);
                        told.queues.look_all();
                    },
                );
            }
        }
        Ok(true)
    }
}
