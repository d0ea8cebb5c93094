//! Files as a source: what lies below a folder, or what patterns match, one pattern after another, depth first and in
//! the order of names as bytes.
//!
//! Folders make no job, nor do links to them; all else does, and what is no regular file is told by the tool. What an
//! earlier pattern has taken is not taken again. The cursor is the pattern's number and the path of the last one.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantz_core::manifest::ToolSpec;
use serde_json::{Map, Value};
use walkdir::{DirEntry, WalkDir};

use super::page::{Item, Page};
use super::pattern::Pattern;

type Entries = Box<dyn Iterator<Item = walkdir::Result<DirEntry>> + Send>;

pub(super) struct Files {
    patterns: Vec<Pattern>,
    /// The pattern that is walked, and what is left of its walk.
    walked: usize,
    entries: Entries,
    parameter: String,
    /// The parameter that takes a name which is not UTF-8, if the tool has it.
    base64_parameter: Option<String>,
    spared: Option<PathBuf>,
    last: Option<Place>,
    resume_after: Option<Place>,
}

/// How far the walk is.
#[derive(Clone)]
struct Place {
    pattern: usize,
    path: PathBuf,
}

impl Files {
    /// Opens the files that `patterns` name. Each becomes the parameter `parameter` of `tool`.
    pub(super) fn open(
        patterns: &[String],
        parameter: &str,
        tool: &ToolSpec,
        cursor: Option<&str>,
        spared: &Path,
    ) -> Result<Self, String> {
        let patterns = patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let resume_after = cursor.map(Place::of_cursor);
        let walked = resume_after.as_ref().map_or(0, |place| place.pattern);
        let base64_parameter = format!("{parameter}_base64");
        let takes_bytes = tool.parameters.get(&base64_parameter).is_some();
        // Found by what it is: a relative path leads to it as well.
        let spared = fs::canonicalize(spared).ok();
        Ok(Self {
            entries: patterns.get(walked).map_or_else(nothing, |pattern| walk(pattern, spared.clone())),
            patterns,
            walked,
            parameter: parameter.to_owned(),
            base64_parameter: takes_bytes.then_some(base64_parameter),
            spared,
            last: None,
            resume_after,
        })
    }

    pub(super) fn next_page(&mut self, size: usize) -> Page {
        let mut items = Vec::with_capacity(size);
        let mut end = None;
        while items.len() < size {
            match self.entries.next() {
                Some(Ok(entry)) => items.extend(self.item(&entry)),
                // A folder that cannot be read becomes an item that says so: its files are not passed over in silence.
                Some(Err(error)) => items.extend(self.unreadable(&error)),
                None if self.walked + 1 < self.patterns.len() => {
                    self.walked += 1;
                    self.entries = walk(&self.patterns[self.walked], self.spared.clone());
                }
                None => {
                    end = Some(Ok(()));
                    break;
                }
            }
        }
        let cursor = self.last.as_ref().or(self.resume_after.as_ref());
        Page { items, cursor: cursor.map(Place::to_cursor).unwrap_or_default(), end, left_out: 0 }
    }

    fn item(&mut self, entry: &DirEntry) -> Option<Item> {
        let path = entry.path();
        let (earlier, this) = (self.patterns.get(..self.walked)?, self.patterns.get(self.walked)?);
        if !makes_a_job(entry) || !this.matches(path) || self.is_behind(path) {
            return None;
        }
        if earlier.iter().any(|pattern| pattern.matches(path)) {
            return None;
        }
        self.last = Some(Place { pattern: self.walked, path: path.to_owned() });
        let given = |name: &String, value: String| Map::from_iter([(name.clone(), Value::from(value))]);
        let parameters = match (path.to_str(), &self.base64_parameter) {
            (Some(text), _) => Ok(given(&self.parameter, text.to_owned())),
            (None, Some(name)) => Ok(given(name, STANDARD.encode(path.as_os_str().as_bytes()))),
            (None, None) => Err(format!(
                "the file's name is not UTF-8, and the tool has no parameter `{}_base64` for such a name",
                self.parameter
            )),
        };
        Some(Item { parameters, label: Some(shown(path)), again: None })
    }

    /// Whether a former planner came past this path. The walk goes by path components, each as bytes.
    fn is_behind(&self, path: &Path) -> bool {
        self.resume_after.as_ref().is_some_and(|last| {
            last.pattern == self.walked && by_components(path, &last.path) != Ordering::Greater
        })
    }

    fn unreadable(&mut self, error: &walkdir::Error) -> Option<Item> {
        let root = self.patterns.get(self.walked)?.root();
        let path = error.path().unwrap_or(root).to_owned();
        if self.is_behind(&path) {
            return None;
        }
        let label = Some(shown(&path));
        self.last = Some(Place { pattern: self.walked, path });
        Some(Item { parameters: Err(error.to_string()), label, again: None })
    }
}

fn nothing() -> Entries {
    Box::new(std::iter::empty())
}

/// Names are compared as bytes, also by `is_behind`: the walk resumes where it stopped, whatever the language.
fn walk(pattern: &Pattern, spared: Option<PathBuf>) -> Entries {
    let walk = WalkDir::new(pattern.root())
        .max_depth(pattern.depth_max())
        .sort_by(|a, b| a.file_name().cmp(b.file_name()));
    Box::new(walk.into_iter().filter_entry(move |entry| !is_spared(entry, spared.as_deref())))
}

/// Only names equal to the folder's own are looked up: that takes a call to the system.
fn is_spared(entry: &DirEntry, spared: Option<&Path>) -> bool {
    let Some(spared) = spared else { return false };
    let may_be = entry.depth() == 0 || Some(entry.file_name()) == spared.file_name();
    may_be && fs::canonicalize(entry.path()).is_ok_and(|path| path == spared)
}

fn makes_a_job(entry: &DirEntry) -> bool {
    // Asking what a link leads to opens nothing, so a pipe does not hold it up.
    let is_folder = entry.file_type().is_dir() || (entry.path_is_symlink() && entry.path().is_dir());
    !is_folder
}

fn by_components(a: &Path, b: &Path) -> Ordering {
    a.components().map(Component::as_os_str).cmp(b.components().map(Component::as_os_str))
}

/// A path for people; bytes that are no UTF-8 as `\xNN`.
fn shown(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            write!(text, "\\x{byte:02X}").ok();
        }
    }
    text
}

impl Place {
    /// The path in hexadecimal: a file's name may be any bytes, and the cursor must find it again.
    fn to_cursor(&self) -> String {
        let path: String =
            self.path.as_os_str().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{path}", self.pattern)
    }

    /// Anything else than a cursor is the place before all others.
    fn of_cursor(cursor: &str) -> Self {
        let (pattern, path) = cursor.split_once(':').unwrap_or(("0", cursor));
        let digits = path.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
        let bytes: Result<Vec<u8>, _> = digits.map(|pair| u8::from_str_radix(pair, 16)).collect();
        let path = PathBuf::from(OsString::from_vec(bytes.unwrap_or_default()));
        Self { pattern: pattern.parse().unwrap_or(0), path }
    }
}
