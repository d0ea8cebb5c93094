//! Where a project is: its manifest and its data directory.

use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use gantz_core::manifest::Manifest;

use crate::args::Common;
use crate::error::CliError;
use crate::stack::Aws;

/// A project's places.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) manifest_path: PathBuf,
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
        let manifest = absolute(&common.manifest)?;
        let base_dir = manifest.parent().unwrap_or(Path::new("/")).to_owned();
        let data_dir = match &common.data_dir {
            Some(dir) => absolute(dir)?,
            None => base_dir.join(".gantz"),
        };
        let aws = Aws { region: common.region.clone(), endpoint_url: common.endpoint_url.clone() };
        let (manifest_path, stack) = (common.manifest.clone(), common.stack.clone());
        Ok(Self { manifest_path, base_dir, data_dir, stack, aws })
    }

    /// Reads and checks the manifest.
    pub(crate) fn manifest(&self) -> Result<Arc<Manifest>, CliError> {
        let name = self.manifest_path.display().to_string();
        let text = std::fs::read(&self.manifest_path).map_err(|error| {
            let failed = CliError::failed(format!("cannot read `{name}`: {error}"));
            match error.kind() {
                std::io::ErrorKind::NotFound => {
                    failed.hint("`gantz init` makes one, `--manifest FILE` names another")
                }
                _ => failed,
            }
        })?;
        let text = String::from_utf8(text)
            .map_err(|error| CliError::failed(format!("`{name}` is not UTF-8: {}", error.utf8_error())))?;
        let manifest = Manifest::parse(&name, &text)
            .map_err(|error| CliError::failed(format!("the manifest has errors\n{error}")))?;
        Ok(Arc::new(manifest))
    }
}
