use async_trait::async_trait;

use serde_json::Value;

use super::PortError;
use crate::envelope::Parameters;
use crate::limits::PARAMETERS_MAX_BYTES;

/// Bytes too large for a row or a message. Content-addressed: the same bytes have the same reference.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Stores `bytes`, durably, and returns their reference.
    async fn put(&self, bytes: Vec<u8>) -> Result<String, BlobError>;

    /// The bytes of a reference, if there are at most `max_bytes`.
    async fn get(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError>;
}

/// A blob could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob, or the text is no reference.
    #[error("there is no blob `{0}`")]
    NotFound(String),
    /// It is larger than the caller can take.
    #[error("the blob `{reference}` has {bytes} bytes, at most {max_bytes} can be read here")]
    TooLarge {
        /// The reference.
        reference: String,
        /// Its size.
        bytes: u64,
        /// What the caller allowed.
        max_bytes: usize,
    },
    /// What was read is not what was stored.
    #[error("the blob `{0}` is damaged: its content does not have the hash in its name")]
    Damaged(String),
    /// The store failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// For who can do nothing about a blob that is not there: it will not be the next time.
impl From<BlobError> for PortError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Port(error) => error,
            other => Self::Permanent(other.to_string()),
        }
    }
}

/// Parameters themselves, wherever they are.
///
/// # Errors
/// When their blob cannot be had, or holds no JSON.
pub async fn read_parameters(blobs: &dyn BlobStore, parameters: Parameters) -> Result<Value, BlobError> {
    match parameters {
        Parameters::Inline(value) => Ok(value),
        Parameters::Ref(reference) => {
            let bytes = blobs.get(&reference, PARAMETERS_MAX_BYTES).await?;
            serde_json::from_slice(&bytes).map_err(|_| BlobError::Damaged(reference))
        }
    }
}
