//! Where a fleet's resources are, as its functions and workers are told through their environment.

use std::collections::BTreeMap;

use gantz_core::ids::QueueName;

/// The resources of one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The DynamoDB table of jobs, batches and limits.
    pub table: String,
    /// The S3 bucket of large parameters and results.
    pub bucket: String,
    /// The EventBridge bus that completion events go to: its name or ARN.
    pub event_bus: String,
    /// What every queue's URL begins with; see [`Settings::queue_url`].
    pub queue_url_prefix: String,
}

/// The environment lacks a setting, or one is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable `{variable}` {problem}")]
pub struct SettingsError {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it, and what would be right.
    pub problem: &'static str,
}

impl Settings {
    /// Variable of [`Settings::table`].
    pub const TABLE: &'static str = "GANTZ_TABLE";
    /// Variable of [`Settings::bucket`].
    pub const BUCKET: &'static str = "GANTZ_BUCKET";
    /// Variable of [`Settings::event_bus`].
    pub const EVENT_BUS: &'static str = "GANTZ_EVENT_BUS";
    /// Variable of [`Settings::queue_url_prefix`].
    pub const QUEUE_URL_PREFIX: &'static str = "GANTZ_QUEUE_URL_PREFIX";

    /// Reads the settings through `look_up`, which is the environment in a process and a table in a test.
    ///
    /// # Errors
    /// When a variable is missing or empty, naming it.
    pub fn read(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let read = |variable| {
            let value = look_up(variable).filter(|value| !value.is_empty());
            value.ok_or(SettingsError {
                variable,
                problem: "is not set: `gantz deploy` sets it for its functions",
            })
        };
        Ok(Self {
            table: read(Self::TABLE)?,
            bucket: read(Self::BUCKET)?,
            event_bus: read(Self::EVENT_BUS)?,
            queue_url_prefix: read(Self::QUEUE_URL_PREFIX)?,
        })
    }

    /// Reads the settings from a stack's outputs.
    ///
    /// # Errors
    /// With the name of the output that is missing.
    pub fn from_outputs(outputs: &BTreeMap<String, String>) -> Result<Self, &'static str> {
        let read = |output: &'static str| outputs.get(output).cloned().ok_or(output);
        Ok(Self {
            table: read("TableName")?,
            bucket: read("BlobsBucket")?,
            event_bus: read("EventBusName")?,
            queue_url_prefix: read("QueueUrlPrefix")?,
        })
    }

    /// The URL of a queue: the prefix and the queue's name, so that no call is needed to learn it.
    pub fn queue_url(&self, queue: &QueueName) -> String {
        format!("{}{queue}", self.queue_url_prefix)
    }
}
