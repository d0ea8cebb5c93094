//! `aws_lambda.create_function`: makes a function from a package, where the process allows it.

mod package;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::create_function::CreateFunctionError;
use aws_sdk_lambda::types::{Environment, FunctionCode, FunctionConfiguration, Runtime};
use gantz_core::outcome::{ErrorKind, Failure, Outcome, Retry};
use gantz_core::ports::ByteSource;
use gantz_core::tool::{Call, Tool};
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::settings::CreateFunctionSettings;
use super::failure::{failure, invalid};
use crate::session::{LazySession, Session};

/// Time for the upload of a package of the largest size over a slow line.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(180);
/// What Lambda has: megabytes, and seconds.
const MEMORY_MB: std::ops::RangeInclusive<i32> = 128..=10_240;
const TIMEOUT_S: std::ops::RangeInclusive<i32> = 1..=900;
/// Which job made a function: by it a repetition knows its own work.
const JOB_TAG: &str = "GantzJobId";

/// The tool `aws_lambda.create_function`.
///
/// It is off unless the process's settings name a role and a place that packages may come from, because whoever may create
/// functions may run any code with that role. Repeating a job has no second effect: the function is tagged with the job's
/// id, and one that the same job made before is its result.
#[derive(Clone)]
pub struct CreateFunction {
    session: LazySession,
    settings: CreateFunctionSettings,
    files: Option<Arc<dyn ByteSource>>,
}

/// The parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct CreateFunctionParameters {
    /// The new function's name: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub function_name: String,
    /// Lambda's name of the runtime.
    #[serde(default = "default_runtime")]
    pub runtime: String,
    /// What Lambda calls: for Python `file.function`.
    pub handler: String,
    /// The package, a zip: a path below the allowed folder, or `s3://bucket/key` below the allowed prefix.
    pub code_path: String,
    /// Megabytes.
    #[serde(default = "default_memory")]
    pub memory: i32,
    /// Seconds.
    #[serde(default = "default_timeout")]
    pub timeout: i32,
}

fn default_runtime() -> String {
    "python3.11".into()
}

fn default_memory() -> i32 {
    256
}

fn default_timeout() -> i32 {
    30
}

impl CreateFunction {
    /// Creates functions in the session's region and account, as far as `settings` allow it.
    pub fn new(session: impl Into<LazySession>, settings: CreateFunctionSettings) -> Self {
        Self { session: session.into(), settings, files: None }
    }

    /// Packages with a path are read from `files`, which opens nothing outside the folder of the settings.
    #[must_use]
    pub fn with_files(mut self, files: impl ByteSource) -> Self {
        self.files = Some(Arc::new(files));
        self
    }

    async fn create(&self, call: Call<CreateFunctionParameters>) -> Result<Value, Failure> {
        let Call { job_id, parameters, .. } = call;
        check(&parameters)?;
        let role = self.settings.role()?;
        let code = self.code(&parameters.code_path).await?;
        let session = self.session.get().await;
        let function = match request(&session, role, code, job_id.as_str(), &parameters).await? {
            Made::New(function) => function,
            Made::Exists => own(&session, &parameters.function_name, job_id.as_str()).await?,
        };
        Ok(result(&function))
    }

    async fn code(&self, code_path: &str) -> Result<FunctionCode, Failure> {
        let builder = FunctionCode::builder();
        Ok(match self.settings.package(code_path)? {
            settings::Package::Object { bucket, key } => builder.s3_bucket(bucket).s3_key(key).build(),
            settings::Package::File { path } => {
                let files = self.files.clone().ok_or_else(|| {
                    Failure::permanent(
                        ErrorKind::AccessDenied,
                        "this process has no files to make functions from",
                    )
                })?;
                builder.zip_file(package::read(files, path).await?).build()
            }
        })
    }
}

impl Tool for CreateFunction {
    const HANDLER: &'static str = "aws_lambda.create_function";

    type Parameters = CreateFunctionParameters;

    async fn run(&self, call: Call<CreateFunctionParameters>) -> Outcome {
        self.create(call).await.map_or_else(Outcome::Failed, Outcome::Done)
    }
}

