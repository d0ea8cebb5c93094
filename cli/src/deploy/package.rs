//! A function's package: its program, and the project's files that its tools need.
//!
//! The same content gives the same bytes, so that a package that has not changed is neither sent nor deployed again.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

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
/// As small as it gets: a package is unpacked on every cold start, and packed once.
const COMPRESSION_LEVEL: i64 = 9;

/// Files to pack, sorted by name.
pub(super) struct Files(Vec<File>);

struct File {
    name: String,
    mode: u32,
    bytes: Vec<u8>,
}

impl Files {
    /// None: for a package of a program alone.
    pub(super) const NONE: Self = Self(Vec::new());

    /// The manifest alone.
    pub(super) fn manifest(project: &Project) -> Result<Self, CliError> {
        let bytes = fs::read(&project.manifest_path)?;
        Ok(Self(vec![File { name: MANIFEST.into(), mode: FILE_MODE, bytes }]))
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
            files.0.push(File { name: name.to_owned(), mode: mode(&entry)?, bytes });
        }
        files.0.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }

    /// The files as one package, with this program as what AWS Lambda runs.
    pub(super) fn zip(&self, bootstrap: Option<&[u8]>) -> Result<Vec<u8>, CliError> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        if let Some(program) = bootstrap {
            add(&mut zip, BOOTSTRAP, PROGRAM_MODE, program)?;
        }
        for file in &self.0 {
            add(&mut zip, &file.name, file.mode, &file.bytes)?;
        }
        Ok(zip.finish().map_err(unpackable)?.into_inner())
    }
}

fn add(zip: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, mode: u32, bytes: &[u8]) -> Result<(), CliError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(COMPRESSION_LEVEL))
        .last_modified_time(DateTime::default())
        .unix_permissions(mode);
    zip.start_file(name, options).map_err(unpackable)?;
    zip.write_all(bytes)?;
    Ok(())
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
