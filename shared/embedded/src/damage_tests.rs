//! A damaged row is the problem of those who ask for it, and of nobody else.

use gantz_core::host::Clock;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{AcceptVerdict, ClaimVerdict};
use gantz_core::ports::{
    BatchStore, JobFilter, JobQueue, JobStore, NewMessage, PortError, PortResult, Receive,
};
use gantz_testkit::builders::{NOW_MS, batch, claim, job_id, record, shards_of};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{Directory, Embedded, Settings};

fn open() -> (Embedded, TempDir) {
    let folder = TempDir::new().unwrap();
    let directory = Directory::create(folder.path()).unwrap();
    (Embedded::open(directory, Clock::new(|| NOW_MS), Settings::default()).unwrap(), folder)
}

/// As another program would.
fn damage(folder: &TempDir, sql: &str) {
    let connection = Connection::open(Directory::database(folder.path())).unwrap();
    assert_eq!(connection.execute(sql, []).unwrap(), 1, "{sql}");
}

async fn accepted(store: &Embedded, id: &str) -> JobRecord {
    let row = record(&job_id(id));
    assert_eq!(store.accept(vec![row.clone()]).await.unwrap(), [AcceptVerdict::Created]);
    row
}

fn is_damaged<T>(answer: &PortResult<T>) -> bool {
    matches!(answer, Err(PortError::Damaged(_)))
}

#[tokio::test]
async fn a_damaged_job_does_not_undo_its_neighbours() {
    let damages = ["tenant = ''", "status = 'ASLEEP'", "history = '['", "attempt = -1", "tool = x'ff'"];
    for how in damages {
        let (store, folder) = open();
        let (damaged, healthy) =
            (accepted(&store, "damaged-job").await, accepted(&store, "healthy-job").await);
        damage(&folder, &format!("UPDATE jobs SET {how} WHERE id = 'damaged-job'"));
        let new = record(&job_id("another-job"));
        let (refused, cancel, granted, both, created) = store
            .writer
            .one_group(async {
                tokio::join!(
                    store.claim(claim(&damaged, "me", NOW_MS)),
                    store.cancel(&damaged.id, NOW_MS),
                    store.claim(claim(&healthy, "me", NOW_MS)),
                    // The first of the two must not be recorded by a call that fails.
                    store.accept(vec![record(&job_id("in-bad-company")), damaged.clone()]),
                    store.accept(vec![new.clone()]),
                )
            })
            .await;
        assert!(is_damaged(&refused) && is_damaged(&cancel) && is_damaged(&both), "{how}: {refused:?}");
        assert!(matches!(granted, Ok(ClaimVerdict::Granted(_))), "{how}: {granted:?}");
        assert_eq!(created.unwrap(), [AcceptVerdict::Created], "{how}");
        assert_eq!(store.get(&job_id("in-bad-company")).await.unwrap(), None, "{how}");
        assert!(is_damaged(&store.get(&damaged.id).await), "{how}");

        let listed = store.list(&JobFilter::default(), 10, None).await.unwrap().jobs;
        let ids: Vec<_> = listed.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(ids, ["another-job", "healthy-job"], "{how}");
    }
}

#[tokio::test]
async fn a_damaged_batch_does_not_undo_its_neighbours() {
    let (store, folder) = open();
    let opened = batch(&job_id("damaged-batch"));
    assert_eq!(BatchStore::open(&store, opened.clone()).await.unwrap(), None);
    for shard in shards_of(1) {
        assert!(store.open_shard(&opened.id, shard).await.unwrap().is_some());
    }
    damage(&folder, "UPDATE batches SET record = '{}'");
    let new = record(&job_id("another-job"));
    let (mark, created) = store
        .writer
        .one_group(async {
            let mark = store.mark(&opened.id, 0, JobStatus::Succeeded, NOW_MS);
            tokio::join!(mark, store.accept(vec![new.clone()]))
        })
        .await;
    assert!(is_damaged(&mark), "{mark:?}");
    assert_eq!(created.unwrap(), [AcceptVerdict::Created]);
}

/// It is received as it is, so that somebody can set it aside, and those behind it as well.
#[tokio::test]
async fn a_damaged_message_does_not_stop_its_queue() {
    let (store, folder) = open();
    let lane = QueueName::Lane(Lane::default_lane());
    for body in ["damaged", "healthy"] {
        let message = NewMessage::of(body);
        assert_eq!(store.send(&lane, vec![message]).await.unwrap(), [Ok(())]);
    }
    damage(
        &folder,
        "UPDATE messages SET body = x'00ff', receives = 'many', sent_at = -1 WHERE body = 'damaged'",
    );
    let ask = Receive { max: 10, visibility_ms: 1_000, wait_ms: 0 };
    let messages = store.receive(&lane, ask).await.unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].body, "healthy");
    store.quarantine(&lane, &messages[0], "unreadable").await.unwrap();
    let dead = store.view().dead_letters(&lane, 10).await.unwrap();
    assert_eq!(dead.iter().map(|letter| letter.reason.as_str()).collect::<Vec<_>>(), ["unreadable"]);
}
