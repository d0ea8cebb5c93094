//! Every kind of problem the door answers with: stable names that programs may match on.

use axum::http::StatusCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    InvalidJson,
    TooDeep,
    InvalidField,
    InvalidParameters,
    UnknownTool,
    InvalidQuery,
    InvalidHeader,
    InvalidId,
    Unauthorized,
    Forbidden,
    NotFound,
    NoSuchJob,
    MethodNotAllowed,
    Conflict,
    NotSucceeded,
    NotRetried,
    TooLarge,
    UnsupportedMediaType,
    Backlog,
    ToolFailed,
    ResultLost,
    Internal,
    BackendUnavailable,
    InsufficientTime,
    TimedOut,
}

/// What a kind of problem is.
pub(super) struct Facts {
    /// The end of its `type`: `urn:gantz:problem:<slug>`. Never changes. Where a job's error has a name for the same, it is
    /// that name; several kinds may share one, and tell themselves apart by their titles.
    pub(super) slug: &'static str,
    pub(super) status: StatusCode,
    /// The same for every occurrence.
    pub(super) title: &'static str,
    /// When it happens and what to do, for the description of the API.
    pub(super) meaning: &'static str,
}

impl ProblemKind {
    pub(super) const ALL: [Self; 25] = [
        Self::InvalidJson,
        Self::TooDeep,
        Self::InvalidField,
        Self::InvalidParameters,
        Self::UnknownTool,
        Self::InvalidQuery,
        Self::InvalidHeader,
        Self::InvalidId,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::NoSuchJob,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::NotSucceeded,
        Self::NotRetried,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Backlog,
        Self::ToolFailed,
        Self::ResultLost,
        Self::Internal,
        Self::BackendUnavailable,
        Self::InsufficientTime,
        Self::TimedOut,
    ];

    pub(super) fn facts(self) -> Facts {
        let (slug, status, title, meaning) = match self {
            Self::InvalidJson => (
                "invalid",
                StatusCode::BAD_REQUEST,
                "The body is not a JSON object",
                "`line` and `column` say where it stops being JSON.",
            ),
            Self::TooDeep => (
                "invalid",
                StatusCode::BAD_REQUEST,
                "The body is nested too deeply",
                "Flatten the parameters, or put them into a file.",
            ),
            Self::InvalidField => (
                "invalid",
                StatusCode::BAD_REQUEST,
                "A field of the submission is wrong",
                "`errors` says which field, and what would be right.",
            ),
            Self::InvalidParameters => (
                "invalid",
                StatusCode::BAD_REQUEST,
                "The parameters do not fit the tool",
                "`errors` has a JSON pointer and a code for each misfit, twenty at most.",
            ),
            Self::UnknownTool => (
                "unknown_tool",
                StatusCode::BAD_REQUEST,
                "There is no such tool",
                "`suggestion` is the tool that was probably meant, if there is one. `GET /tools` lists all.",
            ),
            Self::InvalidQuery => (
                "invalid",
                StatusCode::BAD_REQUEST,
                "A query parameter is wrong",
                "`parameter` says which one.",
            ),
            Self::InvalidHeader => {
                ("invalid", StatusCode::BAD_REQUEST, "A header is wrong", "`header` says which one.")
            }
            Self::InvalidId => (
                "invalid",
                StatusCode::BAD_REQUEST,
                "The id is none",
                "Ids are 8 to 64 of A-Z a-z 0-9 . _ -.",
            ),
            Self::Unauthorized => (
                "unauthorized",
                StatusCode::UNAUTHORIZED,
                "The token is missing or wrong",
                "A server that is open to other machines asks for `Authorization: Bearer TOKEN`.",
            ),
            Self::Forbidden => (
                "forbidden",
                StatusCode::FORBIDDEN,
                "Requests of this origin are refused",
                "`Host` or `Origin` carries a name that the server was not told to serve.",
            ),
            Self::NotFound => (
                "not_found",
                StatusCode::NOT_FOUND,
                "There is nothing here",
                "No such path. `GET /openapi.json` lists those that there are.",
            ),
            Self::NoSuchJob => (
                "no_such_job",
                StatusCode::NOT_FOUND,
                "There is no such job",
                "Nor such a batch. Records of ended jobs are kept for a while only.",
            ),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The method cannot be used here",
                "`Allow` lists the methods that can.",
            ),
            Self::Conflict => (
                "conflict",
                StatusCode::CONFLICT,
                "The id or key belongs to another submission",
                "The same id or key was accepted with other contents, which are untouched.",
            ),
            Self::NotSucceeded => (
                "not_succeeded",
                StatusCode::CONFLICT,
                "The job has no result",
                "`job_status` says whether it has not ended yet, or ended otherwise; then `kind` and `message` say why.",
            ),
            Self::NotRetried => (
                "conflict",
                StatusCode::CONFLICT,
                "The job is not retried",
                "It has not ended, has succeeded, may have done already what must not happen twice, or nobody kept its \
                 parameters. Nothing was recorded.",
            ),
            Self::TooLarge => (
                "too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                "The submission is too large",
                "Put the data into a file and pass its name.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON",
                "Send `Content-Type: application/json`, or none, and no `Content-Encoding`.",
            ),
            Self::Backlog => (
                "backlog_full",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many jobs are queued",
                "Nothing was recorded. Try again after `Retry-After` seconds.",
            ),
            Self::ToolFailed => (
                "tool_error",
                StatusCode::INTERNAL_SERVER_ERROR,
                "The job did not succeed",
                "`job_status`, `kind` and `message` say how it ended.",
            ),
            Self::ResultLost => (
                "result_lost",
                StatusCode::INTERNAL_SERVER_ERROR,
                "The result cannot be read",
                "The job succeeded, but what it stored is gone or damaged.",
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "The server failed",
                "A fault of Gantz. Submitting again under the same id or key is safe.",
            ),
            Self::BackendUnavailable => (
                "unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                "The backend failed",
                "The call may have taken effect or not. Submitting again under the same id or key is safe; with \
                 `Retry-After`, it may help.",
            ),
            Self::InsufficientTime => (
                "insufficient_time",
                StatusCode::SERVICE_UNAVAILABLE,
                "Insufficient time remaining",
                "Nothing was recorded. Call again with more time, or submit with `POST /jobs` and poll.",
            ),
            Self::TimedOut => (
                "timeout",
                StatusCode::GATEWAY_TIMEOUT,
                "The job takes longer than the call may",
                "The job goes on: poll it at `Location`.",
            ),
        };
        Facts { slug, status, title, meaning }
    }

    pub(super) fn type_uri(self) -> String {
        format!("urn:gantz:problem:{}", self.facts().slug)
    }
}
