//! `gantz import`: tools that somebody else has described.

mod definition;
mod edit;

use std::fs;
use std::process::ExitCode;

use gantz_core::manifest::Manifest;
use gantz_workers::mcp_tools;

use super::Outcome;
use crate::error::CliError;
use crate::project::Project;
use crate::tools;
use crate::view::{count, note, print};
use definition::{Definition, define};

/// Asks the server for its tools, and writes those into the manifest that it has not.
pub(super) async fn mcp(project: &Project, server: &str, print_only: bool) -> Outcome {
    let manifest = project.written_manifest()?;
    if !manifest.mcp_servers().any(|(name, _)| name == server) {
        let known: Vec<&str> = manifest.mcp_servers().map(|(name, _)| name).collect();
        let hint = match known.as_slice() {
            [] => format!(
                "add `mcp_servers: {{{server}: {{command: [npx, -y, some-server]}}}}` to the manifest"
            ),
            known => format!("it has {}", known.join(", ")),
        };
        return Err(CliError::usage(format!("the manifest has no MCP server `{server}`")).hint(hint));
    }
    let described =
        mcp_tools(&manifest, &tools::settings(project), server).await.map_err(CliError::failed)?;
    let (mut new, mut there) = (Vec::new(), 0);
    for tool in &described {
        match define(server, tool) {
            Ok(definition) if manifest.tools().any(|known| known.name == definition.name) => there += 1,
            Ok(definition) => new.push(definition),
            Err(why) => note(&format!("left out `{}`: {why}", tool["name"].as_str().unwrap_or_default())),
        }
    }
    if print_only {
        print(new.iter().map(|definition| edit::lines(definition, 2)).collect::<String>().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let path = &project.manifest_path;
    let text = fs::read_to_string(path).map_err(|error| cannot(project, "read", &error.to_string()))?;
    let (edited, new) = fitting(project, text, new)?;
    if !new.is_empty() {
        let unfinished = path.with_added_extension("part");
        let written = fs::write(&unfinished, edited).and_then(|()| fs::rename(&unfinished, path));
        written.map_err(|error| cannot(project, "write", &error.to_string()))?;
    }
    let there = if there > 0 { format!(", {there} were there before") } else { String::new() };
    print(&format!("imported {} of `{server}`{there}", count(new.len() as u64, "tool")));
    Ok(ExitCode::SUCCESS)
}

/// The manifest's text with those tools that it may have: whatever a server says, it stays a manifest.
fn fitting(
    project: &Project,
    mut text: String,
    new: Vec<Definition>,
) -> Result<(String, Vec<Definition>), CliError> {
    let name = project.manifest_path.display().to_string();
    let mut fitting = Vec::new();
    for definition in new {
        let edited = edit::with_tools(&text, std::slice::from_ref(&definition))
            .ok_or_else(|| cannot(project, "edit", "its `tools` are not one below the other"))?;
        match Manifest::parse(&name, &edited) {
            Ok(_) => {
                text = edited;
                fitting.push(definition);
            }
            Err(error) => {
                let why = error.to_string();
                note(&format!("left out `{}`: {}", definition.name, why.lines().next().unwrap_or_default()));
            }
        }
    }
    Ok((text, fitting))
}

fn cannot(project: &Project, what: &str, error: &str) -> CliError {
    CliError::failed(format!("cannot {what} `{}`: {error}", project.manifest_path.display()))
        .hint("`--print` prints the tools, to be put there by hand")
}
