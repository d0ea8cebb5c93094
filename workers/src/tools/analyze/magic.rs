//! Media types by the bytes that formats begin with.

/// The media type of a format that announces itself, or `None`: text, most likely.
///
/// `is_text` says whether the whole head looks like text: then marks that are ordinary letters prove nothing.
pub(super) fn media_type(head: &[u8], is_text: bool) -> Option<&'static str> {
    MAGIC
        .iter()
        .filter(|magic| magic.certain || !is_text)
        .find(|magic| head.get(magic.offset..).is_some_and(|at| at.starts_with(magic.bytes)))
        .map(|magic| magic.media_type)
        .or_else(|| riff_type(head))
        .or_else(|| box_type(head))
        .or_else(|| is_bmp(head).then_some("image/bmp"))
}

struct Magic {
    offset: usize,
    bytes: &'static [u8],
    media_type: &'static str,
    /// Whether the mark alone is proof. One of a few letters could also begin a text.
    certain: bool,
}

const fn magic(bytes: &'static [u8], media_type: &'static str) -> Magic {
    Magic { offset: 0, bytes, media_type, certain: true }
}

const fn letters(bytes: &'static [u8], media_type: &'static str) -> Magic {
    Magic { offset: 0, bytes, media_type, certain: false }
}

#[rustfmt::skip]
const MAGIC: &[Magic] = &[
    magic(b"\x89PNG\r\n\x1a\n", "image/png"),
    magic(b"\xff\xd8\xff", "image/jpeg"),
    magic(b"GIF87a", "image/gif"),
    magic(b"GIF89a", "image/gif"),
    magic(b"II*\0", "image/tiff"),
    magic(b"MM\0*", "image/tiff"),
    magic(b"\0\0\x01\0", "image/vnd.microsoft.icon"),
    letters(b"8BPS", "image/vnd.adobe.photoshop"),
    magic(b"\xff\x0a", "image/jxl"),
    magic(b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    magic(b"%PDF-", "application/pdf"),
    magic(b"%!PS", "application/postscript"),
    magic(b"{\\rtf", "application/rtf"),
    magic(b"PK\x03\x04", "application/zip"),
    magic(b"PK\x05\x06", "application/zip"),
    magic(b"\x1f\x8b", "application/gzip"),
    letters(b"BZh", "application/x-bzip2"),
    magic(b"\xfd7zXZ\0", "application/x-xz"),
    magic(b"\x28\xb5\x2f\xfd", "application/zstd"),
    magic(b"\x04\x22\x4d\x18", "application/x-lz4"),
    magic(b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    magic(b"Rar!\x1a\x07", "application/vnd.rar"),
    Magic { offset: 257, bytes: b"ustar", media_type: "application/x-tar", certain: false },
    magic(b"!<arch>\n", "application/x-archive"),
    letters(b"PAR1", "application/vnd.apache.parquet"),
    letters(b"ARROW1\0\0", "application/vnd.apache.arrow.file"),
    letters(b"FEA1", "application/x-feather"),
    letters(b"ORC", "application/x-orc"),
    magic(b"Obj\x01", "application/vnd.apache.avro"),
    magic(b"SQLite format 3\0", "application/vnd.sqlite3"),
    magic(b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    magic(b"\x93NUMPY", "application/x-numpy"),
    letters(b"GGUF", "application/x-gguf"),
    magic(b"\x7fELF", "application/x-executable"),
    magic(b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    magic(b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    magic(b"\0asm", "application/wasm"),
    magic(b"\xca\xfe\xba\xbe", "application/java-vm"),
    letters(b"MZ", "application/vnd.microsoft.portable-executable"),
    letters(b"PACK\0\0", "application/x-git-pack"),
    magic(b"OggS\0", "audio/ogg"),
    letters(b"fLaC", "audio/flac"),
    letters(b"ID3", "audio/mpeg"),
    magic(b"\xff\xfb", "audio/mpeg"),
    letters(b"MThd\0", "audio/midi"),
    magic(b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    letters(b"wOFF", "font/woff"),
    letters(b"wOF2", "font/woff2"),
    letters(b"OTTO\0", "font/otf"),
    magic(b"\0\x01\0\0\0", "font/ttf"),
    Magic { offset: 128, bytes: b"DICM", media_type: "application/dicom", certain: false },
];

/// RIFF files name their content after the length.
fn riff_type(head: &[u8]) -> Option<&'static str> {
    match (head.get(..4)?, head.get(8..12)?) {
        (b"RIFF", b"WEBP") => Some("image/webp"),
        (b"RIFF", b"WAVE") => Some("audio/wav"),
        (b"RIFF", b"AVI ") => Some("video/x-msvideo"),
        _ => None,
    }
}

/// Files made of ISO boxes name their brand in the first.
fn box_type(head: &[u8]) -> Option<&'static str> {
    if head.get(4..8)? != b"ftyp" {
        return None;
    }
    Some(match head.get(8..12)? {
        b"avif" | b"avis" => "image/avif",
        b"heic" | b"heix" | b"hevc" | b"mif1" => "image/heic",
        b"M4A " => "audio/mp4",
        b"qt  " => "video/quicktime",
        _ => "video/mp4",
    })
}

/// Two letters are no proof: the length of the second header must also be one that exists.
fn is_bmp(head: &[u8]) -> bool {
    head.starts_with(b"BM") && matches!(head.get(14..18), Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}
