//! Zip, by the directory at its end (PKWARE's APPNOTE 6.3, sections 4.3.12 to 4.3.16). Nothing is unpacked.

use super::super::bytes::{Ranged, ReadError};
use super::super::keep::{keep, keep_exact};
use super::super::limits::{CHUNK_BYTES, DIRECTORY_MAX_BYTES, ENTRIES_MAX, NAME_MAX_BYTES};
use super::super::report::{Archive, ArchiveEntry};
use super::{is_bomb, ratio};

const END_BYTES: usize = 22;
const END64_LOCATOR_BYTES: usize = 20;
const END64_BYTES: usize = 56;
/// The end record and the longest comment that may follow it.
const TAIL_BYTES: usize = END_BYTES + 0xffff;
const ENTRY_BYTES: usize = 46;

/// What the directory says, and the media type if the archive is a document of a known kind.
pub(in super::super) fn read_directory(
    bytes: &mut impl Ranged,
) -> Result<(Archive, Option<&'static str>), ReadError> {
    let mut summary = Summary::default();
    let mut error = None;
    let directory = find_directory(bytes)?;
    if let Some(directory) = &directory {
        error = summary.read(bytes, directory)?;
    }
    // Bombs let their entries overlap: the sum is then more than the file has.
    let overlapping = summary.packed_bytes > bytes.size_bytes();
    if overlapping {
        error = error.or(Some("the entries claim more bytes than the file has"));
    }
    let Summary { entries, packed_bytes, unpacked_bytes, unsafe_names, listing, media_type } = summary;
    let bomb = is_bomb(unpacked_bytes, packed_bytes.min(bytes.size_bytes()))
        || (overlapping && unpacked_bytes > bytes.size_bytes());
    let zip = Archive {
        format: "zip",
        entries: Some(entries),
        uncompressed_size: unpacked_bytes,
        ratio: ratio(unpacked_bytes, packed_bytes),
        bomb,
        truncated: Some(directory.is_none()),
        damaged: error.is_some(),
        trailing_bytes: directory.as_ref().map_or(0, |directory| directory.trailing_bytes),
        unsafe_names: Some(unsafe_names),
        error: if directory.is_some() {
            error
        } else {
            Some("no directory at the end, the file may be cut short")
        },
        listing,
        ..Archive::default()
    };
    Ok((zip, media_type))
}

/// Where the directory is and what the end record promises.
#[derive(Debug)]
struct Directory {
    entries: u64,
    bytes: u64,
    offset: u64,
    /// Bytes behind the end record and its comment.
    trailing_bytes: u64,
}

fn find_directory(bytes: &mut impl Ranged) -> Result<Option<Directory>, ReadError> {
    let tail_start = bytes.size_bytes().saturating_sub(TAIL_BYTES as u64);
    let tail = bytes.read_vec(tail_start, TAIL_BYTES)?;
    let ends = memchr::memmem::rfind_iter(&tail, b"PK\x05\x06");
    // The comment may contain the mark itself: the right one's comment reaches to the end.
    let end = ends
        .filter_map(|at| Some((at, tail.get(at..at + END_BYTES)?)))
        .find(|(at, end)| at + END_BYTES + usize::from(u16_at(end, 20)) <= tail.len());
    let Some((at, end)) = end else {
        return Ok(None);
    };
    let trailing_bytes = (tail.len() - at - END_BYTES - usize::from(u16_at(end, 20))) as u64;
    let directory = Directory {
        trailing_bytes,
        entries: u64::from(u16_at(end, 10)),
        bytes: u64::from(u32_at(end, 12)),
        offset: u64::from(u32_at(end, 16)),
    };
    let large = directory.entries == 0xffff
        || directory.bytes == u64::from(u32::MAX)
        || directory.offset == u64::from(u32::MAX);
    let directory64 = if large { find_directory64(bytes, tail_start + at as u64)? } else { None };
    Ok(Some(match directory64 {
        Some(directory64) => Directory { trailing_bytes, ..directory64 },
        None => behind_prefix(&directory, tail_start + at as u64),
    }))
}

/// Self-extracting archives have a program in front: then the offsets are too small by its length.
fn behind_prefix(directory: &Directory, end_at: u64) -> Directory {
    let offset = end_at.checked_sub(directory.bytes).unwrap_or(directory.offset);
    Directory { offset, ..*directory }
}

/// The end record of large archives, to which a locator in front of the ordinary one points.
fn find_directory64(bytes: &mut impl Ranged, end_at: u64) -> Result<Option<Directory>, ReadError> {
    let Some(locator_at) = end_at.checked_sub(END64_LOCATOR_BYTES as u64) else {
        return Ok(None);
    };
    let locator = bytes.read_vec(locator_at, END64_LOCATOR_BYTES)?;
    if locator.len() < END64_LOCATOR_BYTES || !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    let end = bytes.read_vec(u64_at(&locator, 8), END64_BYTES)?;
    if end.len() < END64_BYTES || !end.starts_with(b"PK\x06\x06") {
        return Ok(None);
    }
    let [entries, bytes, offset] = [32, 40, 48].map(|at| u64_at(&end, at));
    Ok(Some(Directory { entries, bytes, offset, trailing_bytes: 0 }))
}

