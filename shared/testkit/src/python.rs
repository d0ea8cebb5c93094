//! Programs of Python that tests use, at pinned versions.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::installed::installed;

/// Where the packages of `requirements` are, a folder for `PYTHONPATH`. `name` names the folder: a change of the
/// requirements takes a new one.
///
/// # Panics
/// When Python or pip is missing, or a package cannot be had.
pub fn install(name: &str, requirements: &str) -> PathBuf {
    installed(name, |folder| {
        let list = folder.join("requirements.txt");
        fs::write(&list, requirements).unwrap();
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]);
        pip.arg(folder).arg("--requirement").arg(&list);
        pip
    })
}
