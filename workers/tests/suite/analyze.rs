//! `s3.analyze_file` as a worker calls it: on files, on another source, and stopped half-way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use gantz_core::ids::{JobId, sha256_hex};
use gantz_core::outcome::{ErrorKind, Outcome, Retry};
use gantz_core::tool::{Call, Tool};
use gantz_workers::tools::analyze::{
    AnalyzeFile, ByteReader, ByteSource, LocalFiles, Opened, Parameters, Place, SourceError,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

async fn run(tool: &AnalyzeFile, parameters: Value) -> Outcome {
    tool.run(Call {
        job_id: JobId::try_new("job-00000001").expect("a valid id"),
        effect_key: JobId::try_new("job-00000001").expect("a valid id"),
        tool: "analyze_file".to_owned(),
        attempt: 1,
        timeout_ms: 60_000,
        trace: None,
        parameters: serde_json::from_value(parameters).expect("parameters of the tool"),
    })
    .await
}

#[track_caller]
fn assert_fails(outcome: &Outcome, kind: ErrorKind, retry: Retry, says: &str) {
    let Outcome::Failed(failure) = outcome else {
        panic!("expected a failure, got {outcome:?}");
    };
    assert_eq!((failure.kind, failure.retry), (kind, retry), "{}", failure.message);
    assert!(failure.message.contains(says), "{:?} does not say {says:?}", failure.message);
}

#[track_caller]
fn assert_says(outcome: &Outcome, expect: &Value) {
    let Outcome::Done(Value::Object(report)) = outcome else {
        panic!("expected a report, got {outcome:?}");
    };
    for (key, expect) in expect.as_object().expect("an object") {
        assert_eq!(report.get(key), Some(expect), "{key} in {report:?}");
    }
}

fn anywhere() -> AnalyzeFile {
    AnalyzeFile::default().with_files(LocalFiles::anywhere())
}

fn below(root: &Path) -> AnalyzeFile {
    AnalyzeFile::default().with_files(LocalFiles::below(root).expect("a folder"))
}

#[tokio::test]
async fn the_parameters_name_exactly_one_place() {
    for (parameters, says) in [
        (json!({}), "give either the `path` of a file, or `bucket` and `key`"),
        (json!({"path": ""}), "give either the `path`"),
        (json!({"path": null, "max_bytes": 5}), "give either the `path`"),
        (json!({"bucket": "b"}), "`bucket` needs a `key`"),
        (json!({"key": "k"}), "`key` needs a `bucket`"),
        (json!({"path": "p", "bucket": "b", "key": "k"}), "not both"),
        (json!({"path": "p", "max_bytes": 0}), "`max_bytes` must be at least 1"),
        (json!({"bucket": "b", "key": "k"}), "no S3 source is configured here"),
        (json!({"path": "a\0b"}), "it is not a valid path"),
    ] {
        assert_fails(&run(&anywhere(), parameters).await, ErrorKind::Invalid, Retry::Never, says);
    }
    let outcome = run(&AnalyzeFile::default(), json!({"path": "p"})).await;
    assert_fails(&outcome, ErrorKind::Invalid, Retry::Never, "no folder of files is configured here");
}

#[tokio::test]
async fn files_are_analysed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("main.rs");
    std::fs::write(&path, "fn main() {}\n").expect("a file");
    let expect = json!({
        "size": 13, "sha256": sha256_hex(b"fn main() {}\n"), "media_type": "text/x-rust", "text": {
            "encoding": "utf-8", "bom": false, "line_ending": "lf", "lines": 1, "words": 3, "longest_line_bytes": 12,
        },
    });
    assert_says(&run(&anywhere(), json!({"path": path})).await, &expect);
    assert_says(&run(&below(folder.path()), json!({"path": "main.rs"})).await, &expect);
    assert_says(&run(&below(folder.path()), json!({"path": path})).await, &expect);
    let sample = run(&anywhere(), json!({"path": path, "max_bytes": 2})).await;
    assert_says(&sample, &json!({"sampled": true, "analyzed_bytes": 2, "sample_sha256": sha256_hex(b"fn")}));
}

#[tokio::test]
async fn what_is_no_readable_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "x").expect("a file");
    for (path, kind, says) in [
        ("missing", ErrorKind::NotFound, "does not exist"),
        ("file/below", ErrorKind::NotFound, "does not exist"),
        (".", ErrorKind::NotRegularFile, "it is a directory"),
    ] {
        assert_fails(&run(&below(folder.path()), json!({"path": path})).await, kind, Retry::Never, says);
    }
    for device in ["/dev/zero", "/dev/null"].iter().filter(|device| Path::new(device).exists()) {
        let outcome = run(&anywhere(), json!({"path": device})).await;
        assert_fails(&outcome, ErrorKind::NotRegularFile, Retry::Never, "pipe, socket or device");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn pipes_do_not_hang_and_links_do_not_lead_out() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("a folder");
    std::fs::write(folder.path().join("secret"), "s").expect("a file");
    std::fs::write(root.join("inside"), "i").expect("a file");
    symlink(folder.path().join("secret"), root.join("out")).expect("a link");
    symlink("inside", root.join("in")).expect("a link");
    symlink("circle", root.join("circle")).expect("a link");
    let made = std::process::Command::new("mkfifo").arg(root.join("pipe")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo");

    let tool = below(&root);
    assert_says(&run(&tool, json!({"path": "in"})).await, &json!({"size": 1}));
    assert_says(&run(&tool, json!({"path": "../root/inside"})).await, &json!({"size": 1}));
    for path in ["out", "../secret", "../missing", "a/../../secret", "/etc/hostname", "/missing"] {
        let outcome = run(&tool, json!({"path": path})).await;
        assert_fails(&outcome, ErrorKind::AccessDenied, Retry::Never, "outside the folder");
    }
    let outcome = run(&tool, json!({"path": "pipe"})).await;
    assert_fails(&outcome, ErrorKind::NotRegularFile, Retry::Never, "pipe, socket or device");
    let outcome = run(&tool, json!({"path": "circle"})).await;
    assert_fails(&outcome, ErrorKind::Invalid, Retry::Never, "circle");

    let locked = root.join("locked");
    std::fs::write(&locked, "x").expect("a file");
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).expect("permissions");
    // The superuser reads everything, so nothing can be shown as one.
    if std::fs::read(&locked).is_err() {
        let outcome = run(&tool, json!({"path": "locked"})).await;
        assert_fails(&outcome, ErrorKind::AccessDenied, Retry::Never, "the system denies");
    }
}