#[derive(Debug, Default)]
struct Summary {
    entries: u64,
    packed_bytes: u64,
    unpacked_bytes: u64,
    unsafe_names: u64,
    listing: Vec<ArchiveEntry>,
    media_type: Option<&'static str>,
}

impl Summary {
    /// Reads the entries piece by piece, and returns why it stopped if that was too early.
    fn read(
        &mut self,
        bytes: &mut impl Ranged,
        directory: &Directory,
    ) -> Result<Option<&'static str>, ReadError> {
        let mut offset = directory.offset;
        let end = directory.offset.saturating_add(directory.bytes.min(DIRECTORY_MAX_BYTES));
        let mut piece = Vec::new();
        let mut at = 0;
        while self.entries < directory.entries {
            // The piece may end within this entry. The next one holds it whole, however long its name is.
            if Entry::parse(&piece[at..]).is_none() {
                offset += at as u64;
                let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
                piece = bytes.read_vec(offset, left.min(2 * CHUNK_BYTES))?;
                at = 0;
            }
            let Some((entry, length)) = Entry::parse(&piece[at..]) else {
                return Ok(Some(if directory.bytes > DIRECTORY_MAX_BYTES {
                    "the directory is too large to be read whole"
                } else {
                    "the directory has fewer entries than it promises"
                }));
            };
            self.add(&entry);
            at += length;
        }
        Ok(None)
    }

    fn add(&mut self, entry: &Entry<'_>) {
        self.entries += 1;
        self.unpacked_bytes = self.unpacked_bytes.saturating_add(entry.unpacked_bytes);
        self.packed_bytes = self.packed_bytes.saturating_add(entry.packed_bytes);
        self.unsafe_names += u64::from(leads_out(entry.name));
        if self.listing.len() < ENTRIES_MAX {
            // Without the flag the encoding is anybody's guess.
            let name = match entry.is_utf8 || entry.name.is_ascii() {
                true => keep(entry.name, NAME_MAX_BYTES),
                false => keep_exact(entry.name, NAME_MAX_BYTES),
            };
            self.listing.push(ArchiveEntry { name, size: entry.unpacked_bytes, encrypted: entry.encrypted });
        }
        self.media_type = self.media_type.or_else(|| document_type(entry.name));
    }
}

/// Whether a name leads out of the folder that it would be unpacked to, on any system.
fn leads_out(name: &[u8]) -> bool {
    let is_separator = |byte: &u8| matches!(byte, b'/' | b'\\');
    name.first().is_some_and(is_separator)
        || matches!(name, [drive, b':', ..] if drive.is_ascii_alphabetic())
        || name.split(is_separator).any(|part| part == b"..")
        || name.contains(&0)
}

/// One entry of the directory.
#[derive(Debug)]
struct Entry<'a> {
    name: &'a [u8],
    packed_bytes: u64,
    unpacked_bytes: u64,
    encrypted: bool,
    is_utf8: bool,
}

impl<'a> Entry<'a> {
    /// The entry at the start of `bytes`, and its length.
    fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let head = bytes.get(..ENTRY_BYTES)?;
        if !head.starts_with(b"PK\x01\x02") {
            return None;
        }
        let [name_bytes, extra_bytes, comment_bytes] = [28, 30, 32].map(|at| usize::from(u16_at(head, at)));
        let extra_at = ENTRY_BYTES + name_bytes;
        let length = extra_at + extra_bytes + comment_bytes;
        let all = bytes.get(..length)?;
        let mut entry = Self {
            name: &all[ENTRY_BYTES..extra_at],
            packed_bytes: u64::from(u32_at(head, 20)),
            unpacked_bytes: u64::from(u32_at(head, 24)),
            encrypted: u16_at(head, 8) & 1 != 0,
            is_utf8: u16_at(head, 8) & 0x800 != 0,
        };
        entry.widen(&all[extra_at..extra_at + extra_bytes]);
        Some((entry, length))
    }

    /// Sizes beyond 32 bits stand in an extra field, in this order, each only if it is needed.
    fn widen(&mut self, mut extra: &[u8]) {
        while let Some((head, rest)) = extra.split_at_checked(4) {
            let Some((field, next)) = rest.split_at_checked(usize::from(u16_at(head, 2))) else {
                return;
            };
            if u16_at(head, 0) == 1 {
                let mut sizes = field.as_chunks::<8>().0.iter().map(|&size| u64::from_le_bytes(size));
                for size in [&mut self.unpacked_bytes, &mut self.packed_bytes] {
                    if *size == u64::from(u32::MAX) {
                        *size = sizes.next().unwrap_or(*size);
                    }
                }
                return;
            }
            extra = next;
        }
    }
}

/// The media type of documents that are zip archives, by an entry that only they have.
fn document_type(entry: &[u8]) -> Option<&'static str> {
    match entry {
        b"word/document.xml" => {
            Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document")
        }
        b"xl/workbook.xml" => Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        b"ppt/presentation.xml" => {
            Some("application/vnd.openxmlformats-officedocument.presentationml.presentation")
        }
        b"META-INF/MANIFEST.MF" => Some("application/java-archive"),
        b"AndroidManifest.xml" => Some("application/vnd.android.package-archive"),
        b"META-INF/container.xml" => Some("application/epub+zip"),
        b"META-INF/manifest.xml" => Some("application/vnd.oasis.opendocument"),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
