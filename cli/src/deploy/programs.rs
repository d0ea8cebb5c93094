//! Where the functions' programs come from: a folder of prebuilt ones, or a build.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::Architecture;
use crate::error::CliError;
use crate::view::note;

/// The packages that hold the functions' programs.
const PACKAGES: [&str; 2] = ["gantz-dispatcher", "gantz-workers"];
/// The profile that they are built with.
const PROFILE: &str = "function";

/// The programs of one architecture.
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Takes the prebuilt programs of `artifacts`, or builds them from Gantz's source.
    pub(super) fn locate(artifacts: Option<&Path>, architecture: Architecture) -> Result<Self, CliError> {
        let folder = match artifacts {
            Some(folder) => folder.to_owned(),
            None => build(architecture)?,
        };
        Ok(Self { folder })
    }

    /// The program: `NAME`, or `NAME/bootstrap` as `cargo lambda` lays them out.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        let path = self.folder.join(program);
        if path.is_dir() { path.join("bootstrap") } else { path }
    }
}

fn build(architecture: Architecture) -> Result<PathBuf, CliError> {
    let source = source()?;
    if !has_cargo_lambda() {
        return Err(CliError::failed("`cargo lambda`, which builds the functions, is not installed").hint(
            "`pip install cargo-lambda` installs it, with the linker it needs; or give prebuilt programs with \
             `--artifacts DIR`",
        ));
    }
    note(&format!("building the functions in {}", source.display()));
    let folder = output(&source, std::env::var_os("CARGO_TARGET_DIR").as_deref());
    let mut build = Command::new("cargo");
    build.current_dir(&source).args([
        "lambda",
        "build",
        "--profile",
        PROFILE,
        "--locked",
        architecture.flag(),
    ]);
    for package in PACKAGES {
        build.args(["--package", package]);
    }
    // Said rather than guessed: Cargo's configuration may have build outputs anywhere.
    let status = build.arg("--bins").arg("--lambda-dir").arg(&folder).status()?;
    if !status.success() {
        return Err(CliError::failed(format!("`cargo lambda build` ended with {status}")));
    }
    Ok(folder)
}

/// Where a build in `source` leaves the programs. Cargo takes its target directory from where it runs, which is there.
fn output(source: &Path, target_dir: Option<&OsStr>) -> PathBuf {
    source.join(target_dir.unwrap_or(OsStr::new("target"))).join("lambda")
}

/// Gantz's own source: the folder that the command stands in, or one above it.
fn source() -> Result<PathBuf, CliError> {
    let here = std::env::current_dir()?;
    let is_source =
        |folder: &&Path| folder.join("dispatcher/Cargo.toml").is_file() && folder.join("workers").is_dir();
    here.ancestors().find(is_source).map(Path::to_owned).ok_or_else(|| {
        CliError::failed("the functions' programs are not here, and neither is the source to build them from").hint(
            "give a folder of prebuilt programs with `--artifacts DIR`, or run this inside a clone of Gantz \
             with `--manifest FILE`",
        )
    })
}

fn has_cargo_lambda() -> bool {
    let asked = Command::new("cargo").args(["lambda", "--version"]).output();
    asked.is_ok_and(|answer| answer.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_target_directory_is_one_of_the_source() {
        let output = |target_dir: Option<&str>| output(Path::new("/src/gantz"), target_dir.map(OsStr::new));
        assert_eq!(output(None), Path::new("/src/gantz/target/lambda"));
        assert_eq!(output(Some("../shared")), Path::new("/src/gantz/../shared/lambda"));
        assert_eq!(output(Some("/tmp/target")), Path::new("/tmp/target/lambda"));
    }
}
