//! One tool, and the lanes that tools wait in.

use std::sync::Arc;

use serde_json::Value;

use super::{Handler, Parameters};
use crate::policy::ToolPolicy;

/// A tool as the manifest declares it.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    /// What callers call it: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it does, for people and for the models that choose among tools.
    pub description: String,
    /// What runs it.
    pub handler: Handler,
    /// The manifest allows it to make functions. Only with [`Handler::CREATE_FUNCTION`], which does nothing without.
    pub creates_functions: bool,
    /// What it takes.
    pub parameters: Parameters,
    /// How it is run.
    pub policy: ToolPolicy,
    /// The JSON Schema that its results promise to fit, if it says so.
    pub output: Option<Value>,
    pub(super) output_validator: Option<Arc<jsonschema::Validator>>,
}

impl ToolSpec {
    /// Checks a result against the tool's `output` schema; without one, everything fits.
    ///
    /// # Errors
    /// What does not fit, and where in the result.
    pub fn check_output(&self, result: &Value) -> Result<(), String> {
        let Some(validator) = &self.output_validator else { return Ok(()) };
        validator.validate(result).map_err(|error| match error.instance_path().as_str() {
            "" => error.masked_with("the result").to_string(),
            path => format!("{path}: {}", error.masked_with("the value")),
        })
    }
}

/// A lane: a queue of its own, with workers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSpec {
    /// Who works the lane on AWS.
    pub workers: LaneWorkers,
    /// Jobs of this lane that one worker process runs at once, 1 to [`LaneSpec::CONCURRENCY_MAX`].
    pub concurrency: u32,
    /// Messages that one invocation of a Lambda function takes at most, 1 to [`LaneSpec::BATCH_SIZE_MAX`]. A process that
    /// polls takes as many as it has room for.
    pub batch_size: u32,
    /// Milliseconds that an invocation of the lane's function may take, 1,000 to [`LaneSpec::FUNCTION_TIMEOUT_MAX_MS`];
    /// what its tools need if absent.
    pub function_timeout_ms: Option<u64>,
}

/// Who works a lane on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LaneWorkers {
    /// A Lambda function, or `gantz worker` beside it.
    #[default]
    Lambda,
    /// `gantz worker` alone.
    Container,
}

impl LaneSpec {
    /// The greatest concurrency: each running job holds a connection or a process.
    pub const CONCURRENCY_MAX: u32 = 10_000;
    /// The largest batch: what one receive call of SQS gives.
    pub const BATCH_SIZE_MAX: u32 = 10;
    /// A lane that says nothing: enough for tools that wait on a network, little enough for a laptop's programs.
    pub const DEFAULT: Self = Self {
        workers: LaneWorkers::Lambda,
        concurrency: 64,
        batch_size: Self::BATCH_SIZE_MAX,
        function_timeout_ms: None,
    };
    /// The longest that a Lambda function runs.
    pub const FUNCTION_TIMEOUT_MAX_MS: u64 = 900_000;
    /// What an invocation needs besides its tool: to claim, to record, to publish and to answer.
    pub const FUNCTION_MARGIN_MS: u64 = 5_000;
}
