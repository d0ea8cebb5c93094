//! `BlobStore` over S3: objects named by the hash of their content.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use gantz_core::ids::sha256_hex;
use gantz_core::ports::{BlobError, BlobStore, PortError};

use crate::error::port_error;
use crate::session::Session;
use crate::settings::Settings;

/// References look alike in every backend.
const SCHEME: &str = "blob:";
const FOLDER: &str = "blobs/";

/// Blobs in the bucket.
pub struct Blobs {
    session: Arc<Session>,
    settings: Arc<Settings>,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("bucket", &self.settings.bucket).finish_non_exhaustive()
    }
}

impl Blobs {
    /// The blobs in the bucket that `settings` name.
    pub fn new(session: Arc<Session>, settings: Arc<Settings>) -> Self {
        Self { session, settings }
    }

    /// The object, as far as the range reaches; `None` if it is empty, as no range fits it.
    async fn open(&self, hash: &str, max_bytes: usize) -> Result<Option<GetObjectOutput>, Missing> {
        // One byte more than is wanted, because no range asks for none.
        let object = self
            .session
            .s3()
            .get_object()
            .bucket(&self.settings.bucket)
            .key(format!("{FOLDER}{hash}"))
            .range(format!("bytes=0-{max_bytes}"));
        match object.send().await {
            Ok(output) => Ok(Some(output)),
            Err(error) if is_missing(&error) => Err(Missing::NotFound),
            Err(error) if error.code() == Some("InvalidRange") => Ok(None),
            Err(error) => Err(Missing::Failed(port_error("GetObject", &error))),
        }
    }
}

enum Missing {
    NotFound,
    Failed(PortError),
}

#[async_trait]
impl BlobStore for Blobs {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError> {
        let hash = sha256_hex(&bytes);
        // Also if it is there: writing it again renews its age, by which the bucket's rules expire blobs.
        let put = self
            .session
            .s3()
            .put_object()
            .bucket(&self.settings.bucket)
            .key(format!("{FOLDER}{hash}"))
            .body(ByteStream::from(bytes));
        put.send().await.map_err(|error| port_error("PutObject", &error))?;
        Ok(format!("{SCHEME}{hash}"))
    }

    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        let not_found = || BlobError::NotFound(reference.to_owned());
        let hash = reference.strip_prefix(SCHEME).filter(|hash| is_hash(hash)).ok_or_else(not_found)?;
        let content = match self.open(hash, max_bytes).await {
            Ok(None) => Vec::new(),
            Ok(Some(object)) => {
                let bytes = total_bytes(object.content_range(), object.content_length());
                if bytes > max_bytes as u64 {
                    return Err(BlobError::TooLarge { reference: reference.to_owned(), bytes, max_bytes });
                }
                read(object).await?
            }
            Err(Missing::NotFound) => return Err(not_found()),
            Err(Missing::Failed(error)) => return Err(error.into()),
        };
        if sha256_hex(&content) == hash { Ok(content) } else { Err(BlobError::Damaged(reference.to_owned())) }
    }
}

async fn read(object: GetObjectOutput) -> Result<Vec<u8>, PortError> {
    match object.body.collect().await {
        Ok(content) => Ok(content.to_vec()),
        Err(error) => Err(PortError::Transient(format!("GetObject: the content broke off: {error}"))),
    }
}

fn is_missing<R>(error: &SdkError<GetObjectError, R>) -> bool {
    error.as_service_error().is_some_and(GetObjectError::is_no_such_key)
}

fn is_hash(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The object's size: of `bytes 0-999/5000` what follows the slash, or the length of an answer that is all of it.
fn total_bytes(content_range: Option<&str>, content_length: Option<i64>) -> u64 {
    let total =
        content_range.and_then(|range| range.rsplit_once('/')).and_then(|(_, total)| total.parse().ok());
    total.or_else(|| content_length.and_then(|length| u64::try_from(length).ok())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_that_of_the_object_not_of_the_range() {
        let table = [
            (Some("bytes 0-999/5000"), Some(1_000), 5_000),
            (Some("bytes 0-999/*"), Some(1_000), 1_000),
            (None, Some(7), 7),
            (None, Some(-1), u64::MAX),
            (None, None, u64::MAX),
        ];
        for (content_range, content_length, expected) in table {
            assert_eq!(total_bytes(content_range, content_length), expected, "{content_range:?}");
        }
    }
}
