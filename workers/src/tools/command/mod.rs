//! `command`: any program is a tool. Parameters in on stdin, result out on stdout.
//!
//! The program gets the parameters as one JSON object, on one line. Its arguments are [templates]: a parameter never
//! becomes more than a part of one argument, as no shell is involved (but a value may start with `-`, so put `--` first
//! where that matters). Its environment is `PATH`, `HOME`, `LANG`, `TZ` and `TMPDIR` of the worker, what the manifest
//! sets, `GANTZ_JOB_ID`, `GANTZ_ATTEMPT`, `GANTZ_TOOL` and `GANTZ_IDEMPOTENCY_KEY`, and `TRACEPARENT` for a job that belongs
//! to a trace; nothing else, so that a worker's credentials reach only the programs they are meant for.
//!
//! It runs in a process group of its own. Shortly before its time is up the group gets SIGTERM. When the program has
//! ended, or the call is dropped, whatever remains of the group gets SIGKILL. (A process that leaves the group, by
//! `setsid`, is out of reach.)
//!
//! How it ended decides what becomes of the job: the table is in `verdict.rs`.
//!
//! [templates]: gantz_core::manifest::template

pub(super) mod group;
mod pump;
pub(super) mod running;
pub(super) mod spawn;
mod verdict;

use std::ffi::OsString;
use std::path::PathBuf;

use gantz_core::limits::RESULT_MAX_BYTES;
use gantz_core::manifest::secret::{self, SecretError, SecretPart};
use gantz_core::manifest::template::TemplateError;
use gantz_core::manifest::{CommandOutput, CommandSpec};
use gantz_core::outcome::{ErrorKind, Outcome};
use gantz_core::tool::{Call, Tool};
use serde_json::{Map, Value};

use super::template::{Missing, Template};
use crate::secrets::Secrets;
use spawn::Launch;

/// Variables that a program gets from the worker: to find programs, its user's files, its language, its time zone and
/// room for temporary files.
const INHERITED_VARIABLES: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// A program as a tool.
#[derive(Debug, Clone)]
pub struct CommandTool {
    program: PathBuf,
    args: Vec<Template>,
    inherited: Vec<(OsString, OsString)>,
    env: Vec<(OsString, Vec<SecretPart>)>,
    secrets: Secrets,
    folder: PathBuf,
    output: CommandOutput,
    permanent: Vec<i32>,
    max_output_bytes: usize,
}

/// A manifest's `command` section cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandSpecError {
    /// An argument is no template.
    #[error("argument {index} of `{program}` is no template")]
    Argument {
        /// The program.
        program: String,
        /// Which argument, counted from 1.
        index: usize,
        /// What is wrong with it.
        source: TemplateError,
    },
    /// A variable names what is no secret.
    #[error("the variable `{name}`")]
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with its value.
        source: SecretError,
    },
}

impl CommandTool {
    /// The program that `spec` describes. Relative paths are below `base_dir`, the manifest's folder, which is also
    /// where the program runs unless `spec` names another. What its variables name is in `secrets`.
    ///
    /// # Errors
    /// When an argument is no template, or a variable names no secret.
    pub fn new(spec: CommandSpec, base_dir: PathBuf, secrets: Secrets) -> Result<Self, CommandSpecError> {
        let mut args = Vec::with_capacity(spec.args.len());
        for (index, arg) in (1..).zip(&spec.args) {
            args.push(Template::parse(arg).map_err(|source| CommandSpecError::Argument {
                program: spec.program.clone(),
                index,
                source,
            })?);
        }
        // A name without `/` stays as it is, to be looked up in PATH. A path must not depend on the program's folder.
        let base_dir = std::path::absolute(base_dir.join(".")).unwrap_or(base_dir);
        let is_path = spec.program.contains('/');
        let program = if is_path { base_dir.join(&spec.program) } else { PathBuf::from(&spec.program) };
        let mut env = Vec::with_capacity(spec.env.len());
        for (name, value) in spec.env {
            match secret::parts(&value) {
                Ok(parts) => env.push((OsString::from(name), parts)),
                Err(source) => return Err(CommandSpecError::Variable { name, source }),
            }
        }
        Ok(Self {
            program,
            args,
            inherited: inherited_env().collect(),
            env,
            secrets,
            folder: spec.cwd.map_or_else(|| base_dir.clone(), |cwd| base_dir.join(cwd)),
            output: spec.output,
            permanent: spec.permanent,
            max_output_bytes: usize::try_from(spec.max_output_bytes).unwrap_or(RESULT_MAX_BYTES),
        })
    }

    fn fill_args(&self, parameters: &Value) -> Result<Vec<String>, Missing> {
        let none = Map::new();
        let parameters = parameters.as_object().unwrap_or(&none);
        self.args.iter().map(|arg| arg.fill(parameters)).collect()
    }

    async fn env(&self, call: &Call<Value>) -> Result<Vec<(OsString, OsString)>, Outcome> {
        let mut env = self.inherited.clone();
        for (name, value) in &self.env {
            env.push((name.clone(), self.secrets.fill(value).await?.into()));
        }
        let of_the_call = [
            ("GANTZ_JOB_ID", call.job_id.to_string()),
            ("GANTZ_ATTEMPT", call.attempt.to_string()),
            ("GANTZ_TOOL", call.tool.clone()),
            ("GANTZ_IDEMPOTENCY_KEY", call.effect_key.to_string()),
        ];
        env.extend(call.trace.iter().map(|trace| ("TRACEPARENT".into(), trace.as_str().into())));
        env.extend(of_the_call.map(|(name, value)| (OsString::from(name), OsString::from(value))));
        Ok(env)
    }
}

/// What a program gets from the worker, whatever the manifest says.
pub(super) fn inherited_env() -> impl Iterator<Item = (OsString, OsString)> {
    INHERITED_VARIABLES.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)))
}

impl Tool for CommandTool {
    const HANDLER: &'static str = "command";
    type Parameters = Value;

    async fn run(&self, call: Call<Value>) -> Outcome {
        let args = match self.fill_args(&call.parameters) {
            Ok(args) => args,
            Err(missing) => return Outcome::permanent(ErrorKind::Invalid, missing.to_string()),
        };
        let env = match self.env(&call).await {
            Ok(env) => env,
            Err(lacking) => return lacking,
        };
        let launch = Launch { program: &self.program, args, env, folder: &self.folder };
        let running = match spawn::start(launch) {
            Ok(running) => running,
            Err(outcome) => return outcome,
        };
        // The line's end is for programs that read lines.
        let input = format!("{}\n", call.parameters);
        drop(call.parameters);
        let ended = running.finish(input.as_bytes(), self.max_output_bytes, call.timeout_ms).await;
        verdict::judge(&self.program, self.output, &self.permanent, ended)
    }
}
