//! Programs of Python that tests use: installed once into the build's target directory, at pinned versions.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use crate::target::target_directory;

/// Where the packages of `requirements` are, a folder for `PYTHONPATH`. Whoever comes first installs them; a finished
/// folder appears all at once. `name` names the folder: a change of the requirements takes a new one.
///
/// # Panics
/// When Python or pip is missing, or a package cannot be had.
pub fn install(name: &str, requirements: &str) -> PathBuf {
    let site = target_directory().join(name);
    let lock = File::create(site.with_file_name(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if site.is_dir() {
        return site;
    }
    let unfinished = site.with_file_name(format!("{name}.unfinished"));
    fs::remove_dir_all(&unfinished).ok();
    fs::create_dir_all(&unfinished).unwrap();
    let list = unfinished.join("requirements.txt");
    fs::write(&list, requirements).unwrap();
    let pip = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"])
        .arg(&unfinished)
        .arg("--requirement")
        .arg(&list)
        .output()
        .unwrap();
    assert!(pip.status.success(), "pip failed: {}", String::from_utf8_lossy(&pip.stderr));
    fs::rename(&unfinished, &site).unwrap();
    site
}
