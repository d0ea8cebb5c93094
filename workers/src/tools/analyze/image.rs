//! The size of a picture, by its head.

use super::bytes::{Ranged, ReadError};
use super::limits::IMAGE_HEAD_BYTES;
use super::report::Image;

/// The size of the picture in `bytes`.
pub(super) fn measure(bytes: &mut impl Ranged, head_is_enough: &[u8]) -> Result<Image, ReadError> {
    // Nearly always the head that was read anyway tells it.
    if let Some(size) = size_in(head_is_enough) {
        return Ok(size);
    }
    let head = bytes.read_vec(0, IMAGE_HEAD_BYTES)?;
    Ok(size_in(&head).unwrap_or(Image::Unreadable { error: "the head of the file does not tell the size" }))
}

fn size_in(head: &[u8]) -> Option<Image> {
    let size = imagesize::blob_size(head).ok()?;
    Some(Image::Size { width: size.width as u64, height: size.height as u64 })
}
