//! How a function's process starts: trace, read, build, serve. What its binary adds is the backend and the tools.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use gantz_core::host::{Clock, Entropy};
use gantz_core::manifest::{Manifest, ManifestError};
use gantz_core::ports::Ports;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use super::{Duty, Function, Invocation};
use crate::machine;
use crate::process::Worker;
use crate::registry::{Registry, ToolSettings, Toolbox, ToolboxError};
use crate::secrets::Secrets;

/// Names the manifest, relative to the function's folder.
pub const CONFIG: &str = "GANTZ_CONFIG";
/// What is logged: a level of `error`, `warn`, `info`, `debug`, `trace`, or directives of `tracing`.
pub const LOG_FILTER: &str = "RUST_LOG";
/// A level alone, where there is no [`LOG_FILTER`].
pub const LOG_LEVEL: &str = "LOG_LEVEL";
/// Where Lambda unpacks a function.
const TASK_ROOT: &str = "LAMBDA_TASK_ROOT";

/// A function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The manifest is not there, or cannot be read.
    #[error("failed to read the manifest {path}; the variable `GANTZ_CONFIG` names another one")]
    Unreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A tool is wrong.
    #[error(transparent)]
    Toolbox(#[from] ToolboxError),
}

/// What the machine and the function's package give to its process.
#[derive(Debug)]
pub struct Project {
    /// The tools.
    pub manifest: Arc<Manifest>,
    /// The manifest's folder.
    pub base_dir: PathBuf,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// Where secrets are that the manifest names: the environment, until a store is added.
    pub secrets: Secrets,
}

/// Logs to stdout as JSON, one line each, with the ids of the delivery that it is about under `span`. Lambda's log lines are whole as soon as they are written: nothing is buffered.
pub fn trace(look_up: impl Fn(&str) -> Option<String>) {
    let wanted = [LOG_FILTER, LOG_LEVEL].into_iter().filter_map(look_up).find(|wanted| !wanted.is_empty());
    let filter = wanted.and_then(|wanted| EnvFilter::try_new(wanted).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_span_list(false).init();
}

impl Project {
    /// Reads the manifest that the environment names: `gantz.yaml` in the function's folder, unless it says otherwise.
    ///
    /// # Errors
    /// When there is no manifest, or it is wrong.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, StartError> {
        let root = PathBuf::from(look_up(TASK_ROOT).unwrap_or_default());
        let name = look_up(CONFIG).filter(|name| !name.is_empty());
        let path = root.join(name.as_deref().unwrap_or("gantz.yaml"));
        let text = std::fs::read_to_string(&path)
            .map_err(|source| StartError::Unreadable { path: path.clone(), source })?;
        let manifest = Manifest::parse(&path.display().to_string(), &text)?;
        let base_dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(Self {
            manifest: Arc::new(manifest),
            base_dir,
            secrets: Secrets::of_environment(machine::clock()),
            clock: machine::clock(),
            entropy: machine::entropy(),
        })
    }

    /// The function over this backend and with these handlers, for the fleet whose queues' URLs begin with
    /// `queue_url_prefix`.
    ///
    /// # Errors
    /// When a tool of the manifest is refused.
    pub fn function(
        self,
        duty: Duty,
        ports: Ports,
        registry: &Registry,
        queue_url_prefix: &str,
    ) -> Result<Function, StartError> {
        let settings =
            ToolSettings { secrets: self.secrets, ..ToolSettings::new(self.base_dir, &self.clock) };
        let tools = Toolbox::build(&self.manifest, registry, &settings)?;
        if duty == Duty::Jobs {
            // A built-in tool that nobody wrote down may well be of no use here.
            let written = |name: &str| self.manifest.tools().any(|spec| spec.name == name);
            for (tool, handler) in tools.missing().filter(|(tool, _)| written(tool)) {
                tracing::warn!(tool, handler, "this binary lacks the handler: jobs of the tool will fail");
            }
        }
        // Unique to this process, as two owners of a lease must never be alike. The log tells whose name it is.
        let name = format!("{:016x}", self.entropy.next());
        tracing::info!(worker = name, manifest = self.manifest.name(), ?duty, "started");
        let worker = Worker::new(ports, tools, self.clock, self.entropy, name);
        // An event names its queue by its ARN, which has the queue's name, but not the rest of its URL.
        let name_prefix = queue_url_prefix.rsplit('/').next().unwrap_or_default();
        Ok(Function::new(duty, worker, self.manifest, name_prefix.to_owned()))
    }
}

/// Answers invocations until Lambda ends the process.
///
/// # Errors
/// When the runtime's interface fails.
pub async fn serve(function: Function) -> Result<(), lambda_runtime::Error> {
    let function = &function;
    let answer = service_fn(move |event: LambdaEvent<Value>| async move {
        let (event, context) = event.into_parts();
        let invocation = Invocation::new(context.request_id, context.deadline);
        let answer = function.handle(event, &invocation).await;
        if let Err(error) = &answer {
            tracing::error!(%error, request_id = invocation.request_id, "refused an event");
        }
        write_out(&function.metrics()).map_err(|error| diagnostic("WriteError", &error))?;
        answer.map_err(|error| diagnostic("EventError", &error))
    });
    lambda_runtime::run(answer).await
}

fn diagnostic(kind: &str, error: &dyn std::error::Error) -> Diagnostic {
    Diagnostic { error_type: kind.to_owned(), error_message: error.to_string() }
}

/// How the process ends. Why it could not start is in the log, with all its causes.
pub fn report(end: Result<(), lambda_runtime::Error>) -> ExitCode {
    let Err(error) = end else { return ExitCode::SUCCESS };
    let causes: Vec<String> =
        std::iter::successors(error.source(), |cause| (*cause).source()).map(ToString::to_string).collect();
    tracing::error!(%error, ?causes, "the function cannot go on");
    ExitCode::FAILURE
}

fn write_out(lines: &[String]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}
