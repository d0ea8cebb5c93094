//! One pass over the bytes: hash, text, and what the kind of content asks for.

use sha2::{Digest, Sha256};

use super::archive::zip;
use super::bytes::{Ranged, ReadError};
use super::content::{ContentCounter, Found};
use super::detect::Kind;
use super::image;
use super::keep::keep;
use super::limits::PLACE_MAX_BYTES;
use super::parquet;
use super::report::{Analysis, Detail, Sample};
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
    let mut pass = Pass { hasher: Sha256::new(), content: ContentCounter::of_file(place.name()) };
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
    let (hash, found) = pass.finish(bytes, sample)?;
    let (sha256, sample) = if sample {
        (None, Some(Sample { analyzed_bytes: wanted, sample_sha256: hash }))
    } else {
        (Some(hash), None)
    };
    Ok(Analysis {
        place: bounded(place),
        size: size_bytes,
        version,
        sha256,
        sampled: sample.is_some(),
        sample,
        extension_mismatch: found.detected.extension_mismatch,
        content: found.content,
    })
}

fn bounded(place: &Place) -> Place {
    match place {
        Place::File { path } => Place::File { path: keep(path.as_bytes(), PLACE_MAX_BYTES) },
        Place::FileOfBytes { path_base64 } => {
            Place::FileOfBytes { path_base64: keep(path_base64.as_bytes(), PLACE_MAX_BYTES) }
        }
        Place::Object { bucket, key, version, etag } => Place::Object {
            bucket: keep(bucket.as_bytes(), PLACE_MAX_BYTES),
            key: keep(key.as_bytes(), PLACE_MAX_BYTES),
            version: version.clone(),
            etag: etag.clone(),
        },
    }
}

/// What bytes come to that have been passed through once.
struct Pass {
    hasher: Sha256,
    content: ContentCounter,
}

impl Pass {
    fn feed(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.content.feed(bytes);
    }

    /// The hash and the content, with what formats keep at fixed places.
    fn finish(self, bytes: &mut impl Ranged, sample: bool) -> Result<(String, Found), ReadError> {
        let mut found = self.content.finish(sample);
        let content = &mut found.content;
        match found.detected.kind {
            Kind::Image => {
                let image = image::measure(bytes, &found.head, content.media_type, sample)?;
                content.detail = Some(Detail::Image(image));
            }
            Kind::Parquet => content.detail = Some(Detail::Parquet(parquet::read_footer(bytes)?)),
            Kind::Zip => {
                let (zip, document_type) = zip::read_directory(bytes)?;
                content.media_type = document_type.unwrap_or(content.media_type);
                content.detail = Some(Detail::Archive(Box::new(zip)));
            }
            _ => {}
        }
        Ok((hex(&self.hasher.finalize()), found))
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
