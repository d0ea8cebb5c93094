//! Objects are read with as few calls as may be, and listed with their keys as they are.

use gantz_testkit::fault_table::{Level, fault};
use std::sync::Arc;

use crate::support::{Fleet, env};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use futures_util::{StreamExt, stream};
use gantz_aws::{Objects, Session};
use gantz_core::ports::{ByteReader, ByteSource, ObjectList, Opened, Place, PortError, SourceError};
use gantz_testkit::wire::Relay;

const BUCKET: &str = "objects";
const READ: usize = 128 * 1024;
const LARGE: usize = 3 * 1024 * 1024;
const KEYS: [&str; 7] = [
    "a+b%2B c.txt",
    "dir/",
    "dir//double",
    "größe/€ 𝄞.bin",
    "plain.txt",
    "with \u{1} and &<>\"'",
    "~tilde/../dots",
];

/// A bucket behind a relay.
struct Subject {
    fleet: Fleet,
    relay: Relay,
    objects: Objects,
}

impl Subject {
    async fn start() -> Self {
        let fleet = Fleet::start().await;
        let relay = Relay::before(fleet.endpoint());
        let objects = Objects::new(Arc::new(Session::emulated(relay.endpoint.clone()).await));
        fleet.s3().create_bucket().bucket(BUCKET).send().await.unwrap();
        Self { fleet, relay, objects }
    }

    async fn put(&self, key: &str, content: Vec<u8>) {
        let put = self.fleet.s3().put_object().bucket(BUCKET).key(key).body(ByteStream::from(content));
        put.send().await.unwrap();
    }

    async fn open(&self, key: &str) -> Result<Opened, SourceError> {
        self.objects.open(&place(BUCKET, key)).await
    }

    fn gets(&self) -> usize {
        self.relay.count(&format!("GET /{BUCKET}/"))
    }
}

fn place(bucket: &str, key: &str) -> Place {
    Place::Object { bucket: bucket.to_owned(), key: key.to_owned(), version: None, etag: None }
}

/// Bytes that repeat nowhere near.
fn content(bytes: usize, seed: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(n / 251 + 7 + seed) >> 3) as u8).collect()
}

async fn read_in_order(reader: &mut dyn ByteReader, from: usize, to: usize) -> Result<Vec<u8>, SourceError> {
    let (mut read, mut buffer) = (Vec::new(), vec![0; READ]);
    while from + read.len() < to {
        let at = from + read.len();
        let count = reader.read_at(at as u64, &mut buffer[..READ.min(to - at)]).await?;
        assert_ne!(count, 0, "ended at {at}");
        read.extend_from_slice(&buffer[..count]);
    }
    Ok(read)
}

