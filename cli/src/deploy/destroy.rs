//! `gantz destroy`: the stack goes, its data stays or goes with it.

use std::process::ExitCode;

use gantz_aws::Session;
use gantz_aws::stack::{Retained, Stacks};
use serde_json::json;

use super::{delete, stack_name};
use crate::args::{Destroy, Format};
use crate::error::CliError;
use crate::project::Project;
use crate::view::{note, print, print_json};

/// Deletes the stack of the project, and its data if that is asked for.
pub(crate) async fn destroy(
    project: &Project,
    options: Destroy,
    format: Format,
) -> Result<ExitCode, CliError> {
    let name = stack_name(project, &*project.written_manifest()?);
    let session = project.aws.session().await;
    let stacks = Stacks::new(&session);
    let stack = stacks.find(&name).await?;
    let left_by = match &stack {
        Some(stack) => Some(stack.id.clone()),
        // The stack may have been deleted without its data, or something of it could not be.
        None if options.delete_data => stacks.last_deleted(&name).await?,
        None => None,
    };
    let Some(id) = left_by else {
        return Err(CliError::failed(format!("there is no stack `{name}`")));
    };
    let data = stacks.retained(&id).await?;
    if !options.yes {
        return Err(unconfirmed(&name, &data, options.delete_data));
    }
    if let Some(stack) = &stack {
        delete(&stacks, &name, stack, format).await?;
    }
    let (deleted, kept) = if options.delete_data { (data, Vec::new()) } else { (Vec::new(), data) };
    for part in &deleted {
        delete_data(&session, part, format).await?;
    }
    if format == Format::Table {
        kept.iter().for_each(|part| note(&format!("kept  {part}")));
        print(&format!("{name} is DELETE_COMPLETE"));
    } else {
        let region = stacks.region();
        let document = json!({
            "stack": name, "region": region, "status": "DELETE_COMPLETE", "deleted": deleted, "kept": kept,
        });
        print_json(&document, format)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unconfirmed(name: &str, data: &[Retained], delete_data: bool) -> CliError {
    let data = data.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let queues = format!("this deletes the stack `{name}` with its queues and messages");
    let (what, rest) = match (data.as_str(), delete_data) {
        ("", _) => (queues, "say so with `--yes`".into()),
        (data, true) => (
            format!("{queues}, and all that is in {data}"),
            "say so with `--yes`; nothing brings it back".into(),
        ),
        (data, false) => (queues, format!("say so with `--yes`; what stays: {data}")),
    };
    CliError::usage(what).hint(rest)
}

async fn delete_data(session: &Session, part: &Retained, format: Format) -> Result<(), CliError> {
    let progress = |objects| {
        if format == Format::Table {
            note(&format!("emptying  {part}  {objects} objects deleted"));
        }
    };
    let again = "mend it and run `gantz destroy --delete-data --yes` again: it goes on with what is left";
    part.delete(session, progress).await.map_err(|error| CliError::from(error).hint(again))?;
    if format == Format::Table {
        note(&format!("deleted  {part}"));
    }
    Ok(())
}
