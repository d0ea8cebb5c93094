//! The commands, one file each.

mod batch;
mod call;
mod cancel;
mod check;
mod dev;
mod dlq;
mod events;
mod import;
mod init;
mod jobs;
mod lanes;
mod mcp;
mod progress;
mod retry;
mod status;
mod template;
mod why;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use gantz_core::ids::{JobId, Lane};
use gantz_core::job::JobRecord;
use gantz_core::json::lossy_integer;
use gantz_core::manifest::{Manifest, ToolSpec, closest};
use gantz_dispatcher::failures::Records as _;
use serde_json::{Map, Value};

use crate::args::{Arguments, Command, Import};
use crate::deploy;
use crate::error::{CliError, INTERRUPTED};
use crate::node::DRAIN;
use crate::project::Project;
use crate::reader::Reader;
use crate::session::Session;
use crate::view;

/// What every command comes to.
pub(crate) type Outcome = Result<ExitCode, CliError>;

pub(crate) async fn execute(arguments: Arguments) -> Outcome {
    let common = arguments.common;
    let format = common.output;
    let project = Project::locate(&common)?;
    match arguments.command {
        Command::Init { template, dir } => init::run(template, &dir),
        Command::Check { explain } => check::run(&project, explain, format),
        Command::Dev { port, listen, cors_origin, watch, watch_tool, max_backlog } => {
            let options = dev::Options { port, listen, cors_origin, watch, watch_tool, max_backlog };
            dev::run(&project, options, format).await
        }
        Command::Run(call) => call::run(common, call.words, call::Wish::Result).await,
        Command::Submit(call) => call::run(common, call.words, call::Wish::Id).await,
        Command::Batch(batch) => batch::run(&project, *batch, format).await,
        Command::Status { id, watch } => status::run(&project, &id, watch, format).await,
        Command::Result { id } => status::result(&project, &id, format).await,
        Command::Cancel { id } => cancel::run(&project, &id, format).await,
        Command::Retry { id, even_if_it_ran, wait } => {
            retry::run(&project, &id, retry::Options { even_if_it_ran, wait }, format).await
        }
        Command::Jobs { status, tool, tenant, batch, limit } => {
            let parent = batch.map(|id| job_id(&id)).transpose()?;
            let filter = gantz_core::ports::JobFilter { status, tool, tenant, parent };
            jobs::run(&project, filter, limit, format).await
        }
        Command::Lanes => lanes::list(&project, format).await,
        Command::Pause { lane, duration_ms } => lanes::pause(&project, &lane, duration_ms, format).await,
        Command::Resume { lane } => lanes::resume(&project, &lane, format).await,
        Command::Why { id } => why::run(&project, &id, format).await,
        Command::Events { after, limit } => events::run(&project, after, limit, format).await,
        Command::Dlq(command) => dlq::run(&project, command, format).await,
        Command::Deploy(options) => deploy::deploy(&project, options, format).await,
        Command::Destroy(options) => deploy::destroy(&project, options, format).await,
        Command::Worker { lane, concurrency, drain, metrics, metrics_port } => {
            let drain = Duration::from_secs(drain);
            let options = worker::Options { lanes: lane, concurrency, drain, metrics, metrics_port };
            worker::run(&project, options).await
        }
        Command::Import(Import::Mcp { server, print }) => import::mcp(&project, &server, print).await,
        Command::Mcp => mcp::run(&project).await,
        Command::Template => template::run(&project, format),
        Command::Completions { shell } => {
            // Into memory first: what prints it knows that a reader may leave early.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "gantz", &mut script);
            view::print(&String::from_utf8_lossy(&script));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Says what the first signal has begun.
fn note_drain() {
    let seconds = DRAIN.as_secs();
    view::note(&format!("stopping: running jobs may finish for {seconds} s; Ctrl-C again stops them now"));
}

/// The tool of that name.
fn find_tool<'a>(manifest: &'a Manifest, name: &str) -> Result<&'a ToolSpec, CliError> {
    manifest.tool(name).ok_or_else(|| {
        let hint = manifest.suggest_tool(name).map_or_else(
            || "`gantz check` lists the tools".to_owned(),
            |like| format!("did you mean `{like}`?"),
        );
        CliError::usage(format!("there is no tool `{name}`")).hint(hint)
    })
}

/// The lane of that name, one of the manifest's.
fn find_lane<'a>(manifest: &'a Manifest, name: &str) -> Result<&'a Lane, CliError> {
    let names = || manifest.lanes().map(|(lane, _)| lane.as_str());
    let known = manifest.lanes().map(|(lane, _)| lane).find(|lane| lane.as_str() == name);
    known.ok_or_else(|| {
        let hint = match closest(name, names()) {
            Some(like) => format!("did you mean `{like}`?"),
            None => format!("the manifest has {}", names().collect::<Vec<_>>().join(", ")),
        };
        CliError::usage(format!("there is no lane `{name}`")).hint(hint)
    })
}

/// A flag's value that has to be a JSON object.
fn json_object(flag: &str, text: &str) -> Result<Map<String, Value>, CliError> {
    let what = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => match lossy_integer(text) {
            None => return Ok(object),
            Some(integer) => return Err(CliError::usage(format!("`{flag}`: {integer}"))),
        },
        Ok(Value::Array(_)) => "an array",
        Ok(Value::String(_)) => "a string",
        Ok(Value::Number(_)) => "a number",
        Ok(Value::Bool(_)) => "a boolean",
        Ok(Value::Null) => "null",
        Err(error) => return Err(CliError::usage(format!("`{flag}` is no JSON: {error}"))),
    };
    Err(CliError::usage(format!("`{flag}` is no JSON object, but {what}")))
}

/// The name that a JSON pointer begins with, and the rest of it.
fn first_step(pointer: &str) -> (&str, &str) {
    let path = pointer.strip_prefix('/').unwrap_or(pointer);
    path.split_at(path.find('/').unwrap_or(path.len()))
}

fn job_id(text: &str) -> Result<JobId, CliError> {
    JobId::try_new(text).map_err(|error| CliError::usage(error.to_string()))
}

/// What became of a job or batch whose command was told to stop. `alone` is what to do about it where nobody else goes
/// on with it.
async fn interrupted(session: &Session, what: &str, id: &JobId, alone: &str) -> CliError {
    let hint = match session.others_work_on(id).await {
        Ok(true) => {
            format!(
                "others go on with it; `gantz status --watch {id}` follows it, `gantz cancel {id}` ends it"
            )
        }
        Ok(false) => format!("it goes on with `gantz worker`; {alone}"),
        Err(error) => return error,
    };
    CliError::with_code(INTERRUPTED, format!("interrupted; {what} `{id}` is kept")).hint(hint)
}

fn unknown(id: &JobId) -> CliError {
    CliError::failed(format!("there is no job or batch `{id}`")).hint("`gantz jobs` lists the newest")
}

/// The job of that id, for commands that tell something about a single one.
async fn single_job(reader: &Reader, id: &JobId) -> Result<JobRecord, CliError> {
    if let Some(job) = reader.job(id).await? {
        return Ok(job);
    }
    match reader.batch(id).await? {
        Some(_) => Err(CliError::failed(format!("`{id}` is a batch"))
            .hint(format!("`gantz status {id}` shows it, `gantz jobs --batch {id}` lists its jobs"))),
        None => Err(unknown(id)),
    }
}
