//! Gzip, unpacked as it streams by, up to a bound.

use std::fmt;
use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

use super::super::detect::detect;
use super::super::limits::{HEAD_BYTES, UNPACK_MAX_BYTES};
use super::super::report::Gzip;
use super::{is_bomb, ratio};

/// Unpacks a stream that comes in pieces, and counts.
pub(in super::super) struct GzipCounter {
    /// Absent once unpacking ended early.
    decoder: Option<MultiGzDecoder<Sink>>,
    packed_bytes: u64,
    ended: Option<Ended>,
}

/// How unpacking ended early.
struct Ended {
    sink: Sink,
    error: &'static str,
}

/// Keeps the head and counts the rest.
#[derive(Default)]
struct Sink {
    unpacked_bytes: u64,
    unpack_max_bytes: u64,
    head: Vec<u8>,
}

impl GzipCounter {
    pub(in super::super) fn new() -> Self {
        Self::up_to(UNPACK_MAX_BYTES)
    }

    fn up_to(unpack_max_bytes: u64) -> Self {
        let sink = Sink { unpack_max_bytes, ..Sink::default() };
        Self { decoder: Some(MultiGzDecoder::new(sink)), packed_bytes: 0, ended: None }
    }

    pub(in super::super) fn feed(&mut self, bytes: &[u8]) {
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        self.packed_bytes += bytes.len() as u64;
        if let Err(error) = decoder.write_all(bytes) {
            self.give_up(&error);
        }
    }

    /// What was found. The end of a `sample` may have cut the stream.
    pub(in super::super) fn finish(mut self, sample: bool) -> Gzip {
        let end = match &mut self.decoder {
            None => Ok(()),
            Some(decoder) if sample => decoder.flush(),
            Some(decoder) => decoder.try_finish(),
        };
        if let Err(error) = end {
            self.give_up(&error);
        }
        let complete = if sample && self.ended.is_none() { None } else { Some(self.ended.is_none()) };
        let error = self.ended.as_ref().map(|ended| ended.error);
        let sink = match (self.ended, &mut self.decoder) {
            (Some(ended), _) => ended.sink,
            (None, Some(decoder)) => std::mem::take(decoder.get_mut()),
            (None, None) => Sink::default(),
        };
        let whole = complete == Some(true) && sink.unpacked_bytes == sink.head.len() as u64;
        Gzip {
            unpacked_bytes: sink.unpacked_bytes,
            complete,
            ratio: ratio(sink.unpacked_bytes, self.packed_bytes),
            bomb: is_bomb(sink.unpacked_bytes, self.packed_bytes),
            content_media_type: (!sink.head.is_empty()).then(|| detect("", &sink.head, whole).media_type),
            error,
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        let Some(mut decoder) = self.decoder.take() else {
            return;
        };
        let error = match error.kind() {
            io::ErrorKind::FileTooLarge => "unpacking stopped at its bound",
            io::ErrorKind::UnexpectedEof => "the stream is cut short",
            _ => "the stream is damaged, or something else follows it",
        };
        self.ended = Some(Ended { sink: std::mem::take(decoder.get_mut()), error });
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.unpack_max_bytes - self.unpacked_bytes).unwrap_or(usize::MAX);
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = bytes.len().min(room);
        let wanted = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..count.min(wanted)]);
        self.unpacked_bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for GzipCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GzipCounter").field("packed_bytes", &self.packed_bytes).finish_non_exhaustive()
    }
}
