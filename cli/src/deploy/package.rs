//! A function's package: its program, and the project's files that its tools need.
//!
//! It is known by the hash of its content, so that one that has not changed is neither packed nor sent nor deployed again.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use gantz_core::ids::sha256_hex;
use serde_json::json;
use walkdir::{DirEntry, WalkDir};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::CliError;
use crate::project::Project;

/// What AWS Lambda runs.
const BOOTSTRAP: &str = "bootstrap";
/// The manifest's name in a package.
const MANIFEST: &str = "gantz.yaml";
/// Bytes of a project: past this somebody packs a folder that was not meant, and AWS Lambda takes no more than 250 MB
/// unpacked anyhow.
const PROJECT_MAX_BYTES: u64 = 100 * 1024 * 1024;
/// Folders that belong to tools and never to functions.
const LEFT_OUT: [&str; 2] = ["node_modules", "target"];
const PROGRAM_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;
/// Level 9 saves less than a hundredth of a program's size, and takes three times as long.
const COMPRESSION_LEVEL: i64 = 6;
/// One more with every change in how the same files become a package.
const FORMAT: u32 = 1;

/// Files to pack. Clones share what is in them.
#[derive(Clone)]
pub(super) struct Files(Vec<File>);

#[derive(Clone)]
struct File {
    name: String,
    mode: u32,
    bytes: Arc<Vec<u8>>,
}

impl File {
    fn new(name: impl Into<String>, mode: u32, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), mode, bytes: Arc::new(bytes) }
    }
}

impl Files {
    /// A program alone, as what AWS Lambda runs.
    pub(super) fn program(bytes: Vec<u8>) -> Self {
        Self(vec![File::new(BOOTSTRAP, PROGRAM_MODE, bytes)])
    }

    /// The manifest alone.
    pub(super) fn manifest(project: &Project) -> Result<Self, CliError> {
        Ok(Self(vec![File::new(MANIFEST, FILE_MODE, fs::read(&project.manifest_path)?)]))
    }

    /// The manifest and whatever lies beside it, hidden files and the folders of other tools left out.
    pub(super) fn project(project: &Project) -> Result<Self, CliError> {
        let mut files = Self::manifest(project)?;
        let manifest = project.manifest_path.canonicalize()?;
        let mut size = 0;
        let walk = WalkDir::new(&project.base_dir).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| is_ours(entry, &project.data_dir)) {
            let entry =
                entry.map_err(|error| CliError::failed(format!("cannot read the project: {error}")))?;
            if !entry.file_type().is_file() || entry.path().canonicalize()? == manifest {
                continue;
            }
            let name = entry.path().strip_prefix(&project.base_dir).unwrap_or(entry.path());
            let name =
                name.to_str().filter(|name| *name != BOOTSTRAP && *name != MANIFEST).ok_or_else(|| {
                    CliError::failed(format!("`{}` cannot be packed under its name", entry.path().display()))
                        .hint("names are UTF-8, and neither `bootstrap` nor a second `gantz.yaml`")
                })?;
            let bytes = fs::read(entry.path())?;
            size += bytes.len() as u64;
            if size > PROJECT_MAX_BYTES {
                let folder = project.base_dir.display();
                return Err(CliError::failed(format!(
                    "the project in `{folder}` has more than {PROJECT_MAX_BYTES} bytes"
                ))
                .hint("all files beside the manifest are packed: keep it in a folder of its own"));
            }
            files.0.push(File::new(name, mode(&entry)?, bytes));
        }
        files.0.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// These, and those after them.
    pub(super) fn followed_by(mut self, others: &Self) -> Self {
        self.0.extend_from_slice(&others.0);
        self
    }

    /// The hash of their names, modes and content: another one, and it is another package.
    pub(super) fn hash(&self) -> String {
        let files = self.0.iter().map(|file| json!([file.name, file.mode, sha256_hex(&file.bytes)]));
        sha256_hex(json!([FORMAT, files.collect::<Vec<_>>()]).to_string().as_bytes())
    }

    /// The files as one package.
    pub(super) fn zip(&self) -> Result<Vec<u8>, CliError> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for file in &self.0 {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(COMPRESSION_LEVEL))
                .last_modified_time(DateTime::default())
                .unix_permissions(file.mode);
            zip.start_file(&*file.name, options).map_err(unpackable)?;
            zip.write_all(&file.bytes)?;
        }
        Ok(zip.finish().map_err(unpackable)?.into_inner())
    }
}

fn is_ours(entry: &DirEntry, data_dir: &Path) -> bool {
    let name = entry.file_name().to_string_lossy();
    let hidden = entry.depth() > 0 && name.starts_with('.');
    let left_out = entry.file_type().is_dir() && LEFT_OUT.contains(&name.as_ref());
    !hidden && !left_out && entry.path() != data_dir
}

fn mode(entry: &DirEntry) -> Result<u32, CliError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata =
        entry.metadata().map_err(|error| CliError::failed(format!("cannot read the project: {error}")))?;
    Ok(if metadata.permissions().mode() & 0o111 == 0 { FILE_MODE } else { PROGRAM_MODE })
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn unpackable(error: zip::result::ZipError) -> CliError {
    CliError::failed(format!("cannot pack: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_of_a_package_changes_changes_its_hash() {
        let files = |name: &str, mode, bytes: &str| Files(vec![File::new(name, mode, bytes.into())]);
        let program = || Files::program(b"program".to_vec());
        let all = [
            program(),
            files("a", 0o644, "text"),
            files("b", 0o644, "text"),
            files("a", 0o755, "text"),
            files("a", 0o644, "other text"),
            program().followed_by(&files("a", 0o644, "text")),
        ];
        let mut hashes: Vec<String> = all.iter().map(Files::hash).collect();
        assert_eq!(hashes, all.clone().map(|files| files.hash()), "the same files are the same package");
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), all.len());
    }
}
