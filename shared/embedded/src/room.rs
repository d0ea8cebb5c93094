//! A disk without room: said once, for however long it lasts and however many callers find it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use gantz_core::host::Clock;
use gantz_core::ports::PortError;

/// A disk has room again when nothing failed for so long: one that is nearly full takes a small write between two that
/// do not fit.
const QUIET_MS: u64 = 5_000;

/// What this process has found of the disk that its data directory is on.
#[derive(Debug)]
pub(crate) struct Room {
    folder: PathBuf,
    clock: Clock,
    /// Whether `shortage` holds one, to be asked with every commit.
    is_short: AtomicBool,
    shortage: Mutex<Option<Shortage>>,
}

/// A disk that is full.
#[derive(Debug)]
struct Shortage {
    since_ms: u64,
    last_ms: u64,
    failed: usize,
}

impl Room {
    pub(crate) fn new(folder: &Path, clock: Clock) -> Self {
        Self {
            folder: folder.to_owned(),
            clock,
            is_short: AtomicBool::new(false),
            shortage: Mutex::default(),
        }
    }

    /// Notes that so many operations failed for want of room, and gives the error of each.
    pub(crate) fn lacks(&self, operations: usize, error: impl fmt::Display) -> PortError {
        let now_ms = self.clock.now_ms();
        let mut shortage = self.shortage.lock().unwrap_or_else(PoisonError::into_inner);
        if shortage.is_none() {
            self.is_short.store(true, Ordering::Relaxed);
            tracing::error!(
                folder = %self.folder.display(), %error,
                "the disk is full: nothing can be recorded until there is room, and nothing recorded is lost"
            );
        }
        let shortage = shortage.get_or_insert(Shortage { since_ms: now_ms, last_ms: now_ms, failed: 0 });
        shortage.last_ms = now_ms;
        shortage.failed += operations;
        PortError::Full(format!("the disk of {} is full ({error})", self.folder.display()))
    }

    /// Notes that something was written.
    pub(crate) fn sufficed(&self) {
        if !self.is_short.load(Ordering::Relaxed) {
            return;
        }
        let now_ms = self.clock.now_ms();
        let mut shortage = self.shortage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(over) = shortage.take_if(|shortage| now_ms.saturating_sub(shortage.last_ms) >= QUIET_MS) {
            self.is_short.store(false, Ordering::Relaxed);
            let full_for_s = over.last_ms.saturating_sub(over.since_ms) / 1_000;
            tracing::info!(full_for_s, failed = over.failed, "the disk has room again");
        }
    }
}

/// Whether a write failed for want of room, of the disk or of what its owner may use.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use gantz_core::ids::{Lane, QueueName};
    use gantz_core::ports::{JobQueue, JobStore, NewMessage, PortResult};
    use gantz_testkit::builders::{NOW_MS, job_id, record};
    use tempfile::TempDir;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;
    use crate::{Directory, Embedded, Settings};

    /// The levels of what was logged.
    #[derive(Clone, Default)]
    struct Said(Arc<Mutex<Vec<Level>>>);

    impl Said {
        fn levels(&self) -> Vec<Level> {
            self.0.lock().unwrap().clone()
        }
    }

    impl Subscriber for Said {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn it_is_said_once_and_so_is_its_end() {
        let now_ms = Arc::new(AtomicU64::new(NOW_MS));
        let reading = Arc::clone(&now_ms);
        let room = Room::new(Path::new("/data"), Clock::new(move || reading.load(Ordering::SeqCst)));
        let said = Said::default();
        let _guard = tracing::subscriber::set_default(said.clone());
        room.sufficed();
        for _ in 0..100 {
            let error = room.lacks(3, "no space left");
            assert!(error.is_transient() && error.is_said());
            assert_eq!(error.to_string(), "the disk of /data is full (no space left)");
            // What is small enough may still fit.
            room.sufficed();
            now_ms.fetch_add(1_000, Ordering::SeqCst);
        }
        assert_eq!(said.levels(), [Level::ERROR]);
        now_ms.fetch_add(QUIET_MS, Ordering::SeqCst);
        room.sufficed();
        room.sufficed();
        assert_eq!(said.levels(), [Level::ERROR, Level::INFO]);
    }

    fn open() -> (Embedded, TempDir) {
        let folder = TempDir::new().unwrap();
        let directory = Directory::create(folder.path()).unwrap();
        (Embedded::open(directory, Clock::new(|| NOW_MS), Settings::default()).unwrap(), folder)
    }

    /// SQLite fails beyond so many pages as it does when the disk is full.
    async fn set_pages_max(store: &Embedded, pages: u32) {
        let set = move |connection: &rusqlite::Connection| {
            connection.query_row("SELECT 1", [], |_| Ok(()))?;
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        };
        store.writer.call(set).await.unwrap();
    }

    async fn fill(store: &Embedded) -> PortResult<u64> {
        for n in 0..10_000 {
            store.accept(vec![record(&job_id(&format!("job-{n:06}")))]).await.map_err(|error| {
                assert!(n > 0, "{error}");
                error
            })?;
        }
        Ok(10_000)
    }

    #[tokio::test]
    async fn a_full_disk_loses_nothing_and_is_written_to_again() {
        let (store, _folder) = open();
        let lane = QueueName::Lane(Lane::default_lane());
        set_pages_max(&store, 100).await;
        let error = fill(&store).await.unwrap_err();
        assert!(
            matches!(&error, PortError::Full(why) if why.contains("database or disk is full")),
            "{error}"
        );
        let large = "x".repeat(100_000);
        let refused = store.send(&lane, vec![NewMessage::of(large.clone())]).await;
        assert!(matches!(refused, Err(PortError::Full(_))), "{refused:?}");
        let before = store.list(&Default::default(), 10_000, None).await.unwrap().jobs;
        assert!(!before.is_empty(), "reading needs no room");

        set_pages_max(&store, 1_000_000).await;
        assert_eq!(fill(&store).await.unwrap(), 10_000, "those that were recorded are the same jobs");
        let after = store.list(&Default::default(), 20_000, None).await.unwrap().jobs;
        assert_eq!(after.len(), 10_000);
        assert!(before.iter().all(|row| after.contains(row)));
        assert_eq!(store.depth(&lane).await.unwrap(), Default::default(), "what was refused was not sent");
        assert_eq!(store.send(&lane, vec![NewMessage::of(large)]).await.unwrap(), [Ok(())]);
    }

    #[test]
    fn only_what_lacks_room_is_told_so() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = std::io::Write::write_all(&mut &full, b"x").unwrap_err();
        assert!(is_full(&error), "{error}");
        assert!(!is_full(&io::Error::from(io::ErrorKind::PermissionDenied)));
    }
}
