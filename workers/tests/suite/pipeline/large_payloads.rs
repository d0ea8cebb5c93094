//! Rows and messages stay small: what is large travels by reference.

use gantz_testkit::fault_table::{Level, fault};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use gantz_core::ids::JobId;
use gantz_core::job::{JobResult, JobStatus};
use gantz_core::limits::{INLINE_PARAMETERS_MAX_BYTES, INLINE_RESULT_MAX_BYTES, RESULT_MAX_BYTES};
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::{BlobError, BlobStore, PortError};
use gantz_workers::Phase;
use serde_json::{Value, json};

use crate::fleet::{Fleet, lane};
use crate::mode_tool::What;

const STEADY: (&str, &str) = ("steady", "retry: {max_attempts: 1}");

async fn submit_big(fleet: &Fleet, bytes: usize) -> JobId {
    fleet.submit("steady", json!({"mode": "big_result", "bytes": bytes})).await
}

#[tokio::test(start_paused = true)]
async fn a_large_result_is_a_reference_and_one_too_large_a_failure() {
    let shown = fault(39, Level::Simulated);
    let fleet = Fleet::new(&[STEADY]);
    let small = submit_big(&fleet, INLINE_RESULT_MAX_BYTES).await;
    let large = [INLINE_RESULT_MAX_BYTES + 1, RESULT_MAX_BYTES];
    let by_reference = [submit_big(&fleet, large[0]).await, submit_big(&fleet, large[1]).await];
    let too_large = submit_big(&fleet, RESULT_MAX_BYTES + 1).await;
    let team = fleet.start("worker", 4);
    fleet.all_is_settled().await;

    assert!(matches!(fleet.row(&small).await.result, Some(JobResult::Inline(Value::String(_)))));
    for (id, bytes) in by_reference.iter().zip(large) {
        let row = fleet.row(id).await;
        let Some(JobResult::Ref(reference)) = &row.result else { unreachable!("{:?}", row.status) };
        let blob = fleet.ports.blobs.get(reference, RESULT_MAX_BYTES).await.unwrap();
        assert_eq!((row.status, blob.len()), (JobStatus::Succeeded, bytes));
        assert!(serde_json::from_slice::<Value>(&blob).unwrap().is_string());
    }
    let row = fleet.row(&too_large).await;
    let error = row.error.unwrap();
    assert_eq!((row.status, row.result, error.kind), (JobStatus::Failed, None, ErrorKind::ResultTooLarge));
    assert!(error.message.contains("16777217 bytes"), "{}", error.message);
    team.stop(Phase::Drain).await;
    shown.in_runs(1, "a blob, or `result_too_large`");
}

#[tokio::test(start_paused = true)]
async fn large_parameters_reach_the_tool_but_not_the_message() {
    let fleet = Fleet::new(&[STEADY]);
    let text = "ü".repeat(INLINE_PARAMETERS_MAX_BYTES);
    let id = fleet.submit("steady", json!({"mode": "measure", "text": text})).await;
    let message = fleet.receive_one(&lane()).await;
    assert!(message.body.len() < 1_000, "{} bytes", message.body.len());
    fleet.ports.queue.extend(&lane(), &message.receipt, 0).await.unwrap();

    let team = fleet.start("worker", 4);
    let row = fleet.finished(&id).await;
    assert_eq!(row.result, Some(JobResult::Inline(json!(text.len()))));
    fleet.all_is_settled().await;
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn parameters_that_are_gone_fail_their_job_and_name_the_blob() {
    let fleet = Fleet::new(&[STEADY]);
    let text = "x".repeat(INLINE_PARAMETERS_MAX_BYTES);
    let id = fleet.submit("steady", json!({"mode": "measure", "text": text})).await;
    fs::remove_dir_all(fleet.store.path().join("blobs")).unwrap();
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    let error = row.error.unwrap();
    assert_eq!((row.status, error.kind), (JobStatus::Failed, ErrorKind::Invalid));
    assert!(error.message.starts_with("there is no blob `blob:"), "{}", error.message);
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.of(&id), []);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_result_outlives_a_passing_fault_of_the_store_that_takes_it() {
    let mut fleet = Fleet::new(&[STEADY]);
    let blobs = fleet.ports.blobs.clone();
    fleet.ports.blobs = Arc::new(Faulty { faults: AtomicU32::new(3), blobs });
    let id = submit_big(&fleet, INLINE_RESULT_MAX_BYTES + 1).await;
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.of(&id), [(1, What::Started), (1, What::Answered)]);
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn parameters_that_nobody_may_read_fail_their_job() {
    let mut fleet = Fleet::new(&[STEADY]);
    let text = "x".repeat(INLINE_PARAMETERS_MAX_BYTES);
    let id = fleet.submit("steady", json!({"mode": "measure", "text": text})).await;
    fleet.ports.blobs = Arc::new(Closed);
    let team = fleet.start("worker", 4);

    let row = fleet.finished(&id).await;
    let error = row.error.unwrap();
    assert_eq!((row.status, row.attempt, error.kind), (JobStatus::Failed, 1, ErrorKind::Unavailable));
    assert!(error.message.ends_with("access denied"), "{}", error.message);
    fleet.all_is_settled().await;
    assert_eq!(fleet.journal.of(&id), []);
    team.stop(Phase::Drain).await;
}

/// A blob store that fails so many times first.
struct Faulty {
    faults: AtomicU32,
    blobs: Arc<dyn BlobStore>,
}

/// A blob store that lets nobody in.
struct Closed;

#[async_trait]
impl BlobStore for Closed {
    async fn put(&self, _: Vec<u8>) -> Result<String, BlobError> {
        Err(PortError::Permanent("access denied".into()).into())
    }

    async fn get(&self, _: &str, _: usize) -> Result<Vec<u8>, BlobError> {
        Err(PortError::Permanent("access denied".into()).into())
    }
}

#[async_trait]
impl BlobStore for Faulty {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        let fault =
            self.faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match fault {
            Ok(_) => Err(PortError::Transient("the disk is full".into()).into()),
            Err(_) => self.blobs.put(bytes).await,
        }
    }

    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        self.blobs.get(reference, max_bytes).await
    }
}
