//! `gantz init`: a project to start from.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::Outcome;
use crate::args::Template;
use crate::error::CliError;
use crate::view::print;

/// A template's files: name and content.
fn files(template: Template) -> &'static [(&'static str, &'static str)] {
    match template {
        Template::Local => &[
            ("gantz.yaml", include_str!("../templates/local.yaml")),
            ("tools/word_count.py", include_str!("../templates/word_count.py")),
            (".gitignore", ".gantz/\n"),
        ],
        Template::AwsLambda => &[
            ("gantz.yaml", include_str!("../templates/aws-lambda.yaml")),
            ("README.md", include_str!("../templates/aws-lambda.md")),
            (".gitignore", ".gantz/\n"),
        ],
    }
}

/// Writes the template's files; what is there stays as it is, and a manifest that is there is an error.
pub(super) fn run(template: Template, dir: &Path) -> Outcome {
    let cannot = |what: &Path, error: std::io::Error| {
        CliError::failed(format!("cannot write `{}`: {error}", what.display()))
    };
    if dir.join("gantz.yaml").exists() {
        return Err(CliError::failed(format!("`{}` has a gantz.yaml already", dir.display()))
            .hint("`gantz init DIR` starts a project in another folder"));
    }
    for (name, content) in files(template) {
        let path = dir.join(name);
        let shown = path.strip_prefix(".").unwrap_or(&path).display();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
        }
        if path.exists() {
            print(&format!("kept   {shown}"));
        } else {
            fs::write(&path, content).map_err(|error| cannot(&path, error))?;
            print(&format!("wrote  {shown}"));
        }
    }
    print("\nnext: `gantz check` lists the tools, `gantz run TOOL --help` shows what one takes");
    Ok(ExitCode::SUCCESS)
}
