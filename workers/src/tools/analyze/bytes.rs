//! The bytes of one opened place, for code that runs on a blocking thread.

use std::convert::Infallible;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use gantz_core::ports::{ByteReader, Opened, SourceError};

/// Reads anywhere. The only door through which an analysis gets bytes, and so the place where it is stopped.
pub(super) trait Ranged {
    /// The size when the place was opened.
    fn size_bytes(&self) -> u64;

    /// Fills `buffer` from `offset` on, and returns how much of it: less than all only at the end.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError>;

    /// The bytes from `offset` on, at most `len` of them.
    fn read_vec(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        let left = usize::try_from(self.size_bytes().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(left)];
        let filled = self.read_at(offset, &mut bytes)?;
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// Why no more bytes come.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nobody waits for the analysis any more.
    #[error("the analysis was stopped")]
    Stopped,
}

/// Resolves when the other half is dropped: dropping the tool's future is what stops its blocking work.
pub(super) type Stop = oneshot::Receiver<Infallible>;

/// [`Ranged`] over the asynchronous port.
pub(super) struct Bytes {
    runtime: Handle,
    stop: Stop,
    size_bytes: u64,
    reader: Box<dyn ByteReader>,
}

impl Bytes {
    pub(super) fn new(runtime: Handle, stop: Stop, opened: Opened) -> Self {
        Self { runtime, stop, size_bytes: opened.size_bytes, reader: opened.reader }
    }
}

impl Ranged for Bytes {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = self.reader.read_at(offset + filled as u64, &mut buffer[filled..]);
            // Entered anew for every read: within one long poll, tokio's budget would make `stop` look pending.
            let count = self.runtime.block_on(unless_stopped(&mut self.stop, read))?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        Ok(filled)
    }
}

/// What `work` yields, unless the stop comes first.
pub(super) async fn unless_stopped<T>(
    stop: &mut Stop,
    work: impl Future<Output = Result<T, SourceError>>,
) -> Result<T, ReadError> {
    tokio::select! {
        biased;
        _ = stop => Err(ReadError::Stopped),
        done = work => Ok(done?),
    }
}

#[cfg(test)]
impl Ranged for &[u8] {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let start = usize::try_from(offset).map_or(self.len(), |offset| offset.min(self.len()));
        let count = buffer.len().min(self.len() - start);
        buffer[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }
}
