//! The build that a test belongs to.

use std::path::{Path, PathBuf};

/// The build's target directory: cargo marks it as a cache, and this program was built into it.
///
/// # Panics
/// When the running program is in no target directory.
pub(crate) fn target_directory() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    let marked = executable.ancestors().find(|path| path.join("CACHEDIR.TAG").is_file());
    marked.map(Path::to_owned).unwrap()
}
