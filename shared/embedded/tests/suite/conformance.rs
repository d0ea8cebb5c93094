//! The embedded adapter keeps the contract of every port, and what it answered survives the process.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use gantz_core::event::Event;
use gantz_core::host::Clock;
use gantz_core::ids::{JobId, Lane, QueueName};
use gantz_core::lifecycle::AcceptVerdict;
use gantz_core::ports::{BatchStore, BlobStore, JobQueue, JobStore, NewMessage, Receive};
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_testkit::builders::{batch, job_id, record};
use gantz_testkit::event_sink::Delivered;
use gantz_testkit::job_queue::OnDemand;
use gantz_testkit::{Env, batch_store, blob_store, event_sink, job_queue, job_store, limits, new_objects};
use serde_json::json;
use tempfile::TempDir;

const MAX_RECEIVES: u32 = 3;
/// Short, because nothing is far away; long enough for a machine that is busy with other tests.
const TICK_MS: u64 = 300;

/// Commits happen on a thread of their own, which paused time would not wait for.
pub(crate) fn env() -> Env {
    #[expect(clippy::disallowed_methods, reason = "a runner brings the clock")]
    let now = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    Env::sleeping(Clock::new(now), TICK_MS)
}

fn open(directory: &TempDir) -> Embedded {
    let directory = Directory::create(directory.path()).unwrap();
    Embedded::open(directory, env().clock(), Settings { max_receives: MAX_RECEIVES }).unwrap()
}

fn fresh() -> (Arc<Embedded>, TempDir) {
    let directory = TempDir::new().unwrap();
    (Arc::new(open(&directory)), directory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_as_job_store() {
    let (port, _directory) = fresh();
    job_store::run(port, env()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_as_job_queue() {
    let (port, _directory) = fresh();
    job_queue::run(port, Arc::new(OnDemand { max_receives: MAX_RECEIVES }), env()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_as_blob_store() {
    let (port, _directory) = fresh();
    blob_store::run(port, env()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_as_event_sink() {
    let (port, _directory) = fresh();
    event_sink::run(Arc::clone(&port) as _, Arc::new(Log(port)), env()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_as_limits() {
    let (port, _directory) = fresh();
    limits::run(port, env()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_as_batch_store() {
    let (port, _directory) = fresh();
    batch_store::run(port, env()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_as_new_objects() {
    let (port, _directory) = fresh();
    new_objects::run(port, env()).await;
}

/// The log of events, read as the far end of the sink.
struct Log(Arc<Embedded>);

#[async_trait]
impl Delivered for Log {
    async fn of(&self, job_id: &JobId) -> Vec<Event> {
        let events = self.0.view().events(0, 10_000).await.unwrap();
        let of_job = events.into_iter().filter(|event| event.detail["job_id"] == json!(job_id));
        of_job
            .map(|event| Event {
                job_id: job_id.clone(),
                detail_type: event.detail_type,
                detail: event.detail,
                time_ms: event.time_ms,
            })
            .collect()
    }
}

/// What was answered `Ok` is there when the directory is opened again, and a message that was held is not lost.
#[tokio::test]
async fn answers_survive_a_restart() {
    let directory = TempDir::new().unwrap();
    let (row, open_batch) = (record(&job_id("survivor")), batch(&job_id("survivors")));
    let lane = QueueName::Lane(Lane::default_lane());
    let ask = Receive { max: 10, visibility_ms: 600_000, wait_ms: 0 };
    let before = open(&directory);
    assert_eq!(before.accept(vec![row.clone()]).await.unwrap(), [AcceptVerdict::Created]);
    assert_eq!(BatchStore::open(&before, open_batch.clone()).await.unwrap(), None);
    let reference = before.put(b"bytes".to_vec()).await.unwrap();
    for body in ["held", "waiting"] {
        let message = NewMessage::of(body);
        assert_eq!(before.send(&lane, vec![message]).await.unwrap(), [Ok(())]);
    }
    assert_eq!(before.receive(&lane, Receive { max: 1, ..ask }).await.unwrap().len(), 1);
    drop(before);

    let after = open(&directory);
    assert_eq!(JobStore::get(&after, &row.id).await.unwrap(), Some(row));
    assert_eq!(after.progress(&open_batch.id).await.unwrap().unwrap().batch, open_batch);
    assert_eq!(BlobStore::get(&after, &reference, 100).await.unwrap(), b"bytes");
    let messages = after.receive(&lane, ask).await.unwrap();
    let mut found: Vec<_> =
        messages.iter().map(|message| (message.body.as_str(), message.receives)).collect();
    found.sort_unstable();
    assert_eq!(found, [("held", 2), ("waiting", 1)]);
}
