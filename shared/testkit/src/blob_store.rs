//! What every [`BlobStore`] must do.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantz_core::ports::{BlobError, BlobStore};

use crate::Env;
use crate::suite::{Case, Suite};
use crate::together::together;

type Input = Case<Arc<dyn BlobStore>>;

/// Runs every case.
///
/// # Panics
/// When a case fails, naming it.
pub async fn run(store: Arc<dyn BlobStore>, env: Env) {
    let mut suite = Suite::new("blob_store", store, env);
    suite.case(bytes_come_back_as_they_were).await;
    suite.case(equal_bytes_share_a_reference).await;
    suite.case(writers_of_equal_bytes_do_not_collide).await;
    suite.case(a_blob_too_large_for_the_reader_is_refused_with_its_size).await;
    suite.case(an_unknown_reference_is_not_found).await;
    suite.case(a_text_that_is_no_reference_is_not_found).await;
    suite.finish();
}

async fn put(case: &Input, bytes: &[u8]) -> String {
    case.port.put(bytes.to_vec()).await.unwrap()
}

async fn bytes_come_back_as_they_were(case: Input) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = every_byte.iter().copied().cycle().take(5 * 1024 * 1024 + 1).collect();
    for bytes in [b"".as_slice(), b"{}", &every_byte, &large] {
        let reference = put(&case, bytes).await;
        let found = case.port.get(&reference, bytes.len()).await.unwrap();
        assert!(found == bytes, "{} bytes changed", bytes.len());
    }
}

async fn equal_bytes_share_a_reference(case: Input) {
    let (a, b) = (case.name("a"), case.name("b"));
    let first = put(&case, a.as_bytes()).await;
    assert_eq!(put(&case, a.as_bytes()).await, first);
    assert_ne!(put(&case, b.as_bytes()).await, first);
    assert_eq!(case.port.get(&first, 1_000).await.unwrap(), a.as_bytes());
}

async fn writers_of_equal_bytes_do_not_collide(case: Input) {
    let bytes: Vec<u8> = case.name("shared").into_bytes().repeat(10_000);
    let writers = (0..8).map(|_| {
        let (store, bytes) = (Arc::clone(&case.port), bytes.clone());
        async move {
            let reference = store.put(bytes.clone()).await.unwrap();
            // Who has a reference can read it, also while others still write the same.
            assert!(store.get(&reference, bytes.len()).await.unwrap() == bytes);
            reference
        }
    });
    let references: BTreeSet<_> = together(writers).await.into_iter().collect();
    assert_eq!(references.len(), 1, "{references:?}");
}

async fn a_blob_too_large_for_the_reader_is_refused_with_its_size(case: Input) {
    let reference = put(&case, &[7; 1_000]).await;
    assert_eq!(case.port.get(&reference, 1_000).await.unwrap().len(), 1_000);
    match case.port.get(&reference, 999).await {
        Err(BlobError::TooLarge { reference: named, bytes, max_bytes }) => {
            assert_eq!((named, bytes, max_bytes), (reference, 1_000, 999));
        }
        other => panic!("expected TooLarge, got {:?}", other.map(|bytes| bytes.len())),
    }
}

async fn assert_not_found(case: &Input, reference: &str) {
    match case.port.get(reference, 1_000_000).await {
        Err(BlobError::NotFound(named)) => assert_eq!(named, reference),
        other => panic!("`{reference}`: expected NotFound, got {:?}", other.map(|bytes| bytes.len())),
    }
}

/// A reference of the right shape, for bytes that were never stored.
async fn an_unknown_reference_is_not_found(case: Input) {
    let known = put(&case, case.name("known").as_bytes()).await;
    let last = if known.ends_with('0') { '1' } else { '0' };
    let unknown: String = known.chars().take(known.chars().count() - 1).chain([last]).collect();
    assert_not_found(&case, &unknown).await;
}

async fn a_text_that_is_no_reference_is_not_found(case: Input) {
    let known = put(&case, b"known").await;
    let texts = ["", ".", "..", "/", "../../etc/passwd", "/etc/passwd", "a\0b", "größe", "s3://bucket/key"];
    for text in texts {
        assert_not_found(&case, text).await;
    }
    for text in [format!("{known}/"), format!("../{known}"), format!(" {known}"), "0".repeat(5_000)] {
        assert_not_found(&case, &text).await;
    }
}
