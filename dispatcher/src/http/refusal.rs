//! What the inside says, as problems.

use gantz_core::admit::Rejection;
use gantz_core::manifest::ParameterError;
use gantz_core::ports::{BlobError, PortError};
use serde_json::{Value, json};

use super::problem::Problem;
use super::problem_kind::ProblemKind;
use crate::retry::RetryError;
use crate::submit::SubmitError;
use crate::to_the_end::CutShort;

/// A full lane takes minutes to drain; asking more often than this helps nobody.
const BACKLOG_RETRY_AFTER_S: u64 = 10;
/// Backends throttle for moments.
const BACKEND_RETRY_AFTER_S: u64 = 1;

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let detail = error.to_string();
        match error {
            SubmitError::Rejected(rejection) => rejection.into(),
            SubmitError::TooLarge { .. } => Self::new(ProblemKind::TooLarge, detail),
            SubmitError::Conflict { id } => Self::new(ProblemKind::Conflict, detail).with("id", json!(id)),
            SubmitError::Backlog { .. } => {
                Self::new(ProblemKind::Backlog, detail).retry_after(BACKLOG_RETRY_AFTER_S)
            }
            SubmitError::Port(error) => error.into(),
        }
    }
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        let detail = error.to_string();
        match error {
            RetryError::Unknown(_) => Self::new(ProblemKind::NoSuchJob, detail),
            RetryError::Refused { id, .. } | RetryError::Otherwise { id, .. } => {
                Self::new(ProblemKind::NotRetried, detail).with("id", json!(id))
            }
            RetryError::Submit(error) => error.into(),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        match rejection {
            Rejection::UnknownTool { tool, suggestion } => {
                let problem = Self::new(ProblemKind::UnknownTool, detail).with("tool", json!(tool));
                suggestion.into_iter().fold(problem, |problem, name| problem.with("suggestion", json!(name)))
            }
            Rejection::Parameters { errors, .. } => {
                let errors: Vec<Value> = errors.iter().map(parameter_error).collect();
                Self::new(ProblemKind::InvalidParameters, detail).with("errors", json!(errors))
            }
            Rejection::Field { pointer, message } => Self::field(pointer, message),
        }
    }
}

impl From<CutShort> for Problem {
    fn from(error: CutShort) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a request was cut short");
        Self::new(ProblemKind::Internal, error.to_string())
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        if !error.is_said() {
            tracing::error!(%error, "the backend failed a request");
        }
        let problem = Self::new(ProblemKind::BackendUnavailable, format!("the backend failed: {error}"));
        if error.is_transient() { problem.retry_after(BACKEND_RETRY_AFTER_S) } else { problem }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Port(error) => error.into(),
            lost => {
                tracing::error!(error = %lost, "failed to read a result");
                Self::new(ProblemKind::ResultLost, lost.to_string())
            }
        }
    }
}

fn parameter_error(error: &ParameterError) -> Value {
    json!({
        "pointer": format!("/parameters{}", error.pointer),
        "code": error.code,
        "detail": error.message,
    })
}
