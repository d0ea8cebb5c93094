//! An operation whose group of writes is undone has not happened, in the table as in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use gantz_core::host::Clock;
use gantz_testkit::builders::NOW_MS;
use tempfile::TempDir;

use super::*;
use crate::{Directory, Settings};

const MAX_RECEIVES: u32 = 2;
const VISIBILITY_MS: u64 = 60_000;

struct Case {
    store: Embedded,
    now_ms: Arc<AtomicU64>,
    _folder: TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let now_ms = Arc::new(AtomicU64::new(NOW_MS));
        let reading = Arc::clone(&now_ms);
        let clock = Clock::new(move || reading.load(Ordering::SeqCst));
        let directory = Directory::create(folder.path()).unwrap();
        let settings = Settings { max_receives: MAX_RECEIVES };
        Self { store: Embedded::open(directory, clock, settings).unwrap(), now_ms, _folder: folder }
    }

    fn advance(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Runs the operation in one group with a write that fails.
    async fn undone<T>(&self, operation: impl Future<Output = PortResult<T>>) {
        let writer = &self.store.writer;
        let failing = writer.call(|_| Err::<(), _>(rusqlite::Error::InvalidQuery));
        let (undone, failed) = writer.one_group(async { tokio::join!(operation, failing) }).await;
        assert!(undone.is_err() && failed.is_err(), "the group was committed");
    }

    async fn send(&self, queue: &QueueName, body: &str, delay_ms: u64) -> PortResult<()> {
        let message = NewMessage { delay_ms, ..NewMessage::of(body) };
        self.store.send(queue, vec![message]).await.map(|answers| assert_eq!(answers, [Ok(())]))
    }

    async fn receive(&self, queue: &QueueName) -> PortResult<Vec<Message>> {
        self.store.receive(queue, Receive { max: 10, visibility_ms: VISIBILITY_MS, wait_ms: 0 }).await
    }

    /// Everything that can be received now, and how often each was.
    async fn visible(&self, queue: &QueueName) -> Vec<(String, u32)> {
        let messages = self.receive(queue).await.unwrap();
        messages.into_iter().map(|message| (message.body, message.receives)).collect()
    }

    async fn holds(&self, queue: &QueueName, message: &Message) -> bool {
        self.store.extend(queue, &message.receipt, VISIBILITY_MS).await.unwrap()
    }

    async fn depth(&self, queue: &QueueName) -> [u64; 3] {
        let Depth { visible, in_flight, delayed } = self.store.depth(queue).await.unwrap();
        [visible, in_flight, delayed]
    }
}

fn lane() -> QueueName {
    QueueName::Lane(Lane::default_lane())
}

fn dead() -> QueueName {
    QueueName::Dead(Lane::default_lane())
}

