//! `gantz template`: the CloudFormation template of the manifest's stack.

use std::process::ExitCode;

use serde_json::json;

use super::Outcome;
use crate::args::Format;
use crate::project::Project;
use crate::template::{render, warnings};
use crate::view::{note, print, print_json};

pub(super) fn run(project: &Project, format: Format) -> Outcome {
    let manifest = project.written_manifest()?;
    let (template, warnings) = (render(&manifest), warnings(&manifest));
    match format {
        Format::Table => {
            for warning in &warnings {
                note(&format!("warning: {warning}"));
            }
            print(template.trim_end());
        }
        Format::Json | Format::Jsonl => {
            print_json(&json!({ "template": template, "warnings": warnings }), format)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
