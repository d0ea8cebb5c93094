//! The write-ahead log, kept from growing without bound.
//!
//! SQLite copies the log into the database as it grows, and begins it anew at a commit that finds everything copied and
//! nobody reading from it. Readers that overlap without a gap keep it from that for ever, and so does one that stays: see
//! <https://www.sqlite.org/wal.html>, "Avoiding Excessively Large WAL Files". For the former this waits, with the lock of
//! writers, until those that read have ended; the latter can only be named.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use crate::pause::pause;
use crate::schema::wait_for_lock;

/// Bytes from which it is begun anew by force: four times what is copied into the database by the way.
const LOG_MAX_BYTES: u64 = 128 * 1024 * 1024;
/// Commits from one look at the file to the next.
const LOOK_EVERY: u32 = 64;
/// How often, and how many times, those that read are asked whether they have ended. Writers wait meanwhile.
const READERS_ASK_EVERY: Duration = Duration::from_millis(1);
const READERS_ASK_MAX: i32 = 50;
/// Attempts of that length. SQLite waits for the place that an old reader had, also when others that are not in its way
/// have taken it since, one after the other; the next attempt sees that.
const ATTEMPTS: u32 = 5;

/// The log of a connection that writes.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    max_bytes: u64,
    /// The size from which it is tried again, twice that of the last attempt: a reader that stays for hours costs a few
    /// pauses, not one with every commit.
    next_bytes: u64,
    commits: u32,
}

impl Log {
    /// The log of the database at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        Self::bounded(path, LOG_MAX_BYTES)
    }

    fn bounded(path: &Path, max_bytes: u64) -> Self {
        let mut path = path.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), max_bytes, next_bytes: max_bytes, commits: 0 }
    }

    /// To be called after each commit.
    pub(crate) fn committed(&mut self, connection: &mut Connection) {
        self.commits += 1;
        if self.commits >= LOOK_EVERY {
            self.commits = 0;
            // A log that cannot be looked at is looked at again; that it is gone would be noticed by the next commit.
            if let Ok(log) = fs::metadata(&self.path) {
                self.bound(log.len(), connection);
            }
        }
    }

    fn bound(&mut self, bytes: u64, connection: &mut Connection) {
        if bytes < self.max_bytes {
            if self.next_bytes > self.max_bytes {
                self.next_bytes = self.max_bytes;
                tracing::info!(bytes, "the log of the database is short again");
            }
        } else if bytes >= self.next_bytes {
            match begin_anew(connection) {
                // The commit after this one cuts the file.
                Ok(true) => {}
                Ok(false) => {
                    self.next_bytes = bytes.saturating_mul(2);
                    tracing::warn!(
                        bytes,
                        log = %self.path.display(),
                        "the log of the database grows: some process has been reading an old state of it all the while"
                    );
                }
                Err(error) => {
                    self.next_bytes = bytes.saturating_mul(2);
                    tracing::warn!(bytes, %error, "failed to begin the log of the database anew");
                }
            }
        }
    }
}

/// Copies the whole log into the database and waits a moment for those that read from it, so that the next commit begins
/// it anew; false if some still do.
fn begin_anew(connection: &mut Connection) -> rusqlite::Result<bool> {
    connection.busy_handler(Some(wait_for_readers))?;
    let begun = (0..ATTEMPTS).try_fold(false, |begun, _| Ok(begun || restart(connection)?));
    connection.busy_handler(Some(wait_for_lock))?;
    begun
}

fn restart(connection: &Connection) -> rusqlite::Result<bool> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0))?;
    Ok(busy == 0)
}

/// SQLite asks this after each attempt: true to try again.
fn wait_for_readers(attempts: i32) -> bool {
    pause(READERS_ASK_EVERY);
    attempts < READERS_ASK_MAX
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use tempfile::TempDir;

    use super::*;
    use crate::schema::{open_reader, open_writer};

    const MAX_BYTES: u64 = 256 * 1024;
    /// What is written in all: many times what the log may hold.
    const COMMITS: u32 = 64 * 40;

    struct Case {
        folder: TempDir,
        connection: Connection,
        log: Log,
    }

    impl Case {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("any.db");
            let connection = open_writer(&path).unwrap();
            for (name, value) in
                [("synchronous", 0), ("wal_autocheckpoint", 20), ("journal_size_limit", 128 * 1024)]
            {
                connection.pragma_update(None, name, value).unwrap();
            }
            connection.execute_batch("CREATE TABLE rows (text TEXT)").unwrap();
            Self { folder, connection, log: Log::bounded(&path, MAX_BYTES) }
        }

        fn reader(&self) -> Connection {
            open_reader(&self.folder.path().join("any.db")).unwrap()
        }

        /// Writes, and gives the largest size that the log had.
        fn write(&mut self) -> u64 {
            let mut largest = 0;
            for _ in 0..COMMITS {
                self.connection.execute("INSERT INTO rows VALUES (?1)", ["x".repeat(1_000)]).unwrap();
                self.log.committed(&mut self.connection);
                largest = largest.max(self.bytes());
            }
            largest
        }

        fn bytes(&self) -> u64 {
            fs::metadata(&self.log.path).unwrap().len()
        }
    }

    fn begin_reading(reader: &Connection) {
        reader.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").unwrap();
    }

    /// Three that read in turn, none of them for long, and at no time nobody.
    fn overlapping(case: &Case, over: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<()>> {
        let readers = (0..3).map(|_| {
            let (reader, over) = (case.reader(), Arc::clone(over));
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    begin_reading(&reader);
                    pause(Duration::from_millis(3));
                    reader.execute_batch("COMMIT").unwrap();
                }
            })
        });
        readers.collect()
    }

    #[test]
    fn readers_that_overlap_do_not_keep_it_growing() {
        let mut case = Case::new();
        let over = Arc::new(AtomicBool::new(false));
        let readers = overlapping(&case, &over);
        let largest = case.write();
        over.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
        // Between two looks it grows by what is committed, some pages with each.
        let bound = MAX_BYTES + u64::from(LOOK_EVERY) * 4 * 4_096;
        assert!(largest < bound, "{largest} bytes");
    }

    #[test]
    fn a_reader_that_stays_stops_nobody_and_leaves_no_long_log_behind() {
        let mut case = Case::new();
        let reader = case.reader();
        begin_reading(&reader);
        assert!(case.write() > 4 * MAX_BYTES, "nothing can begin it anew");
        reader.execute_batch("COMMIT").unwrap();
        case.write();
        assert!(case.bytes() < MAX_BYTES, "{} bytes", case.bytes());
        assert_eq!(case.log.next_bytes, MAX_BYTES, "the next one is waited for as soon as this one");
    }
}
