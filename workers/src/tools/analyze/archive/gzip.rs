//! Gzip (RFC 1952), unpacked as it streams by, up to a bound: all members, and what follows them.

use std::fmt;
use std::io::{self, Write};

use flate2::write::GzDecoder;

use super::super::content::ContentCounter;
use super::super::limits::UNPACK_MAX_BYTES;
use super::super::report::Archive;
use super::{is_bomb, ratio};

/// What a member begins with.
const MARK: [u8; 2] = [0x1f, 0x8b];

/// Unpacks a stream that comes in pieces, and looks at what is inside.
pub(in super::super) struct GzipCounter {
    state: State,
    /// Absent while a member's decoder has it.
    sink: Sink,
    members: u64,
    packed_bytes: u64,
    trailing_bytes: u64,
    /// What follows is not only zeros, with which tapes and some tools fill up.
    trailing_is_odd: bool,
}

enum State {
    Member(Box<GzDecoder<Sink>>),
    /// A member has ended, and so many bytes of the mark of another one have come.
    Between(usize),
    /// Something that is no member follows the last one.
    Trailing,
    /// Nothing more is unpacked.
    Stopped(Stop),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Bound,
    Damage,
    Cut,
}

impl Stop {
    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::Bound,
            io::ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::Damage,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Bound => "unpacking stopped at its bound",
            Self::Damage => "the stream is damaged",
            Self::Cut => "the stream is cut short",
        }
    }
}

/// Counts what is unpacked, and passes it on.
#[derive(Default)]
struct Sink {
    unpacked_bytes: u64,
    unpack_max_bytes: u64,
    content: Option<Box<ContentCounter>>,
}

impl GzipCounter {
    /// Of a file called `name`.
    pub(in super::super) fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let inner = match name.strip_suffix(".tgz") {
            Some(stem) => format!("{stem}.tar"),
            None => name.strip_suffix(".gz").unwrap_or("").to_owned(),
        };
        let content = Some(Box::new(ContentCounter::within_archive(&inner)));
        let sink = Sink { unpacked_bytes: 0, unpack_max_bytes: UNPACK_MAX_BYTES, content };
        Self {
            state: State::Member(Box::new(GzDecoder::new(sink))),
            sink: Sink::default(),
            members: 0,
            packed_bytes: 0,
            trailing_bytes: 0,
            trailing_is_odd: false,
        }
    }

    pub(in super::super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let took = self.step(bytes);
            bytes = &bytes[took..];
        }
    }

    /// Reads some of `bytes`, and says how many.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match &mut self.state {
            State::Member(decoder) => match decoder.write(bytes) {
                // It has seen the end of its member.
                Ok(0) => {
                    let checked = decoder.try_finish();
                    self.end_member(checked);
                    0
                }
                Ok(count) => {
                    self.packed_bytes += count as u64;
                    count
                }
                Err(error) => {
                    self.end_member(Err(error));
                    bytes.len()
                }
            },
            State::Between(seen) if MARK.get(*seen) == bytes.first() => {
                *seen += 1;
                if *seen == MARK.len() {
                    self.begin_member();
                }
                1
            }
            State::Between(seen) => {
                let seen = *seen;
                self.trail(&MARK[..seen]);
                self.state = State::Trailing;
                0
            }
            State::Trailing => {
                self.trail(bytes);
                bytes.len()
            }
            State::Stopped(_) => bytes.len(),
        }
    }

    fn begin_member(&mut self) {
        let mut decoder = Box::new(GzDecoder::new(std::mem::take(&mut self.sink)));
        self.packed_bytes += MARK.len() as u64;
        // A mark alone is always taken.
        let begun = decoder.write_all(&MARK);
        self.state = State::Member(decoder);
        if begun.is_err() {
            self.end_member(begun);
        }
    }

    fn end_member(&mut self, ended: io::Result<()>) {
        // Unless it was taken from the decoder already.
        if let State::Member(decoder) = &mut self.state
            && self.sink.content.is_none()
        {
            self.sink = std::mem::take(decoder.get_mut());
        }
        self.state = match ended {
            Ok(()) => {
                self.members += 1;
                State::Between(0)
            }
            Err(error) => State::Stopped(Stop::of(&error)),
        };
    }

    fn trail(&mut self, bytes: &[u8]) {
        self.trailing_bytes += bytes.len() as u64;
        self.trailing_is_odd |= bytes.iter().any(|&byte| byte != 0);
    }

    /// What was found. The end of a `sample` may have cut the stream.
    pub(in super::super) fn finish(mut self, sample: bool) -> Archive {
        if let State::Member(decoder) = &mut self.state {
            let flushed = decoder.flush();
            self.sink = std::mem::take(decoder.get_mut());
            if !sample || flushed.is_err() {
                // One byte more tells whether its member was complete: then it takes none.
                let ended = match flushed.and_then(|()| decoder.write(&[0])) {
                    Ok(0) => decoder.try_finish(),
                    Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
                    Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(error),
                    Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
                };
                self.end_member(ended);
            }
        } else if let State::Between(seen) = self.state {
            self.trail(&MARK[..seen]);
        }
        let stop = if let State::Stopped(stop) = self.state { Some(stop) } else { None };
        let cut = sample || stop.is_some();
        let unpacked_bytes = self.sink.unpacked_bytes;
        Archive {
            format: "gzip",
            members: Some(self.members),
            uncompressed_size: unpacked_bytes,
            ratio: ratio(unpacked_bytes, self.packed_bytes),
            bomb: is_bomb(unpacked_bytes, self.packed_bytes),
            truncated: (!sample).then_some(stop == Some(Stop::Cut)),
            damaged: stop == Some(Stop::Damage) || self.trailing_is_odd,
            trailing_bytes: self.trailing_bytes,
            error: stop.map(Stop::message),
            inner: self
                .sink
                .content
                .filter(|_| unpacked_bytes > 0)
                .map(|content| content.finish(cut).content),
            ..Archive::default()
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.unpack_max_bytes - self.unpacked_bytes).unwrap_or(usize::MAX);
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = bytes.len().min(room);
        if let Some(content) = &mut self.content {
            content.feed(&bytes[..count]);
        }
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
