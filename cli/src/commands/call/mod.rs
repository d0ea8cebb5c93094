//! `gantz run` and `gantz submit`: a tool's parameters become flags.

mod flags;
mod words;

use std::process::ExitCode;
use std::sync::Arc;

use gantz_core::ids::JobId;
use gantz_core::manifest::{Manifest, ToolSpec};
use gantz_dispatcher::failures::Records as _;
use serde_json::Value;

use self::words::Words;
use super::lanes::note_if_paused;
use super::status::{exit_code, job_end, note_if_idle};
use super::{Outcome, find_tool, interrupted, job_id, unknown};
use crate::args::{Common, Format};
use crate::error::{CliError, INTERRUPTED, USAGE};
use crate::project::Project;
use crate::session::Session;
use crate::shell;
use crate::signals::Signals;
use crate::summary::result_value;
use crate::tools;
use crate::view::{job_card, kind, print, print_json, shortened, table};

/// What the caller wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// The result, once there is one.
    Result,
    /// The job's id, unless told to wait.
    Id,
}

impl Wish {
    fn command(self) -> &'static str {
        match self {
            Self::Result => "run",
            Self::Id => "submit",
        }
    }
}

pub(super) async fn run(common: Common, words: Vec<String>, wish: Wish) -> Outcome {
    let Words { mut common, name, rest } = words::split(common, words)?;
    let Some(name) = name else {
        print(&format!("usage: gantz {} TOOL [--PARAMETER VALUE]…", wish.command()));
        return list_tools(&*Project::locate(&common)?.manifest()?, wish);
    };
    let manifest = manifest_for(&mut common, &name, &rest)?;
    let tool = find_tool(&manifest, &name)?;
    let matches = flags::command(tool, wish).try_get_matches_from(std::iter::once(&name).chain(&rest));
    let matches = match matches {
        Ok(matches) => matches,
        Err(error) => {
            // Help goes to stdout and is no failure; clap knows which is which.
            // A reader that went away is no error of ours.
            error.print().ok();
            return Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE)));
        }
    };
    flags::common(&matches, &mut common);
    let (project, format) = (Project::locate(&common)?, common.output);
    let submission = flags::submission(tool, &matches, shell::clock().now_ms());
    let submission = submission.map_err(|error| with_help(error, wish, tool))?;
    let mut signals = Signals::listen()?;
    let mut session = Session::open(&project, Arc::clone(&manifest)).await?;
    let wait = wish == Wish::Result || flags::waits(&matches);
    if wait && session.own().is_some() {
        tools::warn_of_missing(&project, &manifest, Some(&tool.name))?;
    }
    let outcome = tokio::select! {
        accepted = submit(&session, "/jobs", &submission) => accepted,
        () = signals.next() => Err(CliError::with_code(INTERRUPTED, "interrupted")),
    };
    let outcome = match outcome {
        Ok((id, _)) if wait => work_and_follow(&mut session, &id, wish, &mut signals, format).await,
        Ok((id, answer)) => leave(&session, &id, &answer, format).await,
        Err(error) => Err(error),
    };
    session.close(signals.next()).await;
    outcome.map_err(|error| with_help(error.name_places(|place| flags::flag_of(tool, place)), wish, tool))
}

/// Who gave something wrong may want to know what is right.
fn with_help(error: CliError, wish: Wish, tool: &ToolSpec) -> CliError {
    if !error.is_usage() {
        return error;
    }
    error.or_hint(|| format!("`gantz {} {} --help` lists what it takes", wish.command(), tool.name))
}

/// The manifest that the words behind the tool's name ask for, or else the one that was found without them. With that
/// one's tool in hand, what is given to a parameter of its own is not taken for a flag of ours.
fn manifest_for(common: &mut Common, name: &str, rest: &[String]) -> Result<Arc<Manifest>, CliError> {
    let found = Project::locate(common)?.manifest();
    let tool = found.as_ref().ok().and_then(|manifest| manifest.tool(name));
    let own = |flag: &str| tool.is_some_and(|tool| flags::takes_value(tool, flag));
    match words::manifest(rest, own) {
        Some(other) if !own("--manifest") => {
            common.manifest = Some(other.into());
            Project::locate(common)?.manifest()
        }
        _ => found,
    }
}

/// The job's id, and all that was answered.
pub(super) async fn submit(
    session: &Session,
    path: &str,
    submission: &Value,
) -> Result<(JobId, Value), CliError> {
    let answer = session.client.post(path, submission).await?;
    let id = job_id(answer.body.get("job_id").and_then(Value::as_str).unwrap_or_default())?;
    note_if_paused(session, &answer.body).await?;
    Ok((id, answer.body))
}

pub(super) async fn leave(session: &Session, id: &JobId, answer: &Value, format: Format) -> Outcome {
    match format {
        Format::Table => print(id.as_str()),
        Format::Json | Format::Jsonl => print_json(answer, format)?,
    }
    // Of a job that has ended, as an earlier submission may have, nothing is left to work on.
    if answer.get("finished_at").is_none() {
        note_if_idle(&session.reader, id).await?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn work_and_follow(
    session: &mut Session,
    id: &JobId,
    wish: Wish,
    signals: &mut Signals,
    format: Format,
) -> Outcome {
    session.work_on(id).await?;
    let session = &*session;
    tokio::select! {
        outcome = follow(session, id, wish, format) => outcome,
        () = signals.next() => {
            Err(interrupted(session, "job", id, &format!("`gantz cancel {id}` ends it")).await)
        }
    }
}

async fn follow(session: &Session, id: &JobId, wish: Wish, format: Format) -> Outcome {
    let job = session.reader.job(id).await?.ok_or_else(|| unknown(id))?;
    let job = job_end(&session.reader, job).await?;
    match (wish, result_value(&session.reader, &job).await?) {
        (Wish::Result, Some(Value::String(text))) if format == Format::Table => print(&text),
        (Wish::Result, Some(value)) => print_json(&value, format)?,
        (Wish::Result, None) => {
            let why = job.error.as_ref().map(|error| format!("{}: {}", kind(error), error.message));
            let status = job.status.as_str();
            let message = format!("job `{id}` is {status}: {}", why.unwrap_or_default());
            return Err(CliError::failed(message).hint(format!("`gantz why {id}` tells its story")));
        }
        (Wish::Id, _) if format == Format::Table => print(&job_card(&job).to_string()),
        (Wish::Id, _) => print_json(&job, format)?,
    }
    Ok(exit_code(job.status))
}

fn list_tools(manifest: &Manifest, wish: Wish) -> Outcome {
    let mut tools = table(["TOOL", "WHAT IT DOES"]);
    for tool in manifest.offered() {
        tools.add_row([&tool.name, &shortened(&tool.description, 80)]);
    }
    print(&format!("\n{tools}\n\n`gantz {} TOOL --help` shows what a tool takes", wish.command()));
    Ok(ExitCode::SUCCESS)
}
