//! A package, read as a whole.

use std::sync::Arc;

use aws_smithy_types::Blob;
use gantz_core::outcome::{ErrorKind, Failure, Retry};
use gantz_core::ports::{ByteSource, Place, SourceError};
use tokio::runtime::Handle;

use super::super::failure::invalid;

/// What Lambda takes in the request itself. Larger packages come from S3.
const PACKAGE_MAX_BYTES: usize = 50 * 1024 * 1024;
/// What every zip archive with an entry begins with.
const MAGIC: &[u8] = b"PK\x03\x04";

pub(super) async fn read(files: Arc<dyn ByteSource>, path: String) -> Result<Blob, Failure> {
    let runtime = Handle::current();
    // The port's methods may block their thread.
    let read = tokio::task::spawn_blocking(move || runtime.block_on(read_all(&*files, path)));
    match read.await {
        Ok(read) => read,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(Failure::new(ErrorKind::Unavailable, error.to_string(), Retry::Backoff)),
        },
    }
}

async fn read_all(files: &dyn ByteSource, path: String) -> Result<Blob, Failure> {
    let place = Place::File { path };
    let mut opened = files.open(&place).await.map_err(SourceError::into_failure)?;
    let size = usize::try_from(opened.size_bytes).unwrap_or(usize::MAX);
    if size > PACKAGE_MAX_BYTES {
        let message = format!(
            "the package is {size} bytes, at most {PACKAGE_MAX_BYTES} can be uploaded: put it into a bucket and give `s3://bucket/key`"
        );
        return Err(invalid(message));
    }
    let mut bytes = vec![0; size];
    let mut read = 0;
    while read < size {
        let more = opened
            .reader
            .read_at(read as u64, &mut bytes[read..])
            .await
            .map_err(SourceError::into_failure)?;
        if more == 0 {
            let message = "the package became shorter while it was read";
            return Err(Failure::transient(ErrorKind::ChangedDuringRead, message));
        }
        read += more;
    }
    if !bytes.starts_with(MAGIC) {
        return Err(invalid("the package is no zip archive"));
    }
    Ok(Blob::new(bytes))
}
