//! `gantz check`: is the manifest right, and what does it offer?

use std::process::ExitCode;

use gantz_core::manifest::{Manifest, ToolSpec};
use serde_json::{Value, json};

use super::Outcome;
use crate::args::Format;
use crate::project::Project;
use crate::tools::missing;
use crate::view::{count, duration, note, print, print_json, shortened, table};

pub(super) fn run(project: &Project, format: Format) -> Outcome {
    let manifest = project.written_manifest()?;
    let warnings: Vec<String> = missing(project, &manifest)?.iter().map(ToString::to_string).collect();
    match format {
        Format::Table => {
            print(&describe(&manifest));
            warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
        }
        Format::Json | Format::Jsonl => print_json(&document(&manifest, &warnings), format)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(manifest: &Manifest) -> String {
    let mut tools = table(["TOOL", "HANDLER", "TIMEOUT", "ATTEMPTS", "LANE", "PARAMETERS", "WHAT IT DOES"])
        .sparing(&[4, 3, 2, 1]);
    for tool in manifest.offered() {
        tools.add_row([
            tool.name.as_str(),
            tool.handler.name(),
            &duration(tool.policy.timeout_ms),
            &tool.policy.retry.max_attempts().to_string(),
            tool.policy.lane.as_str(),
            &parameters(tool),
            &shortened(&tool.description, 60),
        ]);
    }
    let number = count(manifest.tools().count() as u64, "tool");
    format!("{} {}: {number}, no errors\n\n{tools}", manifest.name(), manifest.version())
}

/// Names, the optional ones in brackets.
fn parameters(tool: &ToolSpec) -> String {
    let names = tool.parameters.iter().map(|parameter| {
        if parameter.required { parameter.name.clone() } else { format!("[{}]", parameter.name) }
    });
    names.collect::<Vec<_>>().join(" ")
}

fn document(manifest: &Manifest, warnings: &[String]) -> Value {
    let tools = manifest.offered().map(|tool| {
        json!({
            "name": tool.name, "description": tool.description, "handler": tool.handler.name(),
            "timeout_ms": tool.policy.timeout_ms, "max_attempts": tool.policy.retry.max_attempts(),
            "effects": tool.policy.effects, "lane": tool.policy.lane, "parameters": tool.parameters.json_schema(),
        })
    });
    json!({
        "name": manifest.name(), "version": manifest.version(), "tools": tools.collect::<Vec<_>>(),
        "warnings": warnings,
    })
}
