//! Blobs in S3 keep the port's contract.

use std::sync::Arc;

use crate::support::{Fleet, env};
use aws_sdk_s3::primitives::ByteStream;
use gantz_aws::{Blobs, Session};
use gantz_core::ids::sha256_hex;
use gantz_core::job::ResultPlace;
use gantz_core::limits::RESULT_MAX_BYTES;
use gantz_core::ports::{BlobError, BlobStore};
use gantz_testkit::blob_store;
use gantz_testkit::fault_table::{Level, fault};
use gantz_testkit::wire::Relay;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_keep_their_contract() {
    let fleet = Fleet::start().await;
    let blobs = Arc::new(Blobs::new(fleet.session(), fleet.settings()));
    blob_store::run(Arc::clone(&blobs) as _, env()).await;
    damage_is_noticed(&fleet, &blobs).await;
    large_results_come_back_whole(&fleet).await;
    a_bucket_that_is_gone_is_no_missing_blob(&fleet).await;
}

async fn damage_is_noticed(fleet: &Fleet, blobs: &Blobs) {
    let reference = blobs.put(b"what was stored".to_vec()).await.unwrap();
    assert_eq!(reference, format!("blob:{}", sha256_hex(b"what was stored")), "as in the other backends");
    let key = reference.replace("blob:", "blobs/");
    for damaged in ["", "what is found"] {
        let put = fleet.s3().put_object().bucket(&fleet.settings().bucket).key(&key);
        put.body(ByteStream::from(damaged.as_bytes().to_vec())).send().await.unwrap();
        match blobs.get(&reference, 1_000).await {
            Err(BlobError::Damaged(named)) => assert_eq!(named, reference),
            other => panic!("expected Damaged, got {other:?}"),
        }
    }
}

/// As a worker stores them, each over connections that break once.
async fn large_results_come_back_whole(fleet: &Fleet) {
    let shown = fault(39, Level::Wire);
    let relay = Relay::before(fleet.endpoint());
    let session = Arc::new(Session::emulated(relay.endpoint.clone()).await);
    let blobs = Blobs::new(session, fleet.settings());
    let sizes = [399 * 1024, 401 * 1024, 7 * 1024 * 1024];
    for size in sizes {
        assert_eq!(ResultPlace::of(size), ResultPlace::Blob);
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        relay.break_after(0);
        let reference = blobs.put(bytes.clone()).await.unwrap();
        assert!(relay.has_broken());
        relay.break_after(size as u64 / 2);
        let broken = blobs.get(&reference, RESULT_MAX_BYTES).await.unwrap_err();
        assert!(matches!(&broken, BlobError::Port(error) if error.is_transient()), "{broken}");
        assert!(blobs.get(&reference, RESULT_MAX_BYTES).await.unwrap() == bytes, "{size}");
    }
    shown.in_runs(
        sizes.len() as u64,
        "stored whole over a connection that broke, a read that broke off is told from a whole one",
    );
}

/// A wrong setting must not look like an answer.
async fn a_bucket_that_is_gone_is_no_missing_blob(fleet: &Fleet) {
    let mut settings = (*fleet.settings()).clone();
    settings.bucket = "no-such-bucket".into();
    let blobs = Blobs::new(fleet.session(), Arc::new(settings));
    let reference = format!("blob:{}", sha256_hex(b"anything"));
    match blobs.get(&reference, 1_000).await {
        Err(BlobError::Port(error)) => assert!(!error.is_transient(), "{error}"),
        other => panic!("expected an error of the port, got {other:?}"),
    }
}
