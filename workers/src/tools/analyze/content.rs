//! What a stream of bytes is: its head first, then, once that told what it is, the counters for it.

use super::archive::gzip::GzipCounter;
use super::code::CodeCounter;
use super::detect::{Charset, Detected, Kind, decoder, detect};
use super::json::{JsonCounter, JsonLinesCounter};
use super::limits::HEAD_BYTES;
use super::report::{Content, Detail, Encoding};
use super::table::TableCounter;
use super::text::{EncodingCheck, TextCounter};
use super::utf16::Utf16;

/// Describes content that comes in pieces, which do not change what is found.
pub(super) struct ContentCounter {
    name: String,
    within_archive: bool,
    head: Vec<u8>,
    counters: Option<Counters>,
}

/// What was found.
pub(super) struct Found {
    pub(super) detected: Detected,
    pub(super) content: Content,
    /// The first bytes.
    pub(super) head: Vec<u8>,
}

impl ContentCounter {
    /// Of a file called `name`.
    pub(super) fn of_file(name: &str) -> Self {
        Self { name: name.to_owned(), within_archive: false, head: Vec::new(), counters: None }
    }

    /// Of what is in an archive: archives in that are not opened in turn.
    pub(super) fn within_archive(name: &str) -> Self {
        Self { within_archive: true, ..Self::of_file(name) }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Some(counters) = &mut self.counters {
            counters.feed(bytes);
            return;
        }
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
        self.head.extend_from_slice(head);
        if self.head.len() == HEAD_BYTES {
            let counters = self.begin(false);
            self.counters.insert(counters).feed(rest);
        }
    }

    /// The end, or that of a `sample`, which may have cut something.
    pub(super) fn finish(mut self, sample: bool) -> Found {
        let counters = match self.counters.take() {
            Some(counters) => counters,
            None => self.begin(!sample),
        };
        let detected = counters.detected;
        Found { detected, content: counters.finish(sample), head: self.head }
    }

    fn begin(&self, whole: bool) -> Counters {
        let detected = detect(&self.name, &self.head, whole);
        let detail = match detected.kind {
            Kind::Gzip if self.within_archive => DetailCounter::None,
            kind => DetailCounter::new(kind, &self.name),
        };
        Counters::new(detected, detail, &self.head)
    }
}

/// What runs over the bytes of one kind of content.
struct Counters {
    detected: Detected,
    encoding: EncodingCheck,
    /// Whether the text began with a byte order mark.
    has_mark: bool,
    utf16: Option<Utf16>,
    text: TextCounter,
    detail: DetailCounter,
}

enum DetailCounter {
    None,
    Code(CodeCounter),
    Table(Box<TableCounter>),
    Json(Box<JsonCounter>),
    JsonLines(Box<JsonLinesCounter>),
    Gzip(Box<GzipCounter>),
}

impl Counters {
    /// Fed with the head.
    fn new(detected: Detected, detail: DetailCounter, head: &[u8]) -> Self {
        let (utf16, mark) = match detected.charset {
            Charset::Utf16 { encoding, mark } => (Some(decoder(encoding)), mark),
            Charset::Bytes { mark } => (None, mark),
            Charset::Binary => (None, 0),
        };
        let mut counters = Self {
            detected,
            encoding: EncodingCheck::new(),
            has_mark: mark > 0,
            utf16,
            text: TextCounter::default(),
            detail,
        };
        counters.encoding.feed(&head[..mark]);
        counters.feed(&head[mark..]);
        counters
    }

    fn feed(&mut self, bytes: &[u8]) {
        match (self.detected.charset, &mut self.utf16) {
            (Charset::Binary, _) => self.detail.feed(bytes),
            (_, Some(utf16)) => {
                let text = utf16.decode(bytes);
                self.feed_text(text.as_bytes());
            }
            (_, None) => {
                self.encoding.feed(bytes);
                self.feed_text(bytes);
            }
        }
    }

    fn feed_text(&mut self, text: &[u8]) {
        self.text.feed(text);
        self.detail.feed(text);
    }

    fn finish(mut self, sample: bool) -> Content {
        if let (false, Some(utf16)) = (sample, &mut self.utf16) {
            let cut = utf16.finish();
            self.feed_text(cut.as_bytes());
        }
        let encoding = match self.detected.charset {
            Charset::Binary => Encoding::Binary,
            Charset::Utf16 { encoding, .. } => encoding,
            Charset::Bytes { .. } => self.encoding.finish(sample),
        };
        let text = (encoding != Encoding::Binary).then(|| self.text.finish(encoding, self.has_mark));
        Content { media_type: self.detected.media_type, text, detail: self.detail.finish(sample) }
    }
}

impl DetailCounter {
    fn new(kind: Kind, name: &str) -> Self {
        match kind {
            Kind::Code(language) => Self::Code(CodeCounter::new(language)),
            Kind::Table { delimiter } => Self::Table(Box::new(TableCounter::new(delimiter))),
            Kind::Json => Self::Json(Box::new(JsonCounter::new())),
            Kind::JsonLines => Self::JsonLines(Box::new(JsonLinesCounter::new())),
            Kind::Gzip => Self::Gzip(Box::new(GzipCounter::new(name))),
            // What these have to say stands at fixed places, or there is nothing.
            Kind::Plain | Kind::Parquet | Kind::Image | Kind::Zip => Self::None,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Code(counter) => counter.feed(bytes),
            Self::Table(counter) => counter.feed(bytes),
            Self::Json(counter) => counter.feed(bytes),
            Self::JsonLines(counter) => counter.feed(bytes),
            Self::Gzip(counter) => counter.feed(bytes),
        }
    }

    fn finish(self, sample: bool) -> Option<Detail> {
        match self {
            Self::None => None,
            Self::Code(counter) => Some(Detail::Code(counter.finish())),
            Self::Table(counter) => Some(Detail::Table(counter.finish(sample))),
            Self::Json(counter) => Some(Detail::Json(counter.finish(sample))),
            Self::JsonLines(counter) => Some(Detail::JsonLines(counter.finish(sample))),
            Self::Gzip(counter) => Some(Detail::Archive(Box::new(counter.finish(sample)))),
        }
    }
}
