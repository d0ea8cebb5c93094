//! What kind of content a head announces, and so which counters read the file.

use super::code::languages::{self, Language};
use super::json;
use super::magic;
use super::report::Encoding;
use super::table;
use super::text::EncodingCheck;

/// What a head announces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Detected {
    pub(super) media_type: &'static str,
    pub(super) kind: Kind,
    pub(super) charset: Charset,
}

/// Which counters read the content.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Plain,
    Code(&'static Language),
    Table { delimiter: u8 },
    Json,
    JsonLines,
    Parquet,
    Image,
    Gzip,
    Zip,
}

/// How the content becomes text, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Binary,
    /// UTF-8 or a single-byte encoding: the bytes are counted as they are, after a mark of this length.
    Bytes {
        mark: usize,
    },
    /// UTF-16 after its mark of two bytes.
    Utf16(Encoding),
}

/// Looks at the first bytes of a file called `name`; `whole` says that there are no others.
pub(super) fn detect(name: &str, head: &[u8], whole: bool) -> Detected {
    let charset = charset(head);
    let is_text = charset != Charset::Binary;
    if head.is_empty() {
        return Detected { media_type: "inode/x-empty", kind: Kind::Plain, charset };
    }
    if let Some(media_type) = magic::media_type(head, is_text) {
        return Detected { media_type, kind: binary_kind(media_type), charset };
    }
    let (media_type, kind) = match charset {
        Charset::Binary => ("application/octet-stream", Kind::Plain),
        Charset::Bytes { mark } => text_kind(name, &head[mark..], whole),
        Charset::Utf16(encoding) => text_kind(name, decoder(encoding).decode(&head[2..]).as_bytes(), whole),
    };
    Detected { media_type, kind, charset }
}

/// The decoder of UTF-16 in the order that `encoding` says.
pub(super) fn decoder(encoding: Encoding) -> super::utf16::Utf16 {
    match encoding {
        Encoding::Utf16Be => super::utf16::Utf16::big_endian(),
        _ => super::utf16::Utf16::little_endian(),
    }
}

fn charset(head: &[u8]) -> Charset {
    match head {
        [0xff, 0xfe, 0, 0, ..] => Charset::Binary,
        [0xff, 0xfe, ..] => Charset::Utf16(Encoding::Utf16Le),
        [0xfe, 0xff, ..] => Charset::Utf16(Encoding::Utf16Be),
        _ => {
            let mut check = EncodingCheck::new();
            check.feed(head);
            let mark = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            if check.is_text() { Charset::Bytes { mark } } else { Charset::Binary }
        }
    }
}

fn binary_kind(media_type: &str) -> Kind {
    match media_type {
        "application/gzip" => Kind::Gzip,
        "application/zip" => Kind::Zip,
        "application/vnd.apache.parquet" => Kind::Parquet,
        _ if media_type.starts_with("image/") => Kind::Image,
        _ => Kind::Plain,
    }
}

/// Kinds of text: by the name where it tells, else by the content.
fn text_kind(name: &str, head: &[u8], whole: bool) -> (&'static str, Kind) {
    let name = name.to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "csv" => return ("text/csv", Kind::Table { delimiter: table::sniff(head, whole, b',') }),
        "tsv" | "tab" => {
            return (
                "text/tab-separated-values",
                Kind::Table { delimiter: table::sniff(head, whole, b'\t') },
            );
        }
        "jsonl" | "ndjson" => return ("application/x-ndjson", Kind::JsonLines),
        "json" | "geojson" | "ipynb" | "webmanifest" | "har" if json::looks_like_lines(head) => {
            return ("application/x-ndjson", Kind::JsonLines);
        }
        "json" | "geojson" | "ipynb" | "webmanifest" | "har" => return ("application/json", Kind::Json),
        _ => {}
    }
    if let Some(language) = languages::by_name(&name, extension).or_else(|| languages::by_shebang(head)) {
        return (language.media_type, Kind::Code(language));
    }
    match PROSE.iter().find(|(extensions, _)| extensions.contains(&extension)) {
        Some(&(_, media_type)) => (media_type, Kind::Plain),
        None => sniff_text(head, whole),
    }
}

/// Texts that are neither code nor data.
const PROSE: &[(&[&str], &str)] = &[
    (&["md", "markdown"], "text/markdown"),
    (&["rst"], "text/x-rst"),
    (&["tex"], "text/x-tex"),
    (&["svg"], "image/svg+xml"),
    (&["diff", "patch"], "text/x-diff"),
    (&["eml"], "message/rfc822"),
    (&["ics"], "text/calendar"),
    (&["vcf"], "text/vcard"),
    (&["pem", "crt"], "application/x-pem-file"),
];

fn sniff_text(head: &[u8], whole: bool) -> (&'static str, Kind) {
    let start = head.trim_ascii_start();
    let begins =
        |mark: &str| start.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()));
    if begins("<?xml") || begins("<svg") {
        let svg = memchr::memmem::find(head, b"<svg").is_some();
        return (if svg { "image/svg+xml" } else { "application/xml" }, Kind::Plain);
    }
    if begins("<!doctype html") || begins("<html") {
        return ("text/html", Kind::Plain);
    }
    if json::looks_like_lines(head) {
        return ("application/x-ndjson", Kind::JsonLines);
    }
    if json::looks_like_document(head, whole) {
        return ("application/json", Kind::Json);
    }
    match table::sniff_certain(head, whole) {
        Some(b'\t') => ("text/tab-separated-values", Kind::Table { delimiter: b'\t' }),
        Some(delimiter) => ("text/csv", Kind::Table { delimiter }),
        None => ("text/plain", Kind::Plain),
    }
}
