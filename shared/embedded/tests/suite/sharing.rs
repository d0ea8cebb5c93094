//! Several processes on one directory. Each handle here is what a process has: connections, a lock and a number of its
//! own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gantz_core::ids::{JobId, Lane, QueueName};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{Claim, ClaimVerdict};
use gantz_core::ports::{Depth, JobQueue, JobStore, Message, NewMessage, Postponed, Receive};
use gantz_embedded::{Directory, Embedded, OpenError, Settings, View};
use gantz_testkit::builders::{self, job_id, record};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::conformance::env;

const PROCESSES: usize = 8;
const JOBS: usize = 5_000;
/// Far more than anything here takes, and what a receiver would wait if nobody woke it.
const LONG_MS: u64 = 600_000;

fn open(folder: &TempDir) -> Embedded {
    let directory = Directory::create(folder.path()).unwrap();
    Embedded::open(directory, env().clock(), Settings::default()).unwrap()
}

fn lane() -> QueueName {
    QueueName::Lane(Lane::default_lane())
}

async fn send(store: &Embedded, bodies: &[&str]) {
    let messages = bodies.iter().map(|body| NewMessage::of(*body)).collect();
    assert!(store.send(&lane(), messages).await.unwrap().iter().all(Result::is_ok));
}

async fn receive(store: &Embedded, max: usize, wait_ms: u64) -> Vec<Message> {
    store.receive(&lane(), Receive { max, visibility_ms: LONG_MS, wait_ms }).await.unwrap()
}

