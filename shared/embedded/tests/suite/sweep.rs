//! What has expired goes; what has not ended stays, however old it is.

use std::fs::{self, File};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use gantz_core::event::Event;
use gantz_core::host::Clock;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{ClaimVerdict, FinishVerdict};
use gantz_core::limits::RETENTION_MS;
use gantz_core::ports::{BlobStore, EventSink, JobFilter, JobStore, NewObjects};
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_testkit::builders;

/// More than one step of a sweep.
const JOBS: u64 = 1_200;

#[tokio::test]
async fn expired_jobs_go_and_unfinished_ones_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let now_ms = Arc::new(AtomicU64::new(builders::NOW_MS));
    let clock = Clock::new({
        let now_ms = Arc::clone(&now_ms);
        move || now_ms.load(Ordering::SeqCst)
    });
    let directory = Directory::create(folder.path()).expect("the directory");
    let store = Embedded::open(directory, clock.clone(), Settings::default()).expect("a store");
    // Each second job ends; the others never do.
    for n in 0..JOBS {
        let record = builders::record(&builders::job_id(&format!("sweep-{n:06}")));
        let _created = store.accept(vec![record.clone()]).await.expect("accepted");
        if n % 2 == 0 {
            end(&store, &record, n).await;
        }
    }
    store.publish(vec![builders::event(&builders::job_id("sweep-000000"))]).await.expect("published");
    let blob = store.put(b"a blob that nothing refers to".to_vec()).await.expect("stored");

    let mark = async |batch: &str| {
        let expires_at_s = (builders::NOW_MS + 2 * RETENTION_MS) / 1_000;
        store.take("nightly", &builders::job_id(batch), vec!["mark".into()], expires_at_s).await
    };
    assert_eq!(mark("first-run").await.expect("taken"), [true]);

    assert_eq!(store.sweep().await.expect("swept"), 0, "nothing has expired yet");
    assert_eq!(mark("second-run").await.expect("taken"), [false]);
    now_ms.fetch_add(2 * RETENTION_MS + 60_000, Ordering::SeqCst);
    let swept = store.sweep().await.expect("swept");

    assert_eq!(swept as u64, JOBS / 2);
    let left = store.list(&JobFilter::default(), 10_000, None).await.expect("listed").jobs;
    assert_eq!(left.len() as u64, JOBS / 2);
    assert!(left.iter().all(|job| !job.is_finished()));
    assert!(store.view().events(0, 10).await.expect("events").is_empty());
    assert!(BlobStore::get(&store, &blob, 100).await.is_err(), "the blob is still there");
    assert_eq!(mark("third-run").await.expect("taken"), [true], "the mark is gone");
    assert_eq!(store.sweep().await.expect("swept"), 0);
}

/// However many events there are: a sweep leaves none behind that is old enough to go, and none that is not.
#[tokio::test]
async fn all_old_events_go_at_once() {
    const OLD: usize = 100_000;
    let folder = tempfile::tempdir().expect("a folder");
    let now_ms = builders::NOW_MS + 2 * RETENTION_MS;
    let directory = Directory::create(folder.path()).expect("the directory");
    let store = Embedded::open(directory, Clock::new(move || now_ms), Settings::default()).expect("a store");
    let old = builders::event(&builders::job_id("long-ago"));
    let young = Event { time_ms: now_ms, ..builders::event(&builders::job_id("just-now")) };
    for _ in 0..OLD / 1_000 {
        store.publish(vec![old.clone(); 1_000]).await.expect("published");
    }
    store.publish(vec![young.clone()]).await.expect("published");
    store.sweep().await.expect("swept");
    let left = store.view().events(0, OLD).await.expect("events");
    assert_eq!(left.iter().map(|event| event.time_ms).collect::<Vec<_>>(), [now_ms]);
}

#[tokio::test]
async fn all_marks_that_have_expired_go_at_once() {
    const MARKS: usize = 5_000;
    let folder = tempfile::tempdir().expect("a folder");
    let directory = Directory::create(folder.path()).expect("the directory");
    let store =
        Embedded::open(directory, Clock::new(|| builders::NOW_MS), Settings::default()).expect("a store");
    let now_s = builders::NOW_MS / 1_000;
    let marks = |what: &str| (0..MARKS).map(|n| format!("{what}-{n}")).collect::<Vec<_>>();
    let take = async |batch: &str, what: &str, expires_at_s| {
        let taken = store.take("nightly", &builders::job_id(batch), marks(what), expires_at_s).await;
        taken.expect("taken").into_iter().filter(|is_taken| *is_taken).count()
    };
    assert_eq!(take("first-run", "old", now_s - 1).await, MARKS);
    assert_eq!(take("first-run", "young", now_s + 1).await, MARKS);
    store.sweep().await.expect("swept");
    assert_eq!(take("other-run", "old", now_s + 1).await, MARKS, "nothing is left of them");
    assert_eq!(take("other-run", "young", now_s + 1).await, 0, "all are there");
}

#[tokio::test]
async fn old_spooled_input_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let now_ms = builders::NOW_MS + 3 * RETENTION_MS;
    let directory = Directory::create(folder.path()).expect("the directory");
    let store = Embedded::open(directory, Clock::new(move || now_ms), Settings::default()).expect("a store");
    let spool = Directory::spool(store.path());
    fs::create_dir_all(&spool).expect("a folder");
    for (name, at_ms) in
        [("old.jsonl", builders::NOW_MS), ("4711.part", builders::NOW_MS), ("new.jsonl", now_ms)]
    {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms);
        File::create(spool.join(name)).and_then(|file| file.set_modified(at)).expect("a file");
    }
    store.sweep().await.expect("swept");
    let left: Vec<_> =
        fs::read_dir(&spool).expect("a folder").map(|file| file.expect("a file").file_name()).collect();
    assert_eq!(left, ["new.jsonl"]);
}

async fn end(store: &Embedded, record: &JobRecord, n: u64) {
    let claim = builders::claim(record, &format!("owner-{n}"), builders::NOW_MS);
    let granted = match store.claim(claim).await.expect("claimed") {
        ClaimVerdict::Granted(row) => Some(row),
        _ => None,
    };
    let row = granted.expect("nobody else claims it");
    let verdict = store.finish(&builders::held(&row), builders::succeeded(), builders::NOW_MS).await;
    assert!(matches!(verdict.expect("finished"), FinishVerdict::Committed(_)));
}
