//! JSON Lines in an object, which may be larger than memory. The cursor is that of the lines, and behind it the version of
//! what they were read from: from other content nothing is planned.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use gantz_core::object_prefix::ObjectUrl;
use gantz_core::ports::{ByteReader, ByteSource, Place, PortError, PortResult, SourceError as ReadError};
use tokio::runtime::Handle;

use super::lines::Lines;
use super::page::{Page, SourceError};

pub(super) struct ObjectLines {
    lines: Lines,
    version: String,
}

impl ObjectLines {
    pub(super) async fn open(
        objects: &dyn ByteSource,
        ObjectUrl { bucket, key }: ObjectUrl,
        cursor: Option<&str>,
    ) -> Result<Self, SourceError> {
        let place = Place::Object { bucket, key, version: None, etag: None };
        let opened = objects.open(&place).await.map_err(|error| match passing(&error) {
            Some(error) => SourceError::Port(error),
            None => SourceError::Final(error.to_string()),
        })?;
        let version = opened.version.unwrap_or_default();
        let within = match cursor.map(|cursor| split(cursor).ok_or(cursor)).transpose() {
            Ok(Some((_, planned))) if planned != version => {
                return Err(SourceError::Final("the object was overwritten while it was planned".to_owned()));
            }
            Ok(found) => found.map(|(within, _)| within),
            Err(text) => return Err(SourceError::Final(format!("`{text}` is no cursor of an object"))),
        };
        let input = Blocking { reader: opened.reader, runtime: Handle::current(), at: 0 };
        let lines = Lines::from(input, within).map_err(SourceError::Final)?;
        Ok(Self { lines, version })
    }

    /// The next page. To be called on a thread that may block.
    pub(super) fn next_page(&mut self, size: usize) -> PortResult<Page> {
        let page = self.lines.next_page(size)?;
        Ok(Page { cursor: format!("{} {}", page.cursor, self.version), ..page })
    }
}

/// The lines' own cursor, of two numbers, and the version.
fn split(cursor: &str) -> Option<(&str, &str)> {
    let (behind_first, _) = cursor.match_indices(' ').nth(1)?;
    Some((&cursor[..behind_first], &cursor[behind_first + 1..]))
}

/// What may be otherwise the next time that the object is read.
pub(super) fn passing(error: &ReadError) -> Option<PortError> {
    match error {
        ReadError::Throttled { .. } => Some(PortError::Throttled(error.to_string())),
        ReadError::Unavailable { source, .. } => Some(PortError::Transient(format!("{error}: {source}"))),
        ReadError::NotFound { .. }
        | ReadError::Superseded { .. }
        | ReadError::Forbidden { .. }
        | ReadError::NotRegular { .. }
        | ReadError::Invalid { .. } => None,
    }
}

/// A reader over a network for who waits on a thread of its own.
struct Blocking {
    reader: Box<dyn ByteReader>,
    runtime: Handle,
    at: u64,
}

impl Read for Blocking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.runtime.block_on(self.reader.read_at(self.at, buffer));
        let count = read.map_err(io::Error::other)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Blocking {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Start(offset) => self.at = offset,
            SeekFrom::Current(_) | SeekFrom::End(_) => return Err(ErrorKind::Unsupported.into()),
        }
        Ok(self.at)
    }
}
