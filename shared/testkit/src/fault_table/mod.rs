//! The faults that the fleet survives, and the record of the tests that show it.
//!
//! A test that shows a row begins with [`fault`] and ends with [`Shown::in_runs`]. Each leaves a line in the build's
//! target directory; the program `fault-table` makes `docs/FAULTS.md` of them.

mod render;
mod rows;

pub use render::render;
pub use rows::{ROWS, Row};

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Value, json};

use crate::target::target_directory;

/// How much of the system a test of a fault runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A property or a model of pure functions.
    Unit,
    /// The whole fleet in one thread, in paused time, with faults from a seed.
    Simulated,
    /// The real clients of AWS behind a proxy that breaks connections and answers.
    Wire,
    /// Real programs that are killed, stopped or starved.
    Process,
}

impl Level {
    /// The letter that the table has for it.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Unit => "U",
            Self::Simulated => "S",
            Self::Wire => "P",
            Self::Process => "K",
        }
    }
}

/// A test that shows a row, while it runs. Dropped by a panic, it records a violation.
#[derive(Debug)]
#[must_use = "a row is shown by `in_runs`"]
pub struct Shown {
    row: u32,
    level: Level,
    runs: u64,
    figure: String,
}

/// Begins to show row `number` of the table.
///
/// # Panics
/// When the table has no such row.
pub fn fault(number: u32, level: Level) -> Shown {
    assert!(ROWS.iter().any(|row| row.number == number), "the table has no row {number}");
    Shown { row: number, level, runs: 0, figure: String::new() }
}

impl Shown {
    /// The fault was there `runs` times, and every promise held. `figure` is what is worth knowing besides.
    pub fn in_runs(mut self, runs: u64, figure: impl Into<String>) {
        assert!(runs > 0, "a fault that never was shows nothing");
        (self.runs, self.figure) = (runs, figure.into());
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let violations = u32::from(self.runs == 0);
        let test = test_name();
        let line = json!({
            "row": self.row,
            "level": self.level.letter(),
            "test": test,
            "runs": self.runs,
            "violations": violations,
            "figure": self.figure,
        });
        let folder = records();
        fs::create_dir_all(&folder).unwrap();
        let name = format!("{:02}-{}.json", self.row, test.replace([':', ' ', '/'], "-"));
        // A reader never sees half of it.
        let unfinished = folder.join(format!("{name}.unfinished"));
        fs::write(&unfinished, line.to_string()).unwrap();
        fs::rename(&unfinished, folder.join(name)).unwrap();
    }
}

/// Where the tests of this build leave their records.
pub fn records() -> PathBuf {
    target_directory().join("faults")
}

/// Every record in `folder`.
///
/// # Panics
/// When a record is not one.
pub fn read(folder: &Path) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    let records = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    records.map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

/// The running test: its package, its binary, and what the harness names its thread.
fn test_name() -> String {
    let binary = std::env::current_exe().unwrap();
    let stem = binary.file_stem().unwrap().to_string_lossy().into_owned();
    let binary = stem.rsplit_once('-').map_or(stem.as_str(), |(name, _hash)| name);
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let thread = thread::current();
    format!("{package} {binary} {}", thread.name().unwrap_or("main"))
}
