//! Paused time beside a store that commits on a thread of its own.
//!
//! Tokio moves paused time on to the next timer as soon as every task waits, and it takes a task that waits for the
//! writing thread for an idle one: time would jump by a timeout while a commit is under way. The metronome always has
//! the next timer, a few milliseconds ahead, and sets it only once all writes before it are committed. So time never
//! passes faster than one beat per round trip to the store, however slow the machine is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gantz_core::ids::JobId;
use gantz_core::lifecycle::CancelVerdict;
use gantz_core::ports::JobStore;
use gantz_embedded::Embedded;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Shorter than any time that a test or the protocol tells apart, long enough that minutes pass in seconds.
const BEAT_MS: u64 = 5;

/// Beats until it is dropped.
pub(crate) struct Metronome {
    beats: JoinHandle<()>,
    beat_ms: Arc<AtomicU64>,
}

impl Metronome {
    pub(crate) fn start(store: Embedded) -> Self {
        let beat_ms = Arc::new(AtomicU64::new(BEAT_MS));
        let beat = Arc::clone(&beat_ms);
        let beats = tokio::spawn(async move {
            loop {
                all_writes_done(store.clone()).await;
                tokio::time::sleep(Duration::from_millis(beat.load(Ordering::Relaxed))).await;
            }
        });
        Self { beats, beat_ms }
    }

    /// Beats so often from now on, where hours are to pass in seconds.
    pub(crate) fn slow_down(&self, beat_ms: u64) {
        self.beat_ms.store(beat_ms, Ordering::Relaxed);
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.beats.abort();
    }
}

/// Goes through the writing thread once, without a change, and with time standing still: tokio holds paused time while
/// a blocking task runs.
async fn all_writes_done(store: Embedded) {
    let runtime = Handle::current();
    let round_trip = tokio::task::spawn_blocking(move || {
        let nobody = JobId::try_new("metronome").unwrap();
        runtime.block_on(store.cancel(&nobody, 0)).unwrap()
    });
    assert_eq!(round_trip.await.unwrap(), CancelVerdict::Unknown);
}