/// Objects that behave as their key says.
struct Objects {
    reads: Arc<AtomicU64>,
    first_read: Arc<Notify>,
    closed: Arc<Notify>,
}

struct Object {
    key: String,
    reads: Arc<AtomicU64>,
    first_read: Arc<Notify>,
    closed: Arc<Notify>,
}

impl Drop for Object {
    fn drop(&mut self) {
        self.closed.notify_one();
    }
}

impl Objects {
    fn new() -> Self {
        Self { reads: Arc::default(), first_read: Arc::default(), closed: Arc::default() }
    }
}

#[async_trait]
impl ByteSource for Objects {
    async fn open(&self, place: &Place) -> Result<Opened, SourceError> {
        // A source over a network awaits: the runtime must go on meanwhile.
        tokio::task::yield_now().await;
        let Place::Object { bucket, key, .. } = place else {
            panic!("objects are asked for by bucket and key");
        };
        let place = format!("s3://{bucket}/{key}");
        match key.as_str() {
            "missing" => Err(SourceError::NotFound { place }),
            "superseded" => Err(SourceError::Superseded { place }),
            "throttled" => Err(SourceError::Throttled { place, retry_after_ms: Some(700) }),
            "broken" => Err(SourceError::Unavailable { place, source: "connection reset".into() }),
            _ => Ok(Opened {
                size_bytes: if key == "endless" { u64::MAX } else { 10 },
                version: Some("etag-1".to_owned()),
                reader: Box::new(Object {
                    key: key.clone(),
                    reads: self.reads.clone(),
                    first_read: self.first_read.clone(),
                    closed: self.closed.clone(),
                }),
            }),
        }
    }
}

#[async_trait]
impl ByteReader for Object {
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.first_read.notify_one();
        match self.key.as_str() {
            "hanging" => std::future::pending().await,
            "shrunk" if offset >= 4 => Ok(0),
            _ => {
                // Always ready and in small pieces, as the worst sources are.
                let count = buffer.len().min(4);
                buffer[..count].fill(b'x');
                Ok(count)
            }
        }
    }
}

#[tokio::test]
async fn objects_come_from_their_own_source() {
    let tool = AnalyzeFile::default().with_objects(Objects::new());
    let object = |key: &str| json!({"bucket": "b", "key": key});
    let expect = json!({
        "bucket": "b", "key": "dir/name.txt", "version": "etag-1", "size": 10, "sha256": sha256_hex(b"xxxxxxxxxx"),
    });
    assert_says(&run(&tool, object("dir/name.txt")).await, &expect);
    for (key, kind, retry, says) in [
        ("missing", ErrorKind::NotFound, Retry::Never, "s3://b/missing does not exist"),
        ("superseded", ErrorKind::Superseded, Retry::Never, "s3://b/superseded was overwritten"),
        ("throttled", ErrorKind::Throttled, Retry::After(700), "fewer calls"),
        ("broken", ErrorKind::Unavailable, Retry::Backoff, "connection reset"),
        ("shrunk", ErrorKind::ChangedDuringRead, Retry::Backoff, "shrank from 10 to 4 bytes"),
    ] {
        assert_fails(&run(&tool, object(key)).await, kind, retry, says);
    }
}

#[tokio::test]
async fn dropping_the_call_stops_the_work() {
    for key in ["endless", "hanging"] {
        let objects = Objects::new();
        let (first_read, closed) = (objects.first_read.clone(), objects.closed.clone());
        let tool = AnalyzeFile::default().with_objects(objects);
        let parameters =
            Parameters { bucket: Some("b".to_owned()), key: Some(key.to_owned()), ..Parameters::default() };
        tokio::select! {
            result = tool.analyze(parameters) => panic!("{key} ended: {result:?}"),
            () = first_read.notified() => {}
        }
        // The reader is dropped by the blocking thread when it gives up; without the stop this waits for ever.
        closed.notified().await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "slow without optimisation"]
async fn a_large_sparse_file_takes_little_memory() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let size: u64 = std::env::var("SPARSE_BYTES").map_or(200_000_000, |size| size.parse().expect("a number"));
    file.as_file().set_len(size).expect("a sparse file");
    let before = peak_memory_kb();
    let outcome = run(&anywhere(), json!({"path": file.path()})).await;
    assert_says(&outcome, &json!({"size": size, "media_type": "application/octet-stream"}));
    let grown = peak_memory_kb() - before;
    assert!(grown < 4 * 1024, "grew by {grown} KB");
}

#[cfg(target_os = "linux")]
fn peak_memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status of this process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak");
    line.split_ascii_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}
