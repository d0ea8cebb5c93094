//! What a data directory holds is nobody else's business.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gantz_core::host::Clock;
use gantz_core::ports::{BlobStore, JobStore};
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_testkit::builders::{NOW_MS, job_id, record};

#[tokio::test]
async fn nobody_else_may_look_into_it() {
    let folder = tempfile::tempdir().unwrap();
    // As a project's folder is: everybody may look into it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("above").join("data");
    let spool = Directory::create_spool(&path).unwrap();
    let directory = Directory::create(&path).unwrap();
    let store = Embedded::open(directory, Clock::new(|| NOW_MS), Settings::default()).unwrap();
    store.put(b"a large result".to_vec()).await.unwrap();
    let _verdicts = store.accept(vec![record(&job_id("some-job"))]).await.unwrap();
    let blobs = path.join("blobs");
    for private in [&path, &spool, &blobs, &path.join("gantz.db"), &path.join("gantz.db-wal")] {
        assert_eq!(mode(private) & 0o077, 0, "{}: {:o}", private.display(), mode(private));
    }
}

/// Whoever shares a directory on purpose can go on sharing it.
#[test]
fn permissions_that_somebody_chose_stay() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
    let _directory = Directory::create(folder.path()).unwrap();
    assert_eq!(mode(folder.path()), 0o750);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
