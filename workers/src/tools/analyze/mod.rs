//! The tool `s3.analyze_file`: what is in a file or object, found in one pass over its bytes and with bounded memory.
//!
//! Bytes come through the [`ByteSource`] port. The whole analysis of one file runs on a blocking thread, because hashing
//! and parsing are work for a processor; dropping the tool's future stops it at the next read.

mod limits;

mod bytes;
mod local;
mod report;

mod content;
mod detect;
mod extension;
mod keep;
mod magic;
mod pass;
mod text;
mod utf16;

mod archive;
mod code;
mod image;
mod json;
mod parquet;
mod table;

use std::convert::Infallible;
use std::num::NonZero;
use std::sync::Arc;

use gantz_core::outcome::{ErrorKind, Failure, Outcome};
pub use gantz_core::ports::{ByteReader, ByteSource, Opened, Place, SourceError};
use gantz_core::tool::{Call, Tool};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use self::bytes::{Bytes, ReadError, Stop, unless_stopped};
pub use self::local::LocalFiles;
use self::pass::{Options, PassError};
pub use self::report::*;

/// The tool `s3.analyze_file`. Its result is an [`Analysis`].
#[derive(Clone)]
pub struct AnalyzeFile {
    files: Option<Arc<dyn ByteSource>>,
    objects: Option<Arc<dyn ByteSource>>,
    /// Files that may be read at once.
    room: Arc<Semaphore>,
}

impl Default for AnalyzeFile {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let room = Arc::new(Semaphore::new(cores * limits::FILES_PER_CORE));
        Self { files: None, objects: None, room }
    }
}

impl AnalyzeFile {
    /// Calls with `path` read from `files`. Without this they fail, and say so.
    #[must_use]
    pub fn with_files(mut self, files: impl ByteSource) -> Self {
        self.files = Some(Arc::new(files));
        self
    }

    /// Calls with `bucket` and `key` read from `objects`. Without this they fail, and say so.
    #[must_use]
    pub fn with_objects(mut self, objects: impl ByteSource) -> Self {
        self.objects = Some(Arc::new(objects));
        self
    }

    fn source_of(&self, place: &Place) -> Result<Arc<dyn ByteSource>, Failure> {
        let (source, missing) = match place {
            Place::File { .. } | Place::FileOfBytes { .. } => {
                (&self.files, "no folder of files is configured here, give `bucket` and `key`")
            }
            Place::Object { .. } => {
                (&self.objects, "no S3 source is configured here, give the `path` of a file")
            }
        };
        source.clone().ok_or_else(|| invalid(missing))
    }
}

/// The parameters: either `path` (or `path_base64`), or `bucket` and `key` and perhaps `version` and `etag`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Parameters {
    /// A file on the worker's machine.
    #[serde(default)]
    pub path: Option<String>,
    /// The same in base64, for a path that is not UTF-8.
    #[serde(default)]
    pub path_base64: Option<String>,
    /// The bucket of an object.
    #[serde(default)]
    pub bucket: Option<String>,
    /// The key of an object, decoded.
    #[serde(default)]
    pub key: Option<String>,
    /// The version of an object, where its bucket keeps them; the newest if it is not given.
    #[serde(default)]
    pub version: Option<String>,
    /// The ETag of the content that is meant; any if it is not given.
    #[serde(default)]
    pub etag: Option<String>,
    /// Analyse only so many bytes, from the start. At least 1.
    #[serde(default)]
    pub max_bytes: Option<u64>,
}

impl Parameters {
    fn place(self) -> Result<Place, Failure> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let file = match (given(self.path), given(self.path_base64)) {
            (Some(_), Some(_)) => return Err(invalid("give either `path` or `path_base64`, not both")),
            (Some(path), None) => Some(Place::File { path }),
            (None, bytes) => bytes.map(|path_base64| Place::FileOfBytes { path_base64 }),
        };
        let (version, etag) = (given(self.version), given(self.etag));
        match (file, given(self.bucket), given(self.key)) {
            (Some(_), None, None) if version.is_some() || etag.is_some() => {
                Err(invalid("`version` and `etag` are of an object, give its `bucket` and `key`"))
            }
            (Some(file), None, None) => Ok(file),
            (None, Some(bucket), Some(key)) => Ok(Place::Object { bucket, key, version, etag }),
            (None, Some(_), None) => Err(invalid("`bucket` needs a `key`: the object to analyse")),
            (None, None, Some(_)) => Err(invalid("`key` needs a `bucket`: where the object is")),
            (None, None, None) => {
                Err(invalid("give either the `path` of a file, or `bucket` and `key` of an object"))
            }
            (Some(_), _, _) => Err(invalid("give either `path`, or `bucket` and `key`, not both")),
        }
    }
}

impl Tool for AnalyzeFile {
    const HANDLER: &'static str = "s3.analyze_file";

    type Parameters = Parameters;

    async fn run(&self, call: Call<Parameters>) -> Outcome {
        match self.analyze(call.parameters).await {
            Ok(analysis) => serde_json::to_value(analysis).map_or_else(
                |error| {
                    Outcome::permanent(ErrorKind::ToolError, format!("failed to write the report: {error}"))
                },
                Outcome::Done,
            ),
            Err(failure) => Outcome::Failed(failure),
        }
    }
}

impl AnalyzeFile {
    /// Analyses one file or object.
    ///
    /// # Errors
    /// When the parameters name nothing that can be analysed, or it cannot be read.
    pub async fn analyze(&self, parameters: Parameters) -> Result<Analysis, Failure> {
        let max_bytes = parameters.max_bytes;
        if max_bytes == Some(0) {
            return Err(invalid("`max_bytes` must be at least 1"));
        }
        let place = parameters.place()?;
        let source = self.source_of(&place)?;
        let _room = match place {
            // The semaphore is never closed.
            Place::File { .. } | Place::FileOfBytes { .. } => self.room.acquire().await.ok(),
            Place::Object { .. } => None,
        };
        let options = Options { max_bytes, chunk_bytes: limits::CHUNK_BYTES };
        let runtime = Handle::current();
        // Dropped together with this future, which is how the blocking thread learns that it may stop.
        let (_stop, stopped) = oneshot::channel::<Infallible>();
        let work =
            tokio::task::spawn_blocking(move || blocking(&runtime, stopped, &*source, &place, options));
        match work.await {
            Ok(result) => result.map_err(failure),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Failure::transient(ErrorKind::Unavailable, error.to_string())),
            },
        }
    }
}

fn blocking(
    runtime: &Handle,
    mut stop: Stop,
    source: &dyn ByteSource,
    place: &Place,
    options: Options,
) -> Result<Analysis, PassError> {
    let mut opened = runtime.block_on(unless_stopped(&mut stop, source.open(place)))?;
    let version = opened.version.take();
    pass::analyze(&mut Bytes::new(runtime.clone(), stop, opened), place, version, options)
}

fn failure(error: PassError) -> Failure {
    let message = error.to_string();
    match error {
        PassError::Read(ReadError::Source(error)) => error.into_failure(),
        // Another attempt reads the file as it then is.
        PassError::Shrank { .. } => Failure::transient(ErrorKind::ChangedDuringRead, message),
        PassError::Read(ReadError::Stopped) => Failure::transient(ErrorKind::Cancelled, message),
    }
}

fn invalid(message: &str) -> Failure {
    Failure::permanent(ErrorKind::Invalid, message.to_owned())
}

#[cfg(test)]
mod tests;
