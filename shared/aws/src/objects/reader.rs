//! Reading one object by ranges: in order a window at a time, elsewhere what is asked for.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gantz_core::ports::{ByteReader, Opened, SourceError};
use tokio::io::{AsyncRead, ReadBuf};

use super::failure::{open_error, source_error};
use super::list::unquoted;

/// What one call asks for at most, when an object is read in order: large enough that calls cost next to nothing, and small
/// enough that what is given up half-way leaves little behind.
const WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// Responses that may break without a byte in between before reading is given up. Opening each has its own tries.
const RESUMES_MAX: u32 = 3;

/// Where an object is.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) bucket: String,
    pub(super) key: String,
    /// The version that is meant, else the newest.
    pub(super) version: Option<String>,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, " of version `{version}`"))
    }
}

impl Address {
    fn get(&self, client: &Client) -> GetObjectFluentBuilder {
        client.get_object().bucket(&self.bucket).key(&self.key).set_version_id(self.version.clone())
    }
}

/// One opened object.
pub(super) struct Reader {
    client: Client,
    address: Address,
    /// As S3 wrote it: later responses must be of the same content.
    etag: String,
    size_bytes: u64,
    /// The response that reads in order are served from, until it breaks or ends.
    response: Option<Response>,
    /// Where the last response ended: the next read there goes on in order.
    range_end: Option<u64>,
}

/// A response that is being read.
struct Response {
    body: Pin<Box<dyn AsyncRead + Send + Sync>>,
    /// The offset of its next byte.
    at: u64,
    /// The offset behind its last byte.
    end: u64,
}

impl Response {
    fn new(body: ByteStream, at: u64, end: u64) -> Self {
        Self { body: Box::pin(body.into_async_read()), at, end }
    }

    /// Reads what is there, at least a byte; zero at the end. A checksum that does not fit is an error at the end.
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        poll_fn(|context| self.body.as_mut().poll_read(context, &mut buffer)).await?;
        self.at += buffer.filled().len() as u64;
        Ok(buffer.filled().len())
    }
}

impl Reader {
    /// Asks for the first window and reads nothing yet: most objects are no larger, and then this was the only call.
    /// With an ETag, of that content alone.
    pub(super) async fn open(
        client: Client,
        address: Address,
        etag: Option<&str>,
    ) -> Result<Opened, SourceError> {
        let wanted = etag.map(|etag| format!("\"{etag}\""));
        let call = || address.get(&client).set_if_match(wanted.clone());
        let answer = match call().range(format!("bytes=0-{}", WINDOW_BYTES - 1)).send().await {
            // Nothing is in no range. As a whole it is there.
            Err(error) if error.code() == Some("InvalidRange") => call().send().await,
            answer => answer,
        };
        let answer = answer.map_err(|error| open_error(address.to_string(), error))?;
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let total = answer.content_range().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let (Some(length), Some(etag)) = (length, answer.e_tag().map(str::to_owned)) else {
            return Err(unavailable(&address, "the answer lacks its length or its ETag"));
        };
        let size_bytes = total.unwrap_or(length);
        // A bucket that keeps no versions, or no longer does, has one called `null`.
        let id = answer.version_id().filter(|id| *id != "null");
        let version = Some(id.unwrap_or(unquoted(&etag)).to_owned());
        let response = Some(Response::new(answer.body, 0, length));
        let reader = Self { client, address, etag, size_bytes, response, range_end: None };
        Ok(Opened { size_bytes, version, reader: Box::new(reader) })
    }

    async fn read_in_order(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut broken = 0;
        loop {
            let response = match self.response.take() {
                Some(response) if response.at == offset => response,
                _ => self.range(offset, self.size_bytes.min(offset.saturating_add(WINDOW_BYTES))).await?,
            };
            let error = match self.read_some(response, buffer).await {
                Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                Ok(count) => return Ok(count),
                Err(error) => error,
            };
            broken += 1;
            tracing::debug!(place = %self.address, offset, %error, broken, "a response broke");
            if broken > RESUMES_MAX {
                return Err(unavailable(&self.address, error));
            }
        }
    }

    /// Reads from the response and keeps it, unless it broke or is at its end.
    async fn read_some(&mut self, mut response: Response, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(response.end - response.at).unwrap_or(usize::MAX).min(buffer.len());
        let count = response.read(&mut buffer[..room]).await?;
        if response.at < response.end {
            self.response = Some(response);
        } else {
            // At its end the checksum is compared, where there is one.
            response.read(&mut [0]).await?;
            self.range_end = Some(response.at);
        }
        Ok(count)
    }

    async fn read_elsewhere(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let end = self.size_bytes.min(offset.saturating_add(buffer.len() as u64));
        let mut response = self.range(offset, end).await?;
        let mut filled = 0;
        while response.at < end {
            match response.read(&mut buffer[filled..]).await {
                Ok(count) if count > 0 => filled += count,
                // What came is what is returned: the next read asks for the rest.
                _ if filled > 0 => break,
                Ok(_) => {
                    return Err(unavailable(&self.address, io::Error::from(io::ErrorKind::UnexpectedEof)));
                }
                Err(error) => return Err(unavailable(&self.address, error)),
            }
        }
        self.range_end = Some(response.at);
        Ok(filled)
    }

    /// Asks for the bytes from `start` up to, not including, `end`, of the content that was opened.
    async fn range(&self, start: u64, end: u64) -> Result<Response, SourceError> {
        let range = format!("bytes={start}-{}", end - 1);
        let call = self.address.get(&self.client).range(range).if_match(&self.etag);
        let answer = call.send().await.map_err(|error| source_error(self.address.to_string(), error))?;
        let served = answer.content_range().unwrap_or_default();
        if served == format!("bytes {start}-{}/{}", end - 1, self.size_bytes) {
            return Ok(Response::new(answer.body, start, end));
        }
        Err(unavailable(&self.address, format!("asked for bytes {start} to {end}, was given `{served}`")))
    }
}

#[async_trait]
impl ByteReader for Reader {
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        // There is no empty range, nor one behind the end.
        if offset >= self.size_bytes || buffer.is_empty() {
            return Ok(0);
        }
        let in_order = self.response.as_ref().is_some_and(|response| response.at == offset);
        if in_order || self.range_end == Some(offset) {
            self.range_end = None;
            return self.read_in_order(offset, buffer).await;
        }
        self.read_elsewhere(offset, buffer).await
    }
}

fn unavailable(
    address: &Address,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> SourceError {
    SourceError::Unavailable { place: address.to_string(), source: source.into() }
}
