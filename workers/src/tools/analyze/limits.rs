//! Every bound of an analysis, each with its reason. Memory stays at a few megabytes whatever the file's size.

/// Bytes asked of the source at a time: few system calls, and still within a core's second-level cache.
pub(super) const CHUNK_BYTES: usize = 128 * 1024;
/// Files read at once, for each core: one waits for the disk while another is looked at. More would share the cores and
/// add only memory. Objects wait for the network, so they are not counted.
pub(super) const FILES_PER_CORE: usize = 2;
/// Bytes looked at before the kind of content is decided: most first records of JSON Lines and CSV end within.
pub(super) const HEAD_BYTES: usize = 32 * 1024;
/// A name or path in a report, cut there.
pub(super) const NAME_MAX_BYTES: usize = 96;
/// The path or key that a report repeats: longer ones are not names that people use.
pub(super) const PLACE_MAX_BYTES: usize = 1024;
/// A smallest or largest value in a report: enough for a date, a number and a recognisable word.
pub(super) const VALUE_MAX_BYTES: usize = 40;

/// Columns that are described; the others are only counted. A thousand report in about 200 KB.
pub(super) const COLUMNS_MAX: usize = 1_000;
/// Different values of a column that are told apart one by one; of more the number is estimated.
pub(super) const DISTINCT_MAX: usize = 500;
/// Bytes of one cell that are looked at.
pub(super) const CELL_BYTES: usize = 4 * 1024;
/// Line numbers listed for broken lines and ragged rows: people mend the first and run again.
pub(super) const LINE_NUMBERS_MAX: usize = 20;
/// Records of the head that choose a delimiter.
pub(super) const SNIFF_RECORDS: usize = 50;

/// Paths or fields listed of JSON.
pub(super) const FIELDS_MAX: usize = 40;
/// Levels of a JSON document that are described; deeper ones are only counted.
pub(super) const SHAPE_DEPTH: usize = 4;
/// Bytes of a JSON key that are kept.
pub(super) const KEY_BYTES: usize = 64;
/// Keys of open objects that are compared: 2 MB of hashes.
pub(super) const OPEN_KEYS_MAX: usize = 100_000;
/// Nesting of JSON that is followed. It costs no stack, but documents deeper than this are made to hurt.
pub(super) const NESTING_MAX: usize = 10_000;

/// Entries of an archive that are listed.
pub(super) const ENTRIES_MAX: usize = 100;
/// Bytes of a zip's directory that are read: about a million entries.
pub(super) const DIRECTORY_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that are unpacked of one stream: some seconds of work.
pub(super) const UNPACK_MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// An archive is called a bomb from this ratio on: logs reach 50, deflate itself ends at 1,032.
pub(super) const BOMB_RATIO: u64 = 200;
/// What unpacks to less than this harms nobody, whatever the ratio.
pub(super) const BOMB_MIN_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes of a Parquet footer that are read: schema and row count come first, so the start is enough.
pub(super) const FOOTER_MAX_BYTES: usize = 1024 * 1024;
/// Nesting of structures in a Parquet footer; the format itself needs four.
pub(super) const THRIFT_DEPTH_MAX: u32 = 16;
/// Bytes of an image that are searched for its dimensions: photographs carry thumbnails and profiles in front.
pub(super) const IMAGE_HEAD_BYTES: usize = 1024 * 1024;
/// Bytes at an image's end that are searched for the mark of its end: what programs append is mostly short.
pub(super) const IMAGE_TAIL_BYTES: usize = 64 * 1024;

/// Bytes of a source line that are classified: comments announce themselves at its start.
pub(super) const CODE_LINE_BYTES: usize = 4 * 1024;
