//! Names that promise another format than the content has.

/// Whether a file of this media type is a surprise under this extension, which is in lower case; `is_text` says that
/// nothing marks the content as anything but text. Extensions that promise nothing, or a kind of text that only a reader
/// of it could tell, surprise nobody.
pub(super) fn mismatches(extension: &str, media_type: &str, is_text: bool) -> bool {
    if let Some((_, promised)) = MARKED.iter().find(|(extensions, _)| extensions.contains(&extension)) {
        return !promised.contains(&media_type);
    }
    if DATA.contains(&extension) && MARKUP.contains(&media_type) {
        return true;
    }
    TEXTUAL.contains(&extension) && !is_text
}

/// Extensions of JSON documents.
pub(super) const JSON: [&str; 5] = ["json", "geojson", "ipynb", "webmanifest", "har"];
/// Extensions of data in text, which is no markup.
pub(super) const DATA: [&str; 10] =
    ["json", "geojson", "ipynb", "webmanifest", "har", "jsonl", "ndjson", "csv", "tsv", "tab"];
const MARKUP: [&str; 3] = ["text/html", "application/xml", "image/svg+xml"];

/// Formats that announce themselves, by extension.
#[rustfmt::skip]
const MARKED: &[(&[&str], &[&str])] = &[
    (&["png", "apng"], &["image/png"]),
    (&["jpg", "jpeg"], &["image/jpeg"]),
    (&["gif"], &["image/gif"]),
    (&["webp"], &["image/webp"]),
    (&["tif", "tiff"], &["image/tiff"]),
    (&["bmp"], &["image/bmp"]),
    (&["avif"], &["image/avif"]),
    (&["heic"], &["image/heic"]),
    (&["pdf"], &["application/pdf"]),
    (&["gz", "tgz"], &["application/gzip"]),
    (&["zip", "jar", "war", "apk", "whl", "epub", "docx", "xlsx", "pptx", "odt", "ods", "odp"], &["application/zip"]),
    (&["bz2"], &["application/x-bzip2"]),
    (&["xz"], &["application/x-xz"]),
    (&["zst"], &["application/zstd"]),
    (&["7z"], &["application/x-7z-compressed"]),
    (&["parquet"], &["application/vnd.apache.parquet"]),
    (&["avro"], &["application/vnd.apache.avro"]),
    (&["sqlite", "sqlite3"], &["application/vnd.sqlite3"]),
    (&["wasm"], &["application/wasm"]),
    (&["class"], &["application/java-vm"]),
];

/// Extensions of text, of whatever kind.
#[rustfmt::skip]
const TEXTUAL: &[&str] = &[
    "txt", "csv", "tsv", "tab", "json", "jsonl", "ndjson", "geojson", "md", "rst", "html", "htm", "xml", "svg", "yaml",
    "yml", "toml", "ini", "log", "rs", "py", "js", "java", "c", "h", "cpp", "go", "rb", "sh", "sql", "css",
];
