use async_trait::async_trait;
use serde::Serialize;

use crate::outcome::{ErrorKind, Failure, Retry};

/// What to analyse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Place {
    /// A file on this machine.
    File {
        /// The path, as the caller wrote it.
        path: String,
    },
    /// A file on this machine whose path is not UTF-8.
    FileOfBytes {
        /// The path's bytes in base64, as the caller wrote it.
        path_base64: String,
    },
    /// An object of a bucket.
    Object {
        /// The bucket's name.
        bucket: String,
        /// The object's key, decoded.
        key: String,
        /// The version that is meant, where the bucket keeps them; else the newest. Not shown with the place: what was
        /// opened tells its own.
        #[serde(skip)]
        version: Option<String>,
        /// The ETag, without quotes, of the content that is meant; else any will do.
        #[serde(skip)]
        etag: Option<String>,
    },
}

impl Place {
    /// The last part of the path or key: what people call the file. Nothing of a path that is not UTF-8.
    pub fn name(&self) -> &str {
        match self {
            Self::File { path: whole } | Self::Object { key: whole, .. } => {
                whole.rsplit('/').next().unwrap_or(whole)
            }
            Self::FileOfBytes { .. } => "",
        }
    }
}

/// Opens places for reading.
///
/// All methods of this port are polled on a thread that may block: an implementation over files may simply read, one
/// over a network awaits. A future may be dropped at any await point, when nobody wants the answer any more.
#[async_trait]
pub trait ByteSource: Send + Sync + 'static {
    /// Once this returned, the size is known and stays the size of what the reader yields.
    ///
    /// # Errors
    /// When there is no such regular file or object, or it cannot be read.
    async fn open(&self, place: &Place) -> Result<Opened, SourceError>;
}

/// An opened file or object.
pub struct Opened {
    /// The size when it was opened. What is appended later is not read.
    pub size_bytes: u64,
    /// What tells one content of this place from another: the version's id where a bucket keeps versions, elsewhere an
    /// ETag. Reported as it is.
    pub version: Option<String>,
    /// Reads the bytes.
    pub reader: Box<dyn ByteReader>,
}

/// Ranged reads of one opened file or object.
///
/// Reads come in order from the start, and then perhaps a few near the end: an implementation over a network does well
/// to keep one response open and to serve reads in order from it.
#[async_trait]
pub trait ByteReader: Send {
    /// Once this returned `n`, the first `n` bytes of `buffer` are those at `offset`. Fewer than asked for may come;
    /// zero comes only at the end.
    ///
    /// # Errors
    /// When the bytes cannot be read, or are no longer those that were opened.
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError>;
}

/// Why a place could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is nothing at the place.
    #[error("{place} does not exist")]
    NotFound {
        /// The path, or bucket and key.
        place: String,
    },
    /// There is something at the place, but no longer the content that is meant.
    #[error("{place} was overwritten with other content than was meant")]
    Superseded {
        /// The bucket and key.
        place: String,
    },
    /// The place exists but must not be read, or lies outside the allowed folder.
    #[error("{place} may not be read: {why}")]
    Forbidden {
        /// The path, or bucket and key.
        place: String,
        /// Which rule forbids it.
        why: &'static str,
    },
    /// The path leads to a folder, a pipe, a socket or a device.
    #[error("{place} is no regular file: {why}")]
    NotRegular {
        /// The path.
        place: String,
        /// What it is, and what would be right.
        why: &'static str,
    },
    /// The place names nothing that can be analysed.
    #[error("{place} cannot be analysed: {why}")]
    Invalid {
        /// The path, or bucket and key.
        place: String,
        /// What is wrong, and what would be right.
        why: &'static str,
    },
    /// The source asked for fewer calls.
    #[error("the source of {place} asks for fewer calls")]
    Throttled {
        /// The path, or bucket and key.
        place: String,
        /// Milliseconds the source asked to wait, if it did.
        retry_after_ms: Option<u64>,
    },
    /// Reading failed in a way that may pass.
    #[error("failed to read {place}")]
    Unavailable {
        /// The path, or bucket and key.
        place: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SourceError {
    /// What it comes to for a tool that cannot do without the place.
    pub fn into_failure(self) -> Failure {
        let message = with_causes(&self);
        match self {
            Self::NotFound { .. } => Failure::permanent(ErrorKind::NotFound, message),
            Self::Superseded { .. } => Failure::permanent(ErrorKind::Superseded, message),
            Self::Forbidden { .. } => Failure::permanent(ErrorKind::AccessDenied, message),
            Self::NotRegular { .. } => Failure::permanent(ErrorKind::NotRegularFile, message),
            Self::Invalid { .. } => Failure::permanent(ErrorKind::Invalid, message),
            Self::Throttled { retry_after_ms, .. } => {
                let retry = retry_after_ms.map_or(Retry::Backoff, Retry::After);
                Failure::new(ErrorKind::Throttled, message, retry)
            }
            Self::Unavailable { .. } => Failure::transient(ErrorKind::Unavailable, message),
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |message, cause| format!("{message}: {cause}"))
}
