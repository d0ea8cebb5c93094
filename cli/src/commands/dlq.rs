//! `gantz dlq`: messages that no worker could read.

use std::process::ExitCode;

use gantz_core::ids::Lane;
use gantz_core::manifest::{Manifest, closest};
use serde_json::json;

use super::Outcome;
use crate::args::{Dlq, Format};
use crate::error::CliError;
use crate::node;
use crate::project::Project;
use crate::reader::{self, Reader};
use crate::stack;
use crate::view::{Rows, count, moment, print, print_json, print_list, shortened, table};

/// Letters among which one is looked for.
const LETTERS_MAX: usize = 10_000;

pub(super) async fn run(project: &Project, command: Dlq, format: Format) -> Outcome {
    match command {
        Dlq::Ls { lane, limit } => list(project, &lane, limit, format).await,
        Dlq::Show { id, lane } => show(project, &id, &lane, format).await,
        Dlq::Redrive { lane, limit } => redrive(project, &lane, limit, format).await,
    }
}

async fn list(project: &Project, lane: &str, limit: usize, format: Format) -> Outcome {
    let lane = checked(lane)?;
    let letters = Reader::open(project).await?.dead_letters(&lane, limit).await?;
    // A lane that the manifest has no more may have letters still. One without any is a slip.
    if letters.is_empty()
        && let Ok(manifest) = project.manifest()
    {
        known(&manifest, &lane)?;
    }
    match format {
        Format::Table if letters.is_empty() => print("no dead letters"),
        Format::Table => {
            let mut rows = table(["MESSAGE", "SENT", "WHY", "BODY"]);
            for letter in &letters {
                rows.add_row([
                    letter.message_id.as_str(),
                    &moment(letter.sent_at_ms),
                    &shortened(&letter.reason, 80),
                    &shortened(&letter.body, 60),
                ]);
            }
            print(&rows.to_string());
        }
        Format::Json | Format::Jsonl => print_list(&letters, format)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(project: &Project, id: &str, lane: &str, format: Format) -> Outcome {
    let lane = checked(lane)?;
    let letters = Reader::open(project).await?.dead_letters(&lane, LETTERS_MAX).await?;
    let Some(letter) = letters.into_iter().find(|letter| letter.message_id == id) else {
        let message = format!("lane `{lane}` has no dead letter `{id}`");
        return Err(CliError::failed(message).hint("`gantz dlq ls` lists them, `--lane` names another lane"));
    };
    match format {
        Format::Table => {
            let mut rows = Rows::card();
            rows.add_row(["message", &letter.message_id]);
            rows.add_row(["sent", &moment(letter.sent_at_ms)]);
            rows.add_row(["why", &letter.reason]);
            print(&format!("{rows}\n\n{}", letter.body));
        }
        Format::Json | Format::Jsonl => print_json(&letter, format)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn redrive(project: &Project, lane: &str, limit: usize, format: Format) -> Outcome {
    let lane = checked(lane)?;
    known(&*project.manifest()?, &lane)?;
    let redriven = match &project.stack {
        Some(name) => {
            let stack = stack::connect(&project.aws, name).await?;
            reader::redrive(&stack.ports, &lane, limit).await?
        }
        None => node::join(project)?.redrive(&lane, limit).await? as u64,
    };
    match format {
        Format::Table => print(&format!("sent to lane `{lane}` again: {}", count(redriven, "message"))),
        Format::Json | Format::Jsonl => print_json(&json!({ "redriven": redriven }), format)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Nobody works off a lane that the manifest does not have.
fn known(manifest: &Manifest, lane: &Lane) -> Result<(), CliError> {
    if manifest.lanes().any(|(known, _)| known == lane) {
        return Ok(());
    }
    let names: Vec<&str> = manifest.lanes().map(|(lane, _)| lane.as_str()).collect();
    let hint = match closest(lane.as_str(), names.iter().copied()) {
        Some(like) => format!("did you mean `{like}`?"),
        None => format!("the manifest has {}", names.join(", ")),
    };
    Err(CliError::usage(format!("there is no lane `{lane}`")).hint(hint))
}

fn checked(lane: &str) -> Result<Lane, CliError> {
    Lane::try_new(lane).map_err(|error| CliError::usage(error.to_string()))
}
