//! What tests use and others wrote: installed once into the build's target directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::target::target_directory;

/// The folder of that name, as `installer`, which is given a new folder, leaves it. Whoever comes first runs it; a finished
/// folder appears all at once.
///
/// # Panics
/// When the installer fails.
pub(crate) fn installed(name: &str, installer: impl FnOnce(&Path) -> Command) -> PathBuf {
    let finished = target_directory().join(name);
    let lock = File::create(finished.with_file_name(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if finished.is_dir() {
        return finished;
    }
    let unfinished = finished.with_file_name(format!("{name}.unfinished"));
    fs::remove_dir_all(&unfinished).ok();
    fs::create_dir_all(&unfinished).unwrap();
    let mut installer = installer(&unfinished);
    let ran = installer.output().unwrap();
    assert!(ran.status.success(), "{installer:?} failed: {}", String::from_utf8_lossy(&ran.stderr));
    fs::rename(&unfinished, &finished).unwrap();
    finished
}
