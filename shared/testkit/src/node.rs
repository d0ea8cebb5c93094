//! Packages of npm that tests use: installed once into the build's target directory, as a lock file pins them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::target::target_directory;

/// The folder that has a package file, and beside it in `node_modules` all that its lock file names. Whoever comes first
/// installs them; a finished folder appears all at once. `name` names the folder: a change of the files takes a new one.
///
/// # Panics
/// When npm is missing, or a package cannot be had.
pub fn install(name: &str, package: &str, lock_file: &str) -> PathBuf {
    let site = target_directory().join(name);
    let lock = File::create(site.with_file_name(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if site.is_dir() {
        return site;
    }
    let unfinished = site.with_file_name(format!("{name}.unfinished"));
    fs::remove_dir_all(&unfinished).ok();
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(unfinished.join("package.json"), package).unwrap();
    fs::write(unfinished.join("package-lock.json"), lock_file).unwrap();
    let npm = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .current_dir(&unfinished)
        .output()
        .unwrap();
    assert!(npm.status.success(), "npm failed: {}", String::from_utf8_lossy(&npm.stderr));
    fs::rename(&unfinished, &site).unwrap();
    site
}
