//! One pass over the bytes: hash, text, and what the kind of content asks for.

use sha2::{Digest, Sha256};

use super::archive::gzip::GzipCounter;
use super::archive::zip;
use super::bytes::{Ranged, ReadError};
use super::code::CodeCounter;
use super::detect::{Charset, Detected, Kind, decoder, detect};
use super::image;
use super::json::{JsonCounter, JsonLinesCounter};
use super::keep::keep;
use super::limits::{HEAD_BYTES, PLACE_MAX_BYTES};
use super::parquet;
use super::report::{Analysis, Detail, Encoding, Sample};
use super::table::TableCounter;
use super::text::{EncodingCheck, TextCounter};
use super::utf16::Utf16;
use gantz_core::ports::Place;

/// How to go over the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// Analyse no more than so many bytes.
    pub(super) max_bytes: Option<u64>,
    /// Bytes read at a time. They do not change what is found.
    pub(super) chunk_bytes: usize,
}

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the file shrank from {size_bytes} to {end} bytes while it was read")]
    Shrank { size_bytes: u64, end: u64 },
}

/// Analyses what `bytes` yields. Blocks; stops soon after a read says so.
pub(super) fn analyze(
    bytes: &mut impl Ranged,
    place: &Place,
    version: Option<String>,
    options: Options,
) -> Result<Analysis, PassError> {
    let size_bytes = bytes.size_bytes();
    let wanted = options.max_bytes.map_or(size_bytes, |max_bytes| max_bytes.min(size_bytes));
    let sample = wanted < size_bytes;
    let mut pass = Pass::new(place.name());
    let mut buffer =
        vec![0; usize::try_from(wanted).map_or(options.chunk_bytes, |n| n.min(options.chunk_bytes))];
    let mut offset = 0;
    while offset < wanted {
        let room = usize::try_from(wanted - offset).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = bytes.read_at(offset, &mut buffer[..room])?;
        if count == 0 {
            return Err(PassError::Shrank { size_bytes, end: offset });
        }
        pass.feed(&buffer[..count]);
        offset += count as u64;
    }
    let found = pass.finish(bytes, sample)?;
    let (sha256, sample) = if sample {
        (None, Some(Sample { analyzed_bytes: wanted, sample_sha256: found.sha256 }))
    } else {
        (Some(found.sha256), None)
    };
    Ok(Analysis {
        place: bounded(place),
        size: size_bytes,
        version,
        sha256,
        sampled: sample.is_some(),
        sample,
        media_type: found.media_type,
        text: found.text,
        detail: found.detail,
    })
}

fn bounded(place: &Place) -> Place {
    match place {
        Place::File { path } => Place::File { path: keep(path.as_bytes(), PLACE_MAX_BYTES) },
        Place::FileOfBytes { path_base64 } => {
            Place::FileOfBytes { path_base64: keep(path_base64.as_bytes(), PLACE_MAX_BYTES) }
        }
        Place::Object { bucket, key } => Place::Object {
            bucket: keep(bucket.as_bytes(), PLACE_MAX_BYTES),
            key: keep(key.as_bytes(), PLACE_MAX_BYTES),
        },
    }
}

/// What a pass found.
struct Found {
    sha256: String,
    media_type: &'static str,
    text: Option<super::report::TextReport>,
    detail: Option<Detail>,
}

/// The pass itself: the head first, then, once it told what this is, the counters.
struct Pass<'a> {
    name: &'a str,
    hasher: Sha256,
    head: Vec<u8>,
    counters: Option<Counters>,
}

impl<'a> Pass<'a> {
    fn new(name: &'a str) -> Self {
        Self { name, hasher: Sha256::new(), head: Vec::new(), counters: None }
    }

    fn feed(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
        if let Some(counters) = &mut self.counters {
            counters.feed(chunk);
            return;
        }
        // The same head whatever the chunks, so that they cannot change what is found.
        let (head, rest) = chunk.split_at(chunk.len().min(HEAD_BYTES - self.head.len()));
        self.head.extend_from_slice(head);
        if self.head.len() == HEAD_BYTES {
            let counters = self.counters.insert(Counters::new(self.name, &self.head, false));
            counters.feed(rest);
        }
    }

    fn finish(self, bytes: &mut impl Ranged, sample: bool) -> Result<Found, ReadError> {
        let counters = self.counters.unwrap_or_else(|| Counters::new(self.name, &self.head, !sample));
        let detected = counters.detected;
        let mut media_type = detected.media_type;
        let (text, counted) = counters.finish(sample);
        let detail = match detected.kind {
            Kind::Image => Some(Detail::Image(image::measure(bytes, &self.head)?)),
            Kind::Parquet => Some(Detail::Parquet(parquet::read_footer(bytes)?)),
            Kind::Zip => {
                let (zip, document_type) = zip::read_directory(bytes)?;
                media_type = document_type.unwrap_or(media_type);
                Some(Detail::Zip(zip))
            }
            _ => counted,
        };
        Ok(Found { sha256: hex(&self.hasher.finalize()), media_type, text, detail })
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
    /// Counters for what `head` announces, fed with it.
    fn new(name: &str, head: &[u8], whole: bool) -> Self {
        let detected = detect(name, head, whole);
        let (utf16, mark) = match detected.charset {
            Charset::Utf16(encoding) => (Some(decoder(encoding)), 2),
            Charset::Bytes { mark } => (None, mark),
            Charset::Binary => (None, 0),
        };
        let mut counters = Self {
            detected,
            encoding: EncodingCheck::new(),
            has_mark: mark > 0,
            utf16,
            text: TextCounter::default(),
            detail: DetailCounter::new(detected.kind),
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

    fn finish(mut self, sample: bool) -> (Option<super::report::TextReport>, Option<Detail>) {
        if let (false, Some(utf16)) = (sample, &mut self.utf16) {
            let cut = utf16.finish();
            self.feed_text(cut.as_bytes());
        }
        let encoding = match self.detected.charset {
            Charset::Binary => Encoding::Binary,
            Charset::Utf16(encoding) => encoding,
            Charset::Bytes { .. } => self.encoding.finish(sample),
        };
        let text = (encoding != Encoding::Binary).then(|| self.text.finish(encoding, self.has_mark));
        (text, self.detail.finish(sample))
    }
}

impl DetailCounter {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Code(language) => Self::Code(CodeCounter::new(language)),
            Kind::Table { delimiter } => Self::Table(Box::new(TableCounter::new(delimiter))),
            Kind::Json => Self::Json(Box::new(JsonCounter::new())),
            Kind::JsonLines => Self::JsonLines(Box::new(JsonLinesCounter::new())),
            Kind::Gzip => Self::Gzip(Box::new(GzipCounter::new())),
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
            Self::Gzip(counter) => Some(Detail::Gzip(counter.finish(sample))),
        }
    }
}

fn hex(digest: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
