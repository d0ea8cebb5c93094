//! What goes in and out of a program while it runs. Every buffer is bounded.

use std::os::fd::AsFd;

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How much of stderr an error quotes: a stack trace's last lines, and half of what an error's message may hold.
const STDERR_TAIL_BYTES: usize = 1024;
/// Room for one read: what Linux's pipes hold at most before a writer must wait, unless told otherwise.
const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes taken out of a pipe whose program has ended: more than a pipe holds, unless a privileged process made it so.
const LEFTOVER_MAX_BYTES: usize = 2 * 1024 * 1024;

/// More was written than may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMuch;

/// Where a program's output goes.
pub(super) trait Sink {
    /// Takes the next bytes.
    fn take(&mut self, bytes: &[u8]) -> Result<(), TooMuch>;
}

/// All of the output, up to a bound.
#[derive(Debug)]
pub(super) struct Capped {
    bytes: Vec<u8>,
    max_bytes: usize,
}

impl Capped {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { bytes: Vec::new(), max_bytes }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Sink for Capped {
    fn take(&mut self, bytes: &[u8]) -> Result<(), TooMuch> {
        if bytes.len() > self.max_bytes - self.bytes.len() {
            return Err(TooMuch);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// The last of the output.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Tail {
    /// The text, without white space around it; what is no UTF-8 shows as `\u{FFFD}`.
    pub(super) fn into_text(self) -> String {
        // A cut may fall into a character. Its remaining bytes are all of the form 0b10xxxxxx, three at most.
        let torn = self.bytes.iter().take(3).take_while(|&&byte| self.is_cut && byte & 0xC0 == 0x80).count();
        let text = String::from_utf8_lossy(&self.bytes[torn..]);
        format!("{}{}", if self.is_cut { "…" } else { "" }, text.trim())
    }
}

impl Sink for Tail {
    fn take(&mut self, bytes: &[u8]) -> Result<(), TooMuch> {
        self.bytes.extend_from_slice(bytes);
        let excess = self.bytes.len().saturating_sub(STDERR_TAIL_BYTES);
        self.bytes.drain(..excess);
        self.is_cut |= excess > 0;
        Ok(())
    }
}

/// Writes `input` and closes the pipe. A program need not read what it is told: that it stopped reading is no error.
pub(super) async fn feed(mut pipe: impl AsyncWrite + Unpin, input: &[u8]) {
    if let Err(error) = pipe.write_all(input).await {
        tracing::debug!(%error, "the program did not read all of its input");
    }
}

/// Reads until the pipe's other ends are closed, or `sink` is full.
pub(super) async fn fill(sink: &mut impl Sink, mut pipe: impl AsyncRead + Unpin) -> Result<(), TooMuch> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match pipe.read(&mut chunk).await {
            // A pipe fails to be read only when it is gone.
            Ok(0) | Err(_) => return Ok(()),
            Ok(read) => sink.take(&chunk[..read])?,
        }
    }
}

/// Takes what the pipe holds now, without waiting for its other ends to be closed: a process that escaped may keep one.
pub(super) fn take_leftover(sink: &mut impl Sink, pipe: impl AsFd) -> Result<(), TooMuch> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut taken = 0;
    while taken < LEFTOVER_MAX_BYTES {
        // The runtime made the pipe non-blocking, so this fails when the pipe is empty.
        match rustix::io::read(&pipe, &mut chunk) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => break,
            Ok(read) => {
                sink.take(&chunk[..read])?;
                taken += read;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_all_up_to_the_bound() {
        let mut sink = Capped::new(4);
        assert_eq!(sink.take(b"abc"), Ok(()));
        assert_eq!(sink.take(b"d"), Ok(()));
        assert_eq!(sink.take(b""), Ok(()));
        assert_eq!(sink.take(b"e"), Err(TooMuch));
        assert_eq!(sink.into_bytes(), b"abcd");
    }

    #[test]
    fn keeps_the_tail() {
        let check = |chunks: &[&str], expect: &str| {
            let mut sink = Tail::default();
            for chunk in chunks {
                assert_eq!(sink.take(chunk.as_bytes()), Ok(()));
            }
            assert_eq!(sink.into_text(), expect);
        };
        check(&[], "");
        check(&["no such", " file\n"], "no such file");
        let full = "x".repeat(STDERR_TAIL_BYTES);
        check(&[&full], &full);
        check(&["lost", &full], &format!("…{full}"));
        // A cut within a character drops the rest of it.
        check(&["é", &full[1..]], &format!("…{}", &full[1..]));
        // Bytes that are no text stay visible where nothing was cut.
        let mut sink = Tail::default();
        assert_eq!(sink.take(&[0x80, b'a']), Ok(()));
        assert_eq!(sink.into_text(), "\u{FFFD}a");
    }
}
