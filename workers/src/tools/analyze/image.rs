//! The size of a picture, by its head, and whether it is whole, by its end.

use super::bytes::{Ranged, ReadError};
use super::limits::{IMAGE_HEAD_BYTES, IMAGE_TAIL_BYTES};
use super::report::Image;

/// The picture in `bytes`. `head` are the first of them; the end of a `sample` is not that of the picture.
pub(super) fn measure(
    bytes: &mut impl Ranged,
    head: &[u8],
    media_type: &'static str,
    sample: bool,
) -> Result<Image, ReadError> {
    // Nearly always the head that was read anyway tells it.
    let size = match imagesize::blob_size(head) {
        Ok(size) => Some(size),
        Err(_) => imagesize::blob_size(&bytes.read_vec(0, IMAGE_HEAD_BYTES)?).ok(),
    };
    let format = media_type.rsplit_once('/').map_or(media_type, |(_, format)| format);
    Ok(Image {
        format,
        width: size.map(|size| size.width as u64),
        height: size.map(|size| size.height as u64),
        truncated: if sample { None } else { is_truncated(bytes, head, format)? },
        error: size.is_none().then_some("the head of the file does not tell the size"),
    })
}

/// Whether the end is missing, where a format has one that can be looked for. Programs append things to pictures, so the
/// end need not be that of the file.
fn is_truncated(bytes: &mut impl Ranged, head: &[u8], format: &str) -> Result<Option<bool>, ReadError> {
    let size_bytes = bytes.size_bytes();
    let claimed = |at: usize, more: u64| {
        let field = head.get(at..).and_then(|field| field.first_chunk())?;
        Some(u64::from(u32::from_le_bytes(*field)) + more > size_bytes)
    };
    let mark: &[u8] = match format {
        "png" => b"IEND\xae\x42\x60\x82",
        "jpeg" => b"\xff\xd9",
        "gif" => b"\0;",
        "webp" => return Ok(claimed(4, 8).or(Some(true))),
        "bmp" => return Ok(claimed(2, 0).or(Some(true))),
        _ => return Ok(None),
    };
    let tail = bytes.read_vec(size_bytes.saturating_sub(IMAGE_TAIL_BYTES as u64), IMAGE_TAIL_BYTES)?;
    Ok(Some(memchr::memmem::rfind(&tail, mark).is_none()))
}
