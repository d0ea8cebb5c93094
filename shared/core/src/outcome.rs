//! What came of one run of a tool. Outcomes are data; whether attempts remain is [`settle`](crate::settle)'s business.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits;

/// How a tool's run ended.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Outcome {
    /// The tool did its work; the value is the job's result.
    Done(Value),
    /// The tool did not do its work.
    Failed(Failure),
    /// The tool asks to run later. This consumes no attempt.
    Deferred {
        /// Milliseconds from now, at most [`limits::POSTPONE_MAX_MS`].
        delay_ms: u64,
        /// Why, for people.
        why: String,
    },
    /// The tool saw that it was asked to stop, and stopped.
    Cancelled,
}

impl Outcome {
    /// A failure that another attempt cannot mend.
    pub fn permanent(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Failed(Failure::permanent(kind, message))
    }

    /// A failure that another attempt may mend, after the tool's usual backoff.
    pub fn transient(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Failed(Failure::transient(kind, message))
    }
}

/// A failed run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class of the failure, stable and for programs.
    pub kind: ErrorKind,
    /// What went wrong, for people; cut to [`limits::ERROR_MESSAGE_MAX_BYTES`] when recorded.
    pub message: String,
    /// Whether another attempt makes sense.
    pub retry: Retry,
    /// Whether what the tool was to bring about may have happened all the same.
    pub effect: Effect,
}

impl Failure {
    /// A failure whose effect follows from its kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>, retry: Retry) -> Self {
        Self { kind, message: message.into(), retry, effect: Effect::ByKind }
    }

    /// One that another attempt cannot mend.
    pub fn permanent(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, message, Retry::Never)
    }

    /// One that another attempt may mend, after the tool's usual backoff.
    pub fn transient(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::new(kind, message, Retry::Backoff)
    }

    /// The same failure, of a call whose answer got lost: it may or may not have been carried out.
    #[must_use]
    pub fn in_doubt(self) -> Self {
        Self { effect: Effect::InDoubt, ..self }
    }
}

/// What a failed run leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// None, unless the failure is of a [kind that leaves doubt](ErrorKind::leaves_doubt).
    ByKind,
    /// Nobody knows: a call was sent and its answer got lost.
    InDoubt,
}

/// Whether and when a failed job may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Another attempt would fail the same way.
    Never,
    /// After the delay that the tool's retry policy gives.
    Backoff,
    /// Not before this many milliseconds have passed: the dependency said so.
    After(u64),
}

/// The class of a failure: stable names that programs may match on, a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The submission is wrong: its parameters do not fit the tool, or another field holds what it cannot.
    Invalid,
    /// The manifest has no such tool.
    UnknownTool,
    /// The submission is larger than what is accepted.
    TooLarge,
    /// The worker has no handler of the tool's name.
    HandlerUnavailable,
    /// The message on the queue is not an envelope that this version reads.
    Unparsable,
    /// The file, object, function or page does not exist.
    NotFound,
    /// The tool may not do this: a refused address, a folder outside the allowed ones, a missing permission.
    AccessDenied,
    /// The path leads to a folder, a pipe, a socket or a device.
    NotRegularFile,
    /// The file changed while it was read.
    ChangedDuringRead,
    /// The object that was announced has been overwritten since.
    Superseded,
    /// The attempt overran the tool's timeout and was stopped.
    Timeout,
    /// The tool panicked.
    Panic,
    /// The process that ran the attempt was killed, or lost its lease.
    WorkerLost,
    /// The dependency asked for fewer calls.
    Throttled,
    /// The dependency could not be reached or answered with a fault of its own.
    Unavailable,
    /// The program ended with a non-zero exit code, or by a signal.
    ExitStatus,
    /// The service answered with a status that is no success.
    HttpStatus,
    /// The function was called and failed by itself.
    FunctionError,
    /// The result is larger than what is kept.
    ResultTooLarge,
    /// The tool takes longer than its worker may live.
    DoesNotFit,
    /// The job came back from the dead letters too often.
    Undeliverable,
    /// The job was asked to stop.
    Cancelled,
    /// The job's deadline passed.
    DeadlinePassed,
    /// Anything else the tool reports, a result that breaks its promise among it.
    ToolError,
}

/// Why a job did not succeed, as recorded in its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobError {
    /// The class of the failure.
    pub kind: ErrorKind,
    /// What went wrong, for people.
    pub message: String,
}

impl ErrorKind {
    /// Whether what the tool was to bring about may have happened all the same: it was cut off, or its answer got lost.
    pub fn leaves_doubt(self) -> bool {
        matches!(self, Self::Timeout | Self::Panic | Self::WorkerLost)
    }
}

impl JobError {
    /// An error whose message is cut to [`limits::ERROR_MESSAGE_MAX_BYTES`], at a character's edge.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        truncate(&mut message, limits::ERROR_MESSAGE_MAX_BYTES);
        Self { kind, message }
    }
}

/// Cuts `text` to at most `max_bytes`, at a character's edge, and marks the cut with `…`.
pub fn truncate(text: &mut String, max_bytes: usize) {
    if text.len() <= max_bytes {
        return;
    }
    let mut end = max_bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push('…');
}
