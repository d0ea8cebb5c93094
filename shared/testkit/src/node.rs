//! Packages of npm that tests use, as a lock file pins them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::installed::installed;

/// The folder that has a package file, and beside it in `node_modules` all that its lock file names. `name` names the
/// folder: a change of the files takes a new one.
///
/// # Panics
/// When npm is missing, or a package cannot be had.
pub fn install(name: &str, package: &str, lock_file: &str) -> PathBuf {
    installed(name, |folder| {
        fs::write(folder.join("package.json"), package).unwrap();
        fs::write(folder.join("package-lock.json"), lock_file).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder);
        npm
    })
}
