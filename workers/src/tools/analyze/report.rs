//! What an analysis says. The field names are the tool's output and stay.

use serde::Serialize;

use gantz_core::ports::Place;

/// The report about one file or object. Absent fields do not apply or are not known. Its JSON is below half a
/// megabyte whatever the file, and a few hundred bytes for ordinary ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// `path`, or `bucket` and `key`.
    #[serde(flatten)]
    pub place: Place,
    /// Size in bytes.
    pub size: u64,
    /// The source's own mark of this content: of an object, its version where the bucket keeps them, else its ETag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// SHA-256 of all bytes, in hexadecimal. Absent if `sample` is present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether only the start was analysed.
    pub sampled: bool,
    /// Present if only the start was analysed: everything but `size` then speaks of that start, except for what
    /// formats keep at their end (a zip's directory, a Parquet footer).
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    pub sample: Option<Sample>,
    /// Whether the name's extension is that of another format. Said only if it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub extension_mismatch: bool,
    /// What it is.
    #[serde(flatten)]
    pub content: Content,
}

/// Of an analysis of the first bytes only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Bytes analysed, from the start.
    pub analyzed_bytes: u64,
    /// SHA-256 of the bytes analysed.
    pub sample_sha256: String,
}

/// How characters are written: shown as the label of the WHATWG's Encoding Standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Encoding {
    /// Only bytes below 128, which is UTF-8, too. Also that of an empty file.
    #[serde(rename = "utf-8")]
    Ascii,
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// UTF-16, little end first, by its byte order mark or its many zeros.
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// UTF-16, big end first, by the same.
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// One byte for each character, probably Latin-1 or Windows-1252.
    #[serde(rename = "windows-1252")]
    Latin1,
    /// Text at its start, with bytes later that fit none of the above.
    #[serde(skip)]
    Unknown8Bit,
    /// No text.
    #[serde(skip)]
    Binary,
}

impl Encoding {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
    fn has_no_label(&self) -> bool {
        matches!(self, Self::Unknown8Bit | Self::Binary)
    }
}

/// Of text. UTF-16 is counted as the same text in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TextReport {
    /// How characters are written; absent if that is not known.
    #[serde(skip_serializing_if = "Encoding::has_no_label")]
    pub encoding: Encoding,
    /// Whether it begins with a byte order mark.
    pub bom: bool,
    /// How lines end.
    pub line_ending: LineEnding,
    /// Lines, each ended by a line feed, except perhaps the last.
    pub lines: u64,
    /// Words, separated by ASCII white space.
    pub words: u64,
    /// Bytes of the longest line without its line feed.
    pub longest_line_bytes: u64,
}

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnding {
    /// Line feeds.
    Lf,
    /// Carriage returns and line feeds.
    Crlf,
    /// Carriage returns alone.
    Cr,
    /// Some of these and some of those.
    Mixed,
    /// No line ends.
    None,
}

/// What only one kind of content has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Source code.
    #[serde(rename = "source")]
    Code(Code),
    /// Comma, tab or otherwise separated values.
    Table(Table),
    /// JSON.
    Json(Json),
    /// JSON Lines.
    #[serde(rename = "jsonl")]
    JsonLines(JsonLines),
    /// Parquet.
    Parquet(Parquet),
    /// A picture.
    Image(Image),
    /// A gzip stream, or a zip archive.
    Archive(Box<Archive>),
}

/// Source code, roughly counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Code {
    /// The language.
    pub language: &'static str,
    /// Lines with code.
    pub code_lines: u64,
    /// Lines with nothing but a comment.
    pub comment_lines: u64,
    /// Lines with nothing.
    pub blank_lines: u64,
}

/// Comma, tab or otherwise separated values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// What separates the values.
    pub delimiter: char,
    /// What encloses values that contain it; doubled, it stands for itself.
    pub quote: char,
    /// Whether the first row names the columns.
    pub header: bool,
    /// Rows without the header.
    pub rows: u64,
    /// Columns of the first row, which is what the other rows are measured by.
    pub columns_total: u64,
    /// The first thousand columns.
    pub columns: Vec<Column>,
    /// Rows with more or fewer values than the first.
    pub ragged_rows: u64,
    /// The lines on which the first of them start, counted from 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ragged_at: Vec<u64>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// The name from the header, else `column_1` and so on.
    pub name: String,
    /// The narrowest type that all values fit.
    #[serde(rename = "type")]
    pub kind: ColumnKind,
    /// Values that are empty, `null`, `NULL` or `\N`.
    pub nulls: u64,
    /// The smallest value as it stands in the file, cut to 40 bytes. Numbers are compared as such, all else byte by byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// Different values.
    pub distinct: u64,
    /// Whether they were all counted. Above a few hundred they are estimated, within about 5 %.
    pub distinct_exact: bool,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// No value at all.
    Empty,
    /// Whole numbers of 64 bits. Digits after a leading zero are text: they are codes.
    Integer,
    /// Numbers.
    #[serde(rename = "decimal")]
    Number,
    /// `true` and `false`, `yes` and `no`, in any case.
    Boolean,
    /// ISO 8601 dates.
    Date,
    /// ISO 8601 dates with a time, or some with and some without.
    #[serde(rename = "datetime")]
    DateTime,
    /// Anything else.
    Text,
}

/// JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Json {
    /// Whether it is one document. Absent for a sample of what may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
    /// Where and why it is not. What is no JSON is read no further; a document that follows another one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    /// Documents one after the other: 1 in an ordinary file.
    pub values: u64,
    /// The type of the (first) document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<JsonKind>,
    /// The deepest nesting: 0 for a scalar, 1 for `[]`.
    pub depth: u64,
    /// Keys of the (first) document, if that is an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// Items of the (first) document, if that is an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Keys that repeat one of the same object, at any depth. They are compared as they are written, and up to 100,000
    /// of what is open at a time.
    pub duplicate_keys: u64,
    /// Values of every kind, at every depth.
    pub nodes: u64,
    /// The first paths with their types, such as `users[].name`.
    pub paths: Vec<Field>,
    /// Whether there are more paths than listed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paths_truncated: bool,
}

/// Where a text breaks the rules of its format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: u64,
    /// The column, in bytes, counted from 1.
    pub column: u64,
    /// What is wrong there.
    pub message: &'static str,
}

/// JSON Lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JsonLines {
    /// Lines that hold one JSON value.
    pub records: u64,
    /// Lines that hold nothing.
    pub blank_lines: u64,
    /// Lines that hold something else.
    pub malformed: u64,
    /// The first of them, counted from 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub malformed_at: Vec<u64>,
    /// The first keys of the records, with their types.
    pub fields: Vec<Field>,
    /// Whether there are more keys than listed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fields_truncated: bool,
}

/// A key or path in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The key or path.
    pub name: String,
    /// The types of its values.
    pub types: Vec<JsonKind>,
    /// How often it occurs.
    pub count: u64,
}

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonKind {
    /// `{}`
    Object,
    /// `[]`
    Array,
    /// `""`
    String,
    /// A number without fraction and exponent.
    Integer,
    /// A number with either.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`
    Null,
}

/// Parquet, by its footer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Parquet {
    /// Why the footer could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// Rows.
    pub rows: u64,
    /// Row groups.
    pub row_groups: u64,
    /// Columns that hold values.
    pub column_count: u64,
    /// The first hundred of them.
    pub columns: Vec<ParquetColumn>,
}

/// A column of a Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParquetColumn {
    /// The name, with those of the groups around it, joined by dots.
    pub name: String,
    /// The physical type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What the values mean, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logical: Option<&'static str>,
    /// Whether values may be missing.
    pub optional: bool,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// `png`, `jpeg` and so on.
    pub format: &'static str,
    /// Pixels from left to right, if its head tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u64>,
    /// Pixels from top to bottom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Whether the file ends before the picture does. Absent for formats whose end is not looked for, and for a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    /// Why there is no size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
}

/// A gzip stream, as far as it could be unpacked, or a zip archive, as its directory claims: nothing of that is unpacked.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Archive {
    /// `gzip` or `zip`.
    pub format: &'static str,
    /// Streams of a gzip file, one after the other, that were read to their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
    /// Entries of a zip archive, folders among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Bytes after unpacking.
    pub uncompressed_size: u64,
    /// Unpacked bytes for each packed one, to one decimal.
    pub ratio: f64,
    /// Whether the ratio is one that only bombs reach, or entries share their bytes as those of bombs do. Such streams
    /// are not unpacked beyond a bound.
    pub bomb: bool,
    /// Whether the file ends before the archive does. Absent for a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    /// Whether it contradicts itself, or what follows its end is more than padding.
    pub damaged: bool,
    /// Bytes that follow its end.
    pub trailing_bytes: u64,
    /// Names that lead out of the folder that they would be unpacked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsafe_names: Option<u64>,
    /// Why reading stopped early, or what contradicts what. All else then speaks of what could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// What is inside of a gzip stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner: Option<Content>,
    /// The first hundred entries of a zip archive.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listing: Vec<ArchiveEntry>,
}

/// What bytes are, wherever they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Content {
    /// Media type, told by the content; the name decides only between kinds of text.
    pub media_type: &'static str,
    /// Of text: how it is written, lines and words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextReport>,
    /// What only this kind of content has.
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    pub detail: Option<Detail>,
}

/// An entry of a zip archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveEntry {
    /// The name, with its folders. A folder's ends with `/`. Bytes that are no UTF-8 are written as `\xNN`, and with
    /// them `\` as `\\`.
    pub name: String,
    /// Bytes after unpacking, as claimed.
    pub size: u64,
    /// Whether a password is needed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
}