fn check(parameters: &CreateFunctionParameters) -> Result<(), Failure> {
    let CreateFunctionParameters { function_name, runtime, handler, memory, timeout, .. } = parameters;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !(1..=64).contains(&function_name.len()) || !function_name.bytes().all(word) {
        return Err(invalid("`function_name` is 1 to 64 of A-Z a-z 0-9 _ -"));
    }
    for (name, text) in [("runtime", runtime), ("handler", handler)] {
        if !(1..=128).contains(&text.len()) || text.contains(char::is_whitespace) {
            return Err(invalid(format!("`{name}` is 1 to 128 characters without spaces")));
        }
    }
    for (name, unit, value, range) in
        [("memory", "MB", memory, MEMORY_MB), ("timeout", "seconds", timeout, TIMEOUT_S)]
    {
        if !range.contains(value) {
            let (least, most) = (range.start(), range.end());
            return Err(invalid(format!("`{name}` is {value}, expected {least} to {most} {unit}")));
        }
    }
    Ok(())
}

/// What came of the request.
enum Made {
    New(Function),
    /// There is one of that name already.
    Exists,
}

/// A function, whichever call it comes from.
struct Function {
    name: Option<String>,
    arn: Option<String>,
    runtime: Option<String>,
    state: Option<String>,
}

async fn request(
    session: &Session,
    role: &str,
    code: FunctionCode,
    job_id: &str,
    parameters: &CreateFunctionParameters,
) -> Result<Made, Failure> {
    let request = session
        .lambda()
        .create_function()
        .function_name(&parameters.function_name)
        .runtime(Runtime::from(parameters.runtime.as_str()))
        .role(role)
        .handler(&parameters.handler)
        .code(code)
        .memory_size(parameters.memory)
        .timeout(parameters.timeout)
        .environment(Environment::builder().variables("GANTZ_ENABLED", "true").build())
        .tags("CreatedBy", "gantz-mcp")
        .tags("Purpose", "ai-agent")
        .tags(JOB_TAG, job_id);
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let patient = aws_sdk_lambda::Config::builder().timeout_config(timeouts);
    match request.customize().config_override(patient).send().await {
        Ok(made) => Ok(Made::New(Function {
            name: made.function_name,
            arn: made.function_arn,
            runtime: made.runtime.map(|runtime| runtime.as_str().to_owned()),
            state: made.state.map(|state| state.as_str().to_owned()),
        })),
        Err(error)
            if error.as_service_error().is_some_and(CreateFunctionError::is_resource_conflict_exception) =>
        {
            Ok(Made::Exists)
        }
        Err(error) => Err(failure("CreateFunction", &error)),
    }
}

/// The function of that name, if this job made it in an attempt whose answer got lost.
async fn own(session: &Session, name: &str, job_id: &str) -> Result<Function, Failure> {
    let found = session.lambda().get_function().function_name(name).send().await;
    let found = match found.map_err(|error| failure("GetFunction", &error)) {
        // It was there a moment ago: it is being deleted.
        Err(gone) if gone.kind == ErrorKind::NotFound => {
            return Err(Failure { retry: Retry::Backoff, ..gone });
        }
        found => found?,
    };
    let tag = found.tags().and_then(|tags| tags.get(JOB_TAG));
    match found.configuration {
        Some(function) if tag.is_some_and(|tag| tag == job_id) => Ok(function.into()),
        _ => Err(Failure::permanent(ErrorKind::ToolError, format!("Function {name} already exists"))),
    }
}

impl From<FunctionConfiguration> for Function {
    fn from(function: FunctionConfiguration) -> Self {
        Self {
            name: function.function_name,
            arn: function.function_arn,
            runtime: function.runtime.map(|runtime| runtime.as_str().to_owned()),
            state: function.state.map(|state| state.as_str().to_owned()),
        }
    }
}

fn result(function: &Function) -> Value {
    json!({
        "function_name": function.name,
        "function_arn": function.arn,
        "runtime": function.runtime,
        "state": function.state,
        "message": "Function created successfully",
    })
}
