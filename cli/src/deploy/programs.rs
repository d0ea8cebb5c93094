//! Where the functions' programs come from: a folder of prebuilt ones, or a build.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::args::Architecture;
use crate::error::CliError;
use crate::view::note;

/// The packages that hold the functions' programs.
const PACKAGES: [&str; 2] = ["gantz-dispatcher", "gantz-workers"];
/// The profile that they are built with.
const PROFILE: &str = "function";

/// How to get what builds for any architecture, against a C library as old as the functions'.
const GET_IT: &str = "`pip install cargo-lambda` installs it, with the linker it needs";
/// The version of the C library, `2.N`, that functions have on `provided.al2023`.
const GLIBC: u32 = 34;

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

    /// The program's bytes, under the name that it has in a build. Those that functions cannot start are warned of: they
    /// may be meant for an endpoint that has no functions of AWS.
    pub(super) fn read(&self, program: &str) -> Result<Vec<u8>, CliError> {
        let path = self.path(program);
        let bytes = std::fs::read(&path).map_err(|error| {
            CliError::failed(format!("cannot read the program `{}`: {error}", path.display()))
        })?;
        if let Some(needed) = needed_glibc(&bytes).filter(|needed| *needed > GLIBC) {
            note(&format!(
                "warning: `{program}` needs the C library 2.{needed}, and functions have 2.{GLIBC}: it will not start on \
                 AWS. Build it with `cargo lambda`: {GET_IT}"
            ));
        }
        Ok(bytes)
    }

    /// The program: `NAME`, or `NAME/bootstrap` as `cargo lambda` lays them out.
    fn path(&self, program: &str) -> PathBuf {
        let path = self.folder.join(program);
        if path.is_dir() { path.join("bootstrap") } else { path }
    }
}

fn build(architecture: Architecture) -> Result<PathBuf, CliError> {
    let source = source()?;
    let target = target(&source, std::env::var_os("CARGO_TARGET_DIR").as_deref());
    let mut build = Command::new("cargo");
    // Where the programs go is said rather than guessed: Cargo's configuration may have build outputs anywhere.
    let folder = if has_cargo_lambda() {
        let folder = target.join("lambda");
        build.args(["lambda", "build", architecture.flag(), "--lambda-dir"]).arg(&folder);
        note(&format!("building the functions in {}", source.display()));
        folder
    } else if architecture.is_this_machines() {
        build.args(["build", "--target-dir"]).arg(&target);
        note(&format!("building the functions in {}, without `cargo lambda`: {GET_IT}", source.display()));
        target.join(PROFILE)
    } else {
        let own = Architecture::value_variants().iter().find(|own| own.is_this_machines());
        let own = own.map(|own| {
            format!(
                ", or let `cargo` alone build them for this machine's own with `--architecture {}`",
                own.as_str()
            )
        });
        return Err(CliError::failed("`cargo lambda`, which builds the functions, is not installed").hint(
            format!("{GET_IT}; or give prebuilt programs with `--artifacts DIR`{}", own.unwrap_or_default()),
        ));
    };
    build.current_dir(&source).args(["--profile", PROFILE, "--locked", "--bins"]);
    for package in PACKAGES {
        build.args(["--package", package]);
    }
    let status = build.status()?;
    if !status.success() {
        return Err(CliError::failed(format!("the build of the functions ended with {status}")));
    }
    Ok(folder)
}

/// Where a build in `source` has its outputs. Cargo takes its target directory from where it runs, which is there.
fn target(source: &Path, target_dir: Option<&OsStr>) -> PathBuf {
    source.join(target_dir.unwrap_or(OsStr::new("target")))
}

/// The newest version of the C library, `2.N`, that a program asks for, if it asks for one by its version.
fn needed_glibc(program: &[u8]) -> Option<u32> {
    const VERSION: &[u8] = b"GLIBC_2.";
    let minor = |at: usize| {
        let digits: Vec<u8> =
            program[at + VERSION.len()..].iter().copied().take_while(u8::is_ascii_digit).collect();
        String::from_utf8(digits).ok()?.parse().ok()
    };
    memchr::memmem::find_iter(program, VERSION).filter_map(minor).max()
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
        let target = |target_dir: Option<&str>| target(Path::new("/src/gantz"), target_dir.map(OsStr::new));
        assert_eq!(target(None), Path::new("/src/gantz/target"));
        assert_eq!(target(Some("../shared")), Path::new("/src/gantz/../shared"));
        assert_eq!(target(Some("/tmp/target")), Path::new("/tmp/target"));
    }

    #[test]
    fn the_newest_c_library_that_is_asked_for() {
        assert_eq!(needed_glibc(b"\0GLIBC_2.2.5\0GLIBC_2.39\0GLIBC_2.4\0GLIBC_PRIVATE"), Some(39));
        assert_eq!(needed_glibc(b"GLIBC_2."), None);
        assert_eq!(needed_glibc(b"static"), None);
    }
}
