//! A submission: what a caller asks for, the same through every door.

use serde::Deserialize;
use serde_json::Value;

use crate::trace::TraceParent;

/// A job as submitted: the HTTP body, an EventBridge `detail`, an SQS body, a direct invoke.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// The tool's name in the manifest.
    pub tool: String,
    /// Its parameters; an empty object if left out.
    #[serde(default = "empty_object")]
    pub parameters: Value,
    /// The caller's own id for the job.
    #[serde(default)]
    pub job_id: Option<String>,
    /// What makes a repeated submission the same one.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Whose job it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The lane, instead of the tool's own.
    #[serde(default)]
    pub lane: Option<String>,
    /// When the job is no longer worth doing: milliseconds since the epoch, or RFC 3339.
    #[serde(default)]
    pub deadline: Option<Instant>,
    /// How long to wait before the first attempt: seconds, or a duration such as `"90s"` or `"5m"`.
    #[serde(default)]
    pub delay: Option<Span>,
    /// What to call the job in tables.
    #[serde(default)]
    pub label: Option<String>,
    /// The trace that the job belongs to, as W3C's header of that name has it.
    #[serde(default)]
    pub traceparent: Option<TraceParent>,
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A moment as callers write it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Instant {
    /// Milliseconds since the epoch.
    Millis(u64),
    /// RFC 3339.
    Text(String),
}

/// A length of time as callers write it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Span {
    /// Seconds.
    Seconds(f64),
    /// A number and a unit.
    Text(String),
}

impl JobSpec {
    /// A call of `tool` with `parameters`, and nothing else said.
    pub fn new(tool: impl Into<String>, parameters: Value) -> Self {
        Self {
            tool: tool.into(),
            parameters,
            job_id: None,
            idempotency_key: None,
            tenant: None,
            lane: None,
            deadline: None,
            delay: None,
            label: None,
            traceparent: None,
        }
    }

    /// What can be told of a call that is written wrongly: enough to record, under the id that it would have had, that
    /// it was refused. `None` if it names no tool.
    pub fn salvaged(asked: &Value) -> Option<Self> {
        let text = |name: &str| asked[name].as_str().map(str::to_owned);
        let parameters = asked.get("parameters").filter(|parameters| parameters.is_object());
        Some(Self {
            job_id: text("job_id"),
            idempotency_key: text("idempotency_key"),
            tenant: text("tenant"),
            lane: text("lane"),
            ..Self::new(text("tool")?, parameters.cloned().unwrap_or_else(empty_object))
        })
    }
}
