//! `gantz dlq`: messages that no worker could read, and submissions that became no jobs.

use std::process::ExitCode;

use gantz_core::ids::{Lane, QueueName};
use gantz_core::manifest::Manifest;
use serde_json::json;

use super::{Outcome, find_lane};
use crate::args::{Dlq, Format, SetAside};
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
        Dlq::Ls { from, limit } => list(project, &home(project, from)?, limit, format).await,
        Dlq::Show { id, from } => show(project, &id, &home(project, from)?, format).await,
        Dlq::Redrive { from, limit } => redrive(project, &home(project, from)?, limit, format).await,
    }
}

/// The queue that the messages come from.
fn home(project: &Project, from: SetAside) -> Result<QueueName, CliError> {
    if !from.ingest {
        return Lane::try_new(from.lane)
            .map(QueueName::Lane)
            .map_err(|error| CliError::usage(error.to_string()));
    }
    if project.stack.is_none() {
        return Err(CliError::usage(
            "on one machine every submission is answered, so that none is set aside",
        )
        .hint("`--stack` names the stack whose submissions are meant"));
    }
    Ok(QueueName::Ingest)
}

async fn list(project: &Project, home: &QueueName, limit: usize, format: Format) -> Outcome {
    let letters = Reader::open(project).await?.dead_letters(home, limit).await?;
    // A lane that the manifest has no more may have letters still. One without any is a slip.
    if letters.is_empty()
        && let Ok(manifest) = project.manifest()
    {
        known(&manifest, home)?;
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

async fn show(project: &Project, id: &str, home: &QueueName, format: Format) -> Outcome {
    let letters = Reader::open(project).await?.dead_letters(home, LETTERS_MAX).await?;
    let Some(letter) = letters.into_iter().find(|letter| letter.message_id == id) else {
        let message = format!("{} has no dead letter `{id}`", in_words(home));
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

async fn redrive(project: &Project, home: &QueueName, limit: usize, format: Format) -> Outcome {
    known(&*project.manifest()?, home)?;
    let redriven = match (&project.stack, home) {
        (Some(name), _) => {
            let stack = stack::connect(&project.aws, name).await?;
            reader::redrive(&stack.ports, home, limit).await?
        }
        (None, QueueName::Lane(lane)) => node::join(project)?.redrive(lane, limit).await? as u64,
        (None, _) => 0,
    };
    match format {
        Format::Table => {
            print(&format!("sent to {} again: {}", in_words(home), count(redriven, "message")));
        }
        Format::Json | Format::Jsonl => print_json(&json!({ "redriven": redriven }), format)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(home: &QueueName) -> String {
    match home {
        QueueName::Lane(lane) => format!("lane `{lane}`"),
        other => format!("the queue `{other}`"),
    }
}

/// Nobody works off a lane that the manifest does not have.
fn known(manifest: &Manifest, home: &QueueName) -> Result<(), CliError> {
    let QueueName::Lane(lane) = home else { return Ok(()) };
    find_lane(manifest, lane.as_str()).map(|_| ())
}
