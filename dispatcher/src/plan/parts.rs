//! JSON Lines in blobs, one part after another, of which memory holds one.
//!
//! The cursor is the part's place, and within it the offset of the next line and its number in all parts.

use std::sync::Arc;

use gantz_core::limits::BATCH_PART_MAX_BYTES;
use gantz_core::ports::{BlobError, BlobStore, PortError};

use super::lines::Lines;
use super::page::{Page, SourceError, blocking};

pub(super) struct Parts {
    blobs: Arc<dyn BlobStore>,
    references: Vec<String>,
    part: usize,
    lines: Box<Lines>,
}

impl Parts {
    pub(super) async fn open(
        blobs: Arc<dyn BlobStore>,
        references: Vec<String>,
        cursor: Option<&str>,
    ) -> Result<Self, SourceError> {
        let (part, within) = match cursor {
            None => (0, None),
            Some(text) => {
                let (part, within) = parse_cursor(text)
                    .ok_or_else(|| SourceError::Final(format!("`{text}` is no cursor of JSON Lines")))?;
                (part, Some(within))
            }
        };
        let bytes = read(&blobs, &references, part).await?;
        let lines = Lines::of_bytes(bytes, within).map_err(SourceError::Final)?;
        Ok(Self { blobs, references, part, lines: Box::new(lines) })
    }

    /// The next page, which goes on in the next part where one ends.
    pub(super) async fn next_page(mut self, size: usize) -> Result<(Self, Page), PortError> {
        let mut items = Vec::with_capacity(size);
        loop {
            let (mut lines, left) = (self.lines, size - items.len());
            let page;
            (self.lines, page) = blocking(move || {
                let page = lines.next_page(left);
                (lines, page)
            })
            .await?;
            let page = page?;
            items.extend(page.items);
            let mut end = page.end;
            if matches!(end, Some(Ok(()))) && self.part + 1 < self.references.len() {
                match read(&self.blobs, &self.references, self.part + 1).await {
                    Ok(bytes) => {
                        self.part += 1;
                        self.lines.go_on_in(bytes);
                        end = None;
                    }
                    Err(SourceError::Final(error)) => end = Some(Err(error)),
                    Err(SourceError::Port(error)) => return Err(error),
                }
            }
            if end.is_some() || items.len() == size {
                let cursor = format!("{} {}", self.part, self.lines.cursor());
                return Ok((self, Page { items, cursor, end, left_out: 0 }));
            }
        }
    }
}

async fn read(
    blobs: &Arc<dyn BlobStore>,
    references: &[String],
    part: usize,
) -> Result<Vec<u8>, SourceError> {
    let reference =
        references.get(part).ok_or_else(|| SourceError::Final(format!("the source has no part {part}")))?;
    match blobs.get(reference, BATCH_PART_MAX_BYTES).await {
        Ok(bytes) => Ok(bytes),
        Err(BlobError::Port(error)) => Err(SourceError::Port(error)),
        Err(error) => Err(SourceError::Final(error.to_string())),
    }
}

/// A part's place and the cursor within it. Sources of a single blob were written without a place once.
fn parse_cursor(text: &str) -> Option<(usize, &str)> {
    match text.matches(' ').count() {
        1 => Some((0, text)),
        _ => {
            let (part, within) = text.split_once(' ')?;
            Some((part.parse().ok()?, within))
        }
    }
}