fn text(error: &SourceError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_read() {
    let shown = fault(8, Level::Wire);
    let s = Subject::start().await;
    every_key_is_read(&s).await;
    an_object_is_read_with_one_call(&s).await;
    a_broken_response_is_resumed(&s).await;
    a_huge_object_is_read_by_windows(&s).await;
    other_bytes_are_not_mixed_in(&s).await;
    places_that_cannot_be_read_say_why(&s).await;
    shown.in_runs(1, "odd keys, empty, huge, missing");
}

async fn every_key_is_read(s: &Subject) {
    for (n, key) in KEYS.into_iter().enumerate() {
        // The second is a folder's marker, with nothing in it.
        let expect = content(if key.ends_with('/') { 0 } else { 10 + n }, n);
        s.put(key, expect.clone()).await;
        let mut opened = s.open(key).await.unwrap();
        assert_eq!(opened.size_bytes, expect.len() as u64, "{key}");
        let version = opened.version.unwrap();
        assert!(!version.is_empty() && !version.contains('"'), "{version}");
        assert_eq!(read_in_order(&mut *opened.reader, 0, expect.len()).await.unwrap(), expect, "{key}");
        for behind in [0, 1, u64::MAX - expect.len() as u64] {
            let at = opened.size_bytes + behind;
            assert_eq!(opened.reader.read_at(at, &mut [0; 8]).await.unwrap(), 0, "{key} at {at}");
        }
        assert_eq!(opened.reader.read_at(0, &mut []).await.unwrap(), 0);
    }
    assert_eq!(s.gets(), KEYS.len() + 1, "what is empty has no range, and is asked for once more");
}

async fn an_object_is_read_with_one_call(s: &Subject) {
    let expect = content(LARGE, 1);
    s.put("large", expect.clone()).await;
    let before = s.gets();
    let Opened { size_bytes, mut reader, .. } = s.open("large").await.unwrap();
    assert_eq!(size_bytes, LARGE as u64);
    assert!(read_in_order(&mut *reader, 0, LARGE / 2).await.unwrap() == expect[..LARGE / 2]);
    assert_eq!(s.gets() - before, 1, "in order");
    let mut tail = [0; 1000];
    let at = LARGE - 700;
    assert_eq!(reader.read_at(at as u64, &mut tail).await.unwrap(), 700);
    assert!(tail[..700] == expect[at..]);
    assert_eq!(s.gets() - before, 2, "one more for the end");
    assert!(read_in_order(&mut *reader, LARGE / 2, LARGE).await.unwrap() == expect[LARGE / 2..]);
    assert_eq!(s.gets() - before, 2, "the first response still serves");
    // Whoever reads on where a range ended reads in order from there.
    assert!(read_in_order(&mut *reader, LARGE / 4, LARGE).await.unwrap() == expect[LARGE / 4..]);
    assert_eq!(s.gets() - before, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_told_apart() {
    let s = Subject::start().await;
    s.put("unversioned", content(10, 1)).await;
    let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let enable = s.fleet.s3().put_bucket_versioning().bucket(BUCKET).versioning_configuration(versions);
    enable.send().await.unwrap();
    s.put("key", content(10, 2)).await;
    let first = s.open("key").await.unwrap().version;
    s.put("key", content(20, 3)).await;
    let newest = s.open("key").await.unwrap();
    assert_eq!(newest.size_bytes, 20);
    assert!(first.is_some() && newest.version != first);
    let of = |version| Place::Object { bucket: BUCKET.into(), key: "key".into(), version, etag: None };
    for (version, size) in [(first, 10), (newest.version, 20)] {
        let mut opened = s.objects.open(&of(version.clone())).await.unwrap();
        assert_eq!((opened.size_bytes, &opened.version), (size, &version));
        let size = usize::try_from(size).unwrap();
        let read = read_in_order(&mut *opened.reader, 0, size).await.unwrap();
        assert_eq!(read, content(size, if size == 10 { 2 } else { 3 }));
    }
    let missing = s.objects.open(&of(Some("no-such-version".into()))).await.err().unwrap();
    assert!(text(&missing).contains("s3://objects/key of version `no-such-version`"), "{missing}");
    let etag = s.open("unversioned").await.unwrap().version.unwrap();
    assert!(!etag.is_empty() && etag != "null", "{etag}");
    // Of that content alone, or not at all.
    let of = |etag: &str| Place::Object {
        bucket: BUCKET.into(),
        key: "unversioned".into(),
        version: None,
        etag: Some(etag.into()),
    };
    assert_eq!(s.objects.open(&of(&etag)).await.unwrap().size_bytes, 10);
    s.put("unversioned", content(30, 4)).await;
    let superseded = s.objects.open(&of(&etag)).await.err().unwrap();
    assert!(matches!(superseded, SourceError::Superseded { .. }), "{}", text(&superseded));
}

async fn a_broken_response_is_resumed(s: &Subject) {
    let expect = content(LARGE, 2);
    s.put("broken", expect.clone()).await;
    let (before, begun) = (s.gets(), s.relay.count("range: bytes=0-"));
    s.relay.break_after(1024 * 1024);
    let mut opened = s.open("broken").await.unwrap();
    assert!(read_in_order(&mut *opened.reader, 0, LARGE).await.unwrap() == expect);
    assert_eq!(s.gets() - before, 2, "the rest is asked for once");
    assert_eq!(s.relay.count("range: bytes=0-") - begun, 1, "nothing is read again");
}

async fn a_huge_object_is_read_by_windows(s: &Subject) {
    const WINDOW: usize = 8 * 1024 * 1024;
    let expect = content(2 * WINDOW + 10, 5);
    s.put("huge", expect.clone()).await;
    let before = s.gets();
    let mut opened = s.open("huge").await.unwrap();
    assert_eq!(opened.size_bytes, expect.len() as u64);
    assert!(read_in_order(&mut *opened.reader, 0, expect.len()).await.unwrap() == expect);
    assert_eq!(s.gets() - before, 3);
    for (from, to) in [(WINDOW, 2 * WINDOW), (2 * WINDOW, 2 * WINDOW + 10)] {
        assert_eq!(s.relay.count(&format!("range: bytes={from}-{}\r", to - 1)), 1, "{from} to {to}");
    }
}

async fn other_bytes_are_not_mixed_in(s: &Subject) {
    s.put("changing", content(LARGE, 3)).await;
    let mut opened = s.open("changing").await.unwrap();
    read_in_order(&mut *opened.reader, 0, READ).await.unwrap();
    s.put("changing", content(LARGE, 4)).await;
    let error = opened.reader.read_at(LARGE as u64 - 10, &mut [0; 10]).await.unwrap_err();
    assert!(
        matches!(error, SourceError::Unavailable { .. }) && text(&error).contains("changed"),
        "{}",
        text(&error)
    );
    s.fleet.s3().delete_object().bucket(BUCKET).key("changing").send().await.unwrap();
    let error = opened.reader.read_at(LARGE as u64 - 10, &mut [0; 10]).await.unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{}", text(&error));
}

async fn places_that_cannot_be_read_say_why(s: &Subject) {
    let file = Place::File { path: "data.csv".to_owned() };
    for (place, expect) in [
        (place(BUCKET, "missing"), "s3://objects/missing does not exist"),
        (place("no-such-bucket", "missing"), "s3://no-such-bucket/missing does not exist"),
        (place(BUCKET, ""), "s3://objects/ cannot be analysed: "),
        (place("", "key"), "s3:///key cannot be analysed: "),
        (file, "data.csv cannot be analysed: this source reads objects"),
    ] {
        let Err(error) = s.objects.open(&place).await else { panic!("{place:?} was opened") };
        assert!(text(&error).starts_with(expect), "{}", text(&error));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_listed() {
    let s = Subject::start().await;
    for (n, key) in KEYS.into_iter().enumerate() {
        s.put(key, content(n, n)).await;
    }
    let page = s.objects.list(BUCKET, "", None).await.unwrap();
    assert_eq!(page.next, None);
    let keys: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
    let mut sorted = KEYS.to_vec();
    sorted.sort_unstable();
    assert_eq!(keys, sorted);
    for object in &page.objects {
        assert_eq!(KEYS[usize::try_from(object.size_bytes).unwrap()], object.key);
        assert_eq!(s.open(&object.key).await.unwrap().version.as_ref(), Some(&object.etag), "{}", object.key);
        assert!(object.modified_at_ms.abs_diff(env().now_ms()) < 3_600_000, "{}", object.modified_at_ms);
    }
    pages_follow_one_another(&s).await;
    let error = s.objects.list("no-such-bucket", "", None).await.unwrap_err();
    assert!(matches!(error, PortError::Permanent(_)), "{error}");
}

async fn pages_follow_one_another(s: &Subject) {
    let keys: Vec<_> = (0..1_003).map(|n| format!("many/+ {n:04}")).collect();
    stream::iter(&keys).for_each_concurrent(16, |key| s.put(key, Vec::new())).await;
    let first = s.objects.list(BUCKET, "many/+", None).await.unwrap();
    assert_eq!((first.objects.len(), first.next.as_ref()), (1_000, Some(&keys[999])));
    let second = s.objects.list(BUCKET, "many/+", first.next.as_deref()).await.unwrap();
    assert_eq!((second.objects.len(), second.next), (3, None));
    let listed: Vec<_> = first.objects.into_iter().chain(second.objects).map(|object| object.key).collect();
    assert_eq!(listed, keys);
    let none = s.objects.list(BUCKET, "many/-", None).await.unwrap();
    assert_eq!((none.objects, none.next), (vec![], None));
}
