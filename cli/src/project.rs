//! Where a project is: its manifest and its data directory.

use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use gantz_core::manifest::Manifest;

use crate::args::Common;
use crate::error::CliError;
use crate::stack::Aws;

/// The manifest's name where nobody names it.
const MANIFEST: &str = "gantz.yaml";

/// A project's places.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) manifest_path: PathBuf,
    /// Whether nobody named the manifest, and none was found: then there are the built-in tools.
    without_manifest: bool,
    /// The manifest's folder, absolute: relative paths of programs begin here.
    pub(crate) base_dir: PathBuf,
    /// Absolute.
    pub(crate) data_dir: PathBuf,
    /// The stack on AWS that commands work on, instead of the data directory.
    pub(crate) stack: Option<String>,
    /// Where stacks are.
    pub(crate) aws: Aws,
}

impl Project {
    pub(crate) fn locate(common: &Common) -> Result<Self, CliError> {
        let found = common.manifest.clone().map_or_else(find, Ok)?;
        let without_manifest = common.manifest.is_none() && !found.exists();
        let manifest = absolute(&found)?;
        let base_dir = manifest.parent().unwrap_or(Path::new("/")).to_owned();
        let data_dir = match &common.data_dir {
            Some(dir) => absolute(dir)?,
            None => base_dir.join(".gantz"),
        };
        let aws = Aws { region: common.region.clone(), endpoint_url: common.endpoint_url.clone() };
        Ok(Self {
            manifest_path: found,
            without_manifest,
            base_dir,
            data_dir,
            stack: common.stack.clone(),
            aws,
        })
    }

    /// Reads and checks the manifest; the built-in tools where there is none.
    pub(crate) fn manifest(&self) -> Result<Arc<Manifest>, CliError> {
        if self.without_manifest { Ok(Arc::new(Manifest::without_a_file())) } else { self.written_manifest() }
    }

    /// Reads and checks the manifest, for commands that are about it.
    pub(crate) fn written_manifest(&self) -> Result<Arc<Manifest>, CliError> {
        let name = self.manifest_path.display().to_string();
        let text = std::fs::read(&self.manifest_path).map_err(|error| {
            let failed = CliError::usage(format!("cannot read `{name}`: {error}"));
            match error.kind() {
                std::io::ErrorKind::NotFound => {
                    failed.hint("`gantz init` makes one, `--manifest FILE` names another")
                }
                _ => failed,
            }
        })?;
        let text = String::from_utf8(text)
            .map_err(|error| CliError::usage(format!("`{name}` is not UTF-8: {}", error.utf8_error())))?;
        let manifest = Manifest::parse(&name, &text)
            .map_err(|error| CliError::usage(format!("the manifest has errors\n{error}")))?;
        Ok(Arc::new(manifest))
    }
}

/// The nearest manifest, from the working folder upwards; where it would be if there is none.
fn find() -> std::io::Result<PathBuf> {
    let here = std::env::current_dir()?;
    let above = here.ancestors().skip(1).map(|folder| folder.join(MANIFEST)).find(|path| path.exists());
    // As it is typed where it lies here: that is how errors call it.
    Ok(if here.join(MANIFEST).exists() {
        PathBuf::from(MANIFEST)
    } else {
        above.unwrap_or_else(|| MANIFEST.into())
    })
}