async fn claims(store: &Embedded, row: &JobRecord, owner: &str) -> bool {
    let now_ms = env().clock().now_ms();
    let claim = Claim { lease_until_ms: now_ms + LONG_MS, ..builders::claim(row, owner, now_ms) };
    matches!(store.claim(claim).await.unwrap(), ClaimVerdict::Granted(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_sends_wakes_another_that_waits() {
    let folder = TempDir::new().unwrap();
    let (sender, receiver) = (open(&folder), open(&folder));
    // Both know the queue, and nothing is on it.
    assert_eq!(receive(&receiver, 10, 0).await, []);
    let waiting = tokio::spawn(async move { receive(&receiver, 10, LONG_MS).await });
    send(&sender, &["one"]).await;
    assert_eq!(waiting.await.unwrap()[0].body, "one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_changes_wakes_another_that_watches_the_row() {
    let folder = TempDir::new().unwrap();
    let (writer, watcher) = (open(&folder), open(&folder));
    let row = record(&job_id("watched-row"));
    writer.accept(vec![row.clone()]).await.unwrap();
    let (id, seen) = (row.id.clone(), row.updated_at_ms);
    let watching = tokio::spawn(async move { watcher.changed(&id, seen, LONG_MS).await });
    let _cancelled = writer.cancel(&row.id, env().clock().now_ms()).await.unwrap();
    assert_eq!(watching.await.unwrap().unwrap().unwrap().status, JobStatus::Cancelled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_holds_is_kept_from_others_until_it_ends() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (open(&folder), open(&folder));
    send(&first, &["held"]).await;
    assert_eq!(receive(&first, 10, 0).await.len(), 1);
    assert_eq!(receive(&second, 10, 0).await, []);
    let row = record(&job_id("leased-job"));
    first.accept(vec![row.clone()]).await.unwrap();
    assert!(claims(&first, &row, "first").await);
    assert!(!claims(&second, &row, "second").await);

    drop(first);
    // No clock has run out: the lock of the first one is free.
    let back = receive(&second, 10, LONG_MS).await;
    assert_eq!(back.iter().map(|message| message.receives).collect::<Vec<_>>(), [2]);
    assert!(claims(&second, &row, "second").await);
}

/// A receipt is worth nothing once its message is with another process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_are_of_one_delivery() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (open(&folder), open(&folder));
    send(&first, &["a"]).await;
    let ask = Receive { max: 1, visibility_ms: 1, wait_ms: 0 };
    let stale = first.receive(&lane(), ask).await.unwrap().remove(0).receipt;
    let held = receive(&second, 1, LONG_MS).await.remove(0).receipt;
    assert!(!first.extend(&lane(), &stale, LONG_MS).await.unwrap());
    first.delete(&lane(), vec![stale]).await.unwrap();
    assert_eq!(first.depth(&lane()).await.unwrap(), Depth { visible: 0, in_flight: 1, delayed: 0 });
    second.delete(&lane(), vec![held]).await.unwrap();
    assert_eq!(first.depth(&lane()).await.unwrap(), Depth::default());
}

/// Eight at work while another one sends: each message goes to one of them, and no lock is in anybody's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_processes_share_the_work() {
    let folder = Arc::new(TempDir::new().unwrap());
    let sender = open(&folder);
    let mut workers = JoinSet::new();
    for _ in 0..PROCESSES {
        let store = open(&folder);
        workers.spawn(async move {
            let mut seen = Vec::new();
            loop {
                let messages = receive(&store, 10, LONG_MS).await;
                let over = messages.iter().any(|message| message.body == "over");
                let receipts = messages.iter().map(|message| message.receipt.clone()).collect();
                assert!(store.delete(&lane(), receipts).await.unwrap().iter().all(Result::is_ok));
                seen.extend(messages.into_iter().map(|message| message.body));
                if over {
                    return seen;
                }
            }
        });
    }
    for first in (0..JOBS).step_by(50) {
        let bodies: Vec<String> = (first..first + 50).map(|job| job.to_string()).collect();
        send(&sender, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    // One at a time: whoever gets it stops, and may have taken no other one with it.
    for _ in 0..PROCESSES {
        send(&sender, &["over"]).await;
        for body in workers.join_next().await.unwrap().unwrap() {
            *seen.entry(body).or_default() += 1;
        }
    }
    assert_eq!(seen.remove("over"), Some(PROCESSES));
    assert_eq!((seen.len(), seen.values().max()), (JOBS, Some(&1)));
    assert_eq!(sender.depth(&lane()).await.unwrap(), Depth::default());
}

/// A lock that another program holds for a while delays a write, and is no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_for_the_lock() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let row = record(&job_id("patient-job"));
    store.accept(vec![row.clone()]).await.unwrap();
    let other = Connection::open(folder.path().join("gantz.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let claiming = tokio::spawn({
        let store = store.clone();
        async move { claims(&store, &row, "patient").await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!claiming.is_finished(), "nobody else can write");
    other.execute_batch("COMMIT").unwrap();
    assert!(claiming.await.unwrap());
}

/// What was written by the first format is all there: what is delayed, what was in flight, and the ends of queues.
#[tokio::test]
async fn an_earlier_format_is_brought_up_to_date() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("gantz.db");
    let connection = Connection::open(&database).unwrap();
    connection.execute_batch(include_str!("format_1.sql")).unwrap();
    drop(connection);
    let refused = View::open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("any command that writes brings it up to date"), "{refused}");

    let store = open(&folder);
    let row = JobStore::get(&store, &job_id("from-format-1")).await.unwrap().unwrap();
    assert_eq!((row.status, row.attempt, row.owner.as_deref()), (JobStatus::Running, 1, Some("gone")));
    assert_eq!(store.depth(&lane()).await.unwrap(), Depth { visible: 2, in_flight: 0, delayed: 1 });
    send(&store, &["new"]).await;
    let bodies: Vec<_> = receive(&store, 10, 0).await.into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, ["was in flight", "was visible", "new"]);
    // Its lease was of the process that had the directory to itself, which is gone, and nobody kept whether its tool may
    // run twice.
    let verdict = store.claim(builders::claim(&row, "new", env().clock().now_ms())).await.unwrap();
    let ClaimVerdict::GiveUp { ending, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(ending.status(), JobStatus::InDoubt);
    drop(store);
    assert_eq!(View::open(folder.path()).unwrap().unwrap().messages(&row.id).await.unwrap(), []);
}

#[tokio::test]
async fn a_later_format_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(open(&folder));
    let connection = Connection::open(folder.path().join("gantz.db")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let directory = Directory::create(folder.path()).unwrap();
    let refused = Embedded::open(directory, env().clock(), Settings::default()).unwrap_err();
    assert!(matches!(refused, OpenError::Version { found: 99, .. }), "{refused}");
    assert!(View::open(folder.path()).is_err());
}

/// What a command works on that was started for one job or batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_may_receive_only_what_belongs_to_one() {
    let folder = TempDir::new().unwrap();
    let (all, mine) = (open(&folder), open(&folder).only(job_id("my-batch")));
    let of = |name: &str, id: &str| format!(r#"{{"{name}": "{id}", "parameters": "my-batch"}}"#);
    let others = [of("job_id", "other-job"), of("parent", "other-batch"), "my-batch".into()];
    let own = [of("job_id", "my-batch"), of("parent", "my-batch"), of("batch_id", "my-batch")];
    let bodies: Vec<&str> = [&others[0], &own[0], &others[1], &own[1], &own[2], &others[2]]
        .into_iter()
        .map(String::as_str)
        .collect();
    send(&all, &bodies).await;
    let received = async |store: &Embedded| -> Vec<String> {
        receive(store, 10, 0).await.into_iter().map(|message| message.body).collect()
    };
    assert_eq!(received(&mine).await, own);
    // What comes later is found, and so is what was given back.
    send(&all, &[&own[0]]).await;
    let again = receive(&mine, 10, 0).await.remove(0);
    mine.postpone(&lane(), &again.receipt, 0, Postponed::HandedBack).await.unwrap();
    assert_eq!(received(&mine).await, own[..1]);
    assert_eq!(received(&all).await, others);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_works_on_what_is_known_to_all() {
    let folder = TempDir::new().unwrap();
    let (idle, batch, other) = (open(&folder), job_id("my-batch"), job_id("other-batch"));
    let seen = async |id: &JobId| idle.view().is_worked_on(id).await.unwrap();
    assert!(!seen(&batch).await);
    let busy = open(&folder).only(batch.clone());
    busy.announce_work().await.unwrap();
    assert!(seen(&batch).await && !seen(&other).await);
    assert!(!busy.others_work_on(&batch).await.unwrap(), "it does by itself");
    let worker = open(&folder);
    worker.announce_work().await.unwrap();
    drop(busy);
    assert!(seen(&batch).await && seen(&other).await);
    drop(worker);
    assert!(!seen(&batch).await && !seen(&other).await);
}