fn one(mut messages: Vec<Message>) -> Message {
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

fn times(receives: u32, bodies: &[&str]) -> Vec<(String, u32)> {
    bodies.iter().map(|body| ((*body).to_owned(), receives)).collect()
}

#[tokio::test]
async fn send() {
    let case = Case::new();
    case.send(&lane(), "before", 0).await.unwrap();
    case.undone(case.send(&lane(), "undone", 0)).await;
    case.undone(case.send(&lane(), "undone", 5_000)).await;
    assert_eq!(case.depth(&lane()).await, [1, 0, 0]);
    case.send(&lane(), "after", 0).await.unwrap();
    assert_eq!(case.visible(&lane()).await, times(1, &["before", "after"]));
}

#[tokio::test]
async fn receive() {
    let case = Case::new();
    case.send(&lane(), "a", 0).await.unwrap();
    case.send(&lane(), "late", 5_000).await.unwrap();
    case.undone(case.receive(&lane())).await;
    assert_eq!(case.depth(&lane()).await, [1, 0, 1]);
    assert_eq!(case.visible(&lane()).await, times(1, &["a"]));
    case.advance(5_000);
    case.undone(case.receive(&lane())).await;
    assert_eq!(case.depth(&lane()).await, [1, 1, 0]);
    assert_eq!(case.visible(&lane()).await, times(1, &["late"]));
}

/// In one group with what it receives: the message never was, and its place in the queue stays empty.
#[tokio::test]
async fn receive_of_what_was_sent_in_the_group() {
    let case = Case::new();
    case.send(&lane(), "before", 0).await.unwrap();
    let lane = lane();
    let both = async { tokio::join!(case.send(&lane, "undone", 0), case.receive(&lane)).1 };
    case.undone(both).await;
    case.send(&lane, "after", 0).await.unwrap();
    assert_eq!(case.visible(&lane).await, times(1, &["before", "after"]));
}

#[tokio::test]
async fn receive_too_often() {
    let case = Case::new();
    case.send(&lane(), "a", 0).await.unwrap();
    for _ in 0..MAX_RECEIVES {
        assert_eq!(case.receive(&lane()).await.unwrap().len(), 1);
        case.advance(VISIBILITY_MS);
    }
    assert_eq!(case.depth(&dead()).await, [0, 0, 0]);
    case.undone(case.receive(&lane())).await;
    assert_eq!((case.depth(&lane()).await, case.depth(&dead()).await), ([1, 0, 0], [0, 0, 0]));
    assert_eq!(case.visible(&lane()).await, []);
    assert_eq!(case.visible(&dead()).await, times(1, &["a"]));
}

#[tokio::test]
async fn postpone() {
    let (case, lane) = (Case::new(), lane());
    case.send(&lane, "a", 0).await.unwrap();
    let held = one(case.receive(&lane).await.unwrap());
    let postpone = |delay_ms| case.store.postpone(&lane, &held.receipt, delay_ms, Postponed::HandedBack);
    for delay_ms in [0, 5_000] {
        case.undone(postpone(delay_ms)).await;
        assert_eq!(case.depth(&lane).await, [0, 1, 0]);
        assert_eq!(case.visible(&lane).await, [], "it is still held");
        assert!(case.holds(&lane, &held).await);
    }
    // Given back, and received by another, within the group.
    let both = async { tokio::join!(postpone(0), case.receive(&lane)).1 };
    case.undone(both).await;
    assert!(case.holds(&lane, &held).await);
    assert_eq!(case.depth(&lane).await, [0, 1, 0]);
    // What is held is visible once its visibility ends.
    case.advance(VISIBILITY_MS);
    assert_eq!(case.visible(&lane).await, times(2, &["a"]));
}

#[tokio::test]
async fn delete() {
    let case = Case::new();
    case.send(&lane(), "a", 0).await.unwrap();
    let held = one(case.receive(&lane()).await.unwrap());
    case.undone(case.store.delete(&lane(), vec![held.receipt.clone()])).await;
    assert_eq!(case.depth(&lane()).await, [0, 1, 0]);
    assert!(case.holds(&lane(), &held).await);
    assert_eq!(case.store.delete(&lane(), vec![held.receipt]).await.unwrap(), [Ok(())]);
    assert_eq!(case.depth(&lane()).await, [0, 0, 0]);
}

#[tokio::test]
async fn quarantine() {
    let case = Case::new();
    case.send(&lane(), "a", 0).await.unwrap();
    let held = one(case.receive(&lane()).await.unwrap());
    case.undone(case.store.quarantine(&lane(), &held, "unreadable")).await;
    assert_eq!((case.depth(&lane()).await, case.depth(&dead()).await), ([0, 1, 0], [0, 0, 0]));
    assert!(case.holds(&lane(), &held).await);
    case.store.quarantine(&lane(), &held, "unreadable").await.unwrap();
    assert_eq!(case.depth(&lane()).await, [0, 0, 0]);
    assert_eq!(case.visible(&dead()).await, times(1, &["a"]));
}

#[tokio::test]
async fn redrive() {
    let case = Case::new();
    for body in ["held", "delayed", "visible"] {
        case.send(&dead(), body, if body == "delayed" { 5_000 } else { 0 }).await.unwrap();
        if body == "held" {
            assert_eq!(case.receive(&dead()).await.unwrap().len(), 1);
        }
    }
    assert_eq!(case.depth(&lane()).await, [0, 0, 0]);
    case.undone(case.store.redrive(&Lane::default_lane(), 10)).await;
    assert_eq!((case.depth(&lane()).await, case.depth(&dead()).await), ([0, 0, 0], [1, 1, 1]));
    // Neither queue has forgotten which places are taken.
    case.send(&dead(), "later", 0).await.unwrap();
    case.send(&lane(), "first", 0).await.unwrap();
    assert_eq!(case.store.redrive(&Lane::default_lane(), 10).await.unwrap(), 4);
    assert_eq!((case.depth(&lane()).await, case.depth(&dead()).await), ([5, 0, 0], [0, 0, 0]));
    let expected = times(1, &["first", "held", "delayed", "visible", "later"]);
    assert_eq!(case.visible(&lane()).await, expected);
}

/// Whoever held a dead letter that went back holds nothing: also not the one that comes next.
#[tokio::test]
async fn a_receipt_from_before_a_redrive_is_worth_nothing() {
    let case = Case::new();
    case.send(&dead(), "first", 0).await.unwrap();
    let stale = one(case.receive(&dead()).await.unwrap());
    assert_eq!(case.store.redrive(&Lane::default_lane(), 10).await.unwrap(), 1);
    case.send(&dead(), "second", 0).await.unwrap();
    let held = one(case.receive(&dead()).await.unwrap());
    assert_eq!(case.store.delete(&dead(), vec![stale.receipt]).await.unwrap(), [Ok(())]);
    assert!(case.holds(&dead(), &held).await);
    assert_eq!(case.depth(&dead()).await, [0, 1, 0]);
}

/// A queue whose first use is undone has no number, which the next new queue would share with it.
#[tokio::test]
async fn first_use_of_a_queue() {
    let case = Case::new();
    let other = QueueName::Lane(Lane::try_new("other").unwrap());
    case.undone(case.send(&lane(), "undone", 0)).await;
    case.send(&other, "b", 0).await.unwrap();
    case.send(&lane(), "a", 0).await.unwrap();
    assert_eq!(case.visible(&lane()).await, times(1, &["a"]));
    assert_eq!(case.visible(&other).await, times(1, &["b"]));
}

/// What a job's timeline asks for: its own messages, how often each was delivered, and when it is due.
#[tokio::test]
async fn messages_of_a_job() {
    let case = Case::new();
    let id = gantz_testkit::builders::job_id("asked-for");
    let body = gantz_testkit::builders::envelope(&id).to_body().unwrap();
    // A message that only mentions the job is not the job's, nor is one that is no envelope.
    for other in [r#"{"job_id": "another-job", "parameters": "asked-for"}"#, "asked-for"] {
        case.send(&lane(), other, 0).await.unwrap();
    }
    case.send(&lane(), &body, 5_000).await.unwrap();
    let found = |queue: QueueName, deliveries, due_at_ms| QueuedMessage {
        queue: queue.to_string(),
        sent_at_ms: NOW_MS,
        deliveries,
        due_at_ms,
    };
    let of_job = async || case.store.view().messages(&id).await.unwrap();
    assert_eq!(of_job().await, [found(lane(), 0, Some(NOW_MS + 5_000))]);

    case.advance(5_000);
    let held = case.receive(&lane()).await.unwrap().into_iter().find(|message| message.body == body).unwrap();
    assert_eq!(of_job().await, [found(lane(), 1, None)]);
    case.store.quarantine(&lane(), &held, "unreadable").await.unwrap();
    assert_eq!(of_job().await, [found(dead(), 0, None)]);
}
