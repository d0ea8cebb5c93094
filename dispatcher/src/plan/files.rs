//! Files as a source: every regular file below a folder, or those that a pattern matches, in the order of their names.
//! The cursor is the path of the last one.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};
use walkdir::{DirEntry, WalkDir};

use super::page::{Item, Page};
use super::pattern::Pattern;

pub(super) struct Files {
    entries: Box<dyn Iterator<Item = walkdir::Result<DirEntry>> + Send>,
    pattern: Pattern,
    parameter: String,
    last: Option<PathBuf>,
    resume_after: Option<PathBuf>,
}

impl Files {
    pub(super) fn open(
        pattern: &str,
        parameter: &str,
        cursor: Option<&str>,
        spared: &Path,
    ) -> Result<Self, String> {
        let pattern = Pattern::parse(pattern)?;
        // Found by what it is: a relative path leads to it as well.
        let spared = fs::canonicalize(spared).ok();
        // Names are compared as bytes, also by `is_behind`: the walk resumes where it stopped, whatever the language.
        let walk = WalkDir::new(pattern.root())
            .max_depth(pattern.depth_max())
            .sort_by(|a, b| a.file_name().cmp(b.file_name()));
        let entries = walk.into_iter().filter_entry(move |entry| !is_spared(entry, spared.as_deref()));
        Ok(Self {
            entries: Box::new(entries),
            pattern,
            parameter: parameter.to_owned(),
            last: None,
            resume_after: cursor.map(from_cursor),
        })
    }

    pub(super) fn next_page(&mut self, size: usize) -> Page {
        let mut items = Vec::with_capacity(size);
        let mut end = None;
        while items.len() < size {
            match self.entries.next() {
                None => {
                    end = Some(Ok(()));
                    break;
                }
                Some(Ok(entry)) => items.extend(self.item(&entry)),
                // A folder that cannot be read becomes an item that says so: its files are not passed over in silence.
                Some(Err(error)) => items.extend(self.unreadable(&error)),
            }
        }
        let cursor = self.last.as_ref().or(self.resume_after.as_ref());
        Page { items, cursor: cursor.map(|path| to_cursor(path)).unwrap_or_default(), end }
    }

    fn item(&mut self, entry: &DirEntry) -> Option<Item> {
        let path = entry.path();
        if !is_file(entry) || !self.pattern.matches(path) || self.is_behind(path) {
            return None;
        }
        self.last = Some(path.to_owned());
        let label = path.display().to_string();
        let parameters = match path.to_str() {
            Some(text) => Ok(Map::from_iter([(self.parameter.clone(), Value::from(text))])),
            None => Err("the file's name is not UTF-8".to_owned()),
        };
        Some(Item { parameters, label: Some(label) })
    }

    /// Whether a former planner came past this path. The walk goes by path components, each as bytes.
    fn is_behind(&self, path: &Path) -> bool {
        self.resume_after.as_ref().is_some_and(|last| by_components(path, last) != Ordering::Greater)
    }

    fn unreadable(&mut self, error: &walkdir::Error) -> Option<Item> {
        let path = error.path().unwrap_or(self.pattern.root()).to_owned();
        if self.is_behind(&path) {
            return None;
        }
        let label = Some(path.display().to_string());
        self.last = Some(path);
        Some(Item { parameters: Err(error.to_string()), label })
    }
}

/// Only names equal to the folder's own are looked up: that takes a call to the system.
fn is_spared(entry: &DirEntry, spared: Option<&Path>) -> bool {
    let Some(spared) = spared else { return false };
    let may_be = entry.depth() == 0 || Some(entry.file_name()) == spared.file_name();
    may_be && fs::canonicalize(entry.path()).is_ok_and(|path| path == spared)
}

/// A link counts as what it leads to only if it is what the person named.
fn is_file(entry: &DirEntry) -> bool {
    entry.file_type().is_file() || (entry.depth() == 0 && entry.path_is_symlink() && entry.path().is_file())
}

fn by_components(a: &Path, b: &Path) -> Ordering {
    a.components().map(Component::as_os_str).cmp(b.components().map(Component::as_os_str))
}

/// A path as a cursor: hexadecimal, because a file's name may be any bytes, and the cursor must find it again.
fn to_cursor(path: &Path) -> String {
    path.as_os_str().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Anything else than a cursor is the path before all others.
fn from_cursor(cursor: &str) -> PathBuf {
    let digits = cursor.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    let bytes: Result<Vec<u8>, _> = digits.map(|pair| u8::from_str_radix(pair, 16)).collect();
    PathBuf::from(OsString::from_vec(bytes.unwrap_or_default()))
}
