//! What the function answers when it could not do what an event asked for.

use super::submission::Door;
use crate::submit::SubmitError;

/// What an event can be.
const EXPECTED: &str = "a request of HTTP (payload format 2.0 or 1.0), an EventBridge event `Gantz Job`, `Gantz Batch`, \
     `Scheduled Agent Task` or S3's `Object Created`, an S3 notification, a schedule's `gantz_schedule`, messages of SQS, \
     or a submission `{\"tool\", \"parameters\"}`";

/// An event was not handled. Its sender delivers it again, and in the end puts it into a dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum LambdaError {
    /// Nothing we know.
    #[error("{shape} is no event that is known here; expected {EXPECTED}")]
    UnknownEvent {
        /// What it looks like.
        shape: String,
    },
    /// It lacks what its kind needs.
    #[error("the event of `{}` is malformed: {problem}", door.as_str())]
    MalformedEvent {
        /// The door it came through.
        door: Door,
        /// What is wrong.
        problem: String,
    },
    /// What it asks for was refused, or could not be done.
    #[error("the submission through `{}` failed: {error}", door.as_str())]
    Submission {
        /// The door it came through.
        door: Door,
        /// Why.
        #[source]
        error: SubmitError,
    },
    /// Some of the objects it tells of were not handed on. The others were.
    #[error("{failed} of {all} uploads became no jobs: {reasons}")]
    Uploads {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
        /// Whether none of them will ever be.
        is_final: bool,
        /// Why, for the first few.
        reasons: String,
    },
    /// Messages that failed cannot be reported, because they came without an id.
    #[error("{failed} messages failed that have no id to report them by: {reason}")]
    Unreportable {
        /// How many.
        failed: usize,
        /// Why the first of them failed.
        reason: String,
    },
}

impl LambdaError {
    /// A stable name for the kind of error: Lambda's `errorType`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownEvent { .. } => "UnknownEvent",
            Self::MalformedEvent { .. } => "MalformedEvent",
            Self::Submission { error, .. } => match error {
                SubmitError::Rejected(_) => "Rejected",
                SubmitError::TooLarge { .. } => "TooLarge",
                SubmitError::Conflict { .. } => "Conflict",
                SubmitError::Backlog { .. } => "Backlog",
                SubmitError::Port(_) => "BackendFailed",
            },
            Self::Uploads { .. } => "UploadsFailed",
            Self::Unreportable { .. } => "UnreportableMessages",
        }
    }

    /// Whether the same event can never be handled. What the backend refuses may be a permission that somebody grants.
    pub fn is_final(&self) -> bool {
        match self {
            Self::UnknownEvent { .. } | Self::MalformedEvent { .. } => true,
            Self::Submission { error, .. } => error.is_final(),
            Self::Uploads { is_final, .. } => *is_final,
            Self::Unreportable { .. } => false,
        }
    }
}
