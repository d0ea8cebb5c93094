//! What kind of content a head announces, and so which counters read the file.

use super::code::languages::{self, Language};
use super::extension;
use super::json;
use super::magic;
use super::report::Encoding;
use super::table;
use super::text::EncodingCheck;
use super::utf16;

/// What a head announces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Detected {
    pub(super) media_type: &'static str,
    pub(super) kind: Kind,
    pub(super) charset: Charset,
    /// Whether the name's extension is that of another format.
    pub(super) extension_mismatch: bool,
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
    /// UTF-16, after a mark of this length.
    Utf16 {
        encoding: Encoding,
        mark: usize,
    },
}

/// Looks at the first bytes of a file called `name`; `whole` says that there are no others.
pub(super) fn detect(name: &str, head: &[u8], whole: bool) -> Detected {
    let charset = charset(head);
    let is_text = charset != Charset::Binary;
    let name = name.to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if head.is_empty() {
        // Nothing is no JSON document, and says so.
        let kind = if extension::JSON.contains(&extension) { Kind::Json } else { Kind::Plain };
        return Detected { media_type: "inode/x-empty", kind, charset, extension_mismatch: false };
    }
    let by_mark = magic::media_type(head, is_text);
    let (media_type, kind) = match (by_mark, charset) {
        (Some(media_type), _) => (media_type, binary_kind(media_type)),
        (None, Charset::Binary) => ("application/octet-stream", Kind::Plain),
        (None, Charset::Bytes { mark }) => text_kind(&name, extension, &head[mark..], whole),
        (None, Charset::Utf16 { encoding, mark }) => {
            let text = decoder(encoding).decode(&head[mark..]);
            text_kind(&name, extension, text.as_bytes(), whole)
        }
    };
    let extension_mismatch = extension::mismatches(extension, media_type, is_text && by_mark.is_none());
    Detected { media_type, kind, charset, extension_mismatch }
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
        [0xff, 0xfe, ..] => Charset::Utf16 { encoding: Encoding::Utf16Le, mark: 2 },
        [0xfe, 0xff, ..] => Charset::Utf16 { encoding: Encoding::Utf16Be, mark: 2 },
        _ => {
            let mut check = EncodingCheck::new();
            check.feed(head);
            let mark = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            if check.is_text() {
                Charset::Bytes { mark }
            } else {
                let unmarked = utf16::unmarked(head);
                unmarked.map_or(Charset::Binary, |encoding| Charset::Utf16 { encoding, mark: 0 })
            }
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

/// Kinds of text: by the name, in lower case, where it tells, else by the content.
fn text_kind(name: &str, extension: &str, head: &[u8], whole: bool) -> (&'static str, Kind) {
    // What is saved instead of data when a server answers with an error.
    if extension::DATA.contains(&extension)
        && let Some(markup) = markup(head)
    {
        return (markup, Kind::Plain);
    }
    match extension {
        "csv" => return ("text/csv", Kind::Table { delimiter: table::sniff(head, whole, b',') }),
        "tsv" | "tab" => {
            return (
                "text/tab-separated-values",
                Kind::Table { delimiter: table::sniff(head, whole, b'\t') },
            );
        }
        "jsonl" | "ndjson" => return ("application/x-ndjson", Kind::JsonLines),
        _ if extension::JSON.contains(&extension) && json::looks_like_lines(head) => {
            return ("application/x-ndjson", Kind::JsonLines);
        }
        _ if extension::JSON.contains(&extension) => return ("application/json", Kind::Json),
        _ => {}
    }
    if let Some(language) = languages::by_name(name, extension).or_else(|| languages::by_shebang(head)) {
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

/// The kind of markup that a text begins as.
fn markup(head: &[u8]) -> Option<&'static str> {
    let start = head.trim_ascii_start();
    let begins =
        |mark: &str| start.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()));
    if begins("<?xml") || begins("<svg") {
        let svg = memchr::memmem::find(head, b"<svg").is_some();
        return Some(if svg { "image/svg+xml" } else { "application/xml" });
    }
    (begins("<!doctype html") || begins("<html")).then_some("text/html")
}

fn sniff_text(head: &[u8], whole: bool) -> (&'static str, Kind) {
    if let Some(markup) = markup(head) {
        return (markup, Kind::Plain);
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
