//! What an error of AWS means for a job.

use std::error::Error;
use std::io::ErrorKind as Io;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gantz_core::limits::POSTPONE_MAX_MS;
use gantz_core::outcome::{ErrorKind, Failure, Retry};
use gantz_core::ports::PortError;

use crate::codes::{Said, said};
use crate::error::port_error;

/// A refusal by a function's state, not by the request: it is being created, updated or restored.
const NOT_READY: [&str; 4] = [
    "ResourceConflictException",
    "ResourceNotReadyException",
    "SnapStartNotReadyException",
    "EFSMountTimeoutException",
];
/// A refusal of the request itself.
const INVALID: [&str; 7] = [
    "InvalidParameterException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "InvalidRuntimeException",
    "RequestTooLargeException",
    "UnsupportedMediaTypeException",
    "ValidationException",
];

/// The error of a call that changes nothing, or nothing more when it is repeated.
pub(super) fn failure<E>(call: &'static str, error: &SdkError<E, Response>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default();
    let status = error.raw_response().map(|response| response.status().as_u16());
    let (general, message) = match (port_error(call, error), error.message()) {
        (general, Some(said)) if !code.is_empty() => (general, format!("{call}: {code}: {said}")),
        (general, _) => {
            let message = general.to_string();
            (general, message)
        }
    };
    let retry = retry_after_ms(error).map_or(Retry::Backoff, Retry::After);
    let (kind, retry) = match general {
        PortError::Throttled(_) => (ErrorKind::Throttled, retry),
        PortError::Transient(_) | PortError::Full(_) => (ErrorKind::Unavailable, retry),
        PortError::Permanent(_) | PortError::Damaged(_) => refusal(code, status),
    };
    Failure::new(kind, message, retry)
}

/// As [`failure`], for a call that must not be repeated blindly: when no answer came, nobody knows whether it happened.
pub(super) fn effect_failure<E>(call: &'static str, error: &SdkError<E, Response>) -> Failure
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let failure = failure(call, error);
    if answered_or_never_sent(error) {
        return failure;
    }
    let message = format!("{}; it may or may not have happened", failure.message);
    Failure { message, ..failure }.in_doubt()
}

fn refusal(code: &str, status: Option<u16>) -> (ErrorKind, Retry) {
    if NOT_READY.contains(&code) {
        return (ErrorKind::Unavailable, Retry::Backoff);
    }
    let kind = match status {
        _ if code == "ResourceNotFoundException" => ErrorKind::NotFound,
        _ if INVALID.contains(&code) => ErrorKind::Invalid,
        Some(401 | 403) => ErrorKind::AccessDenied,
        _ if said(code) == Said::Denied => ErrorKind::AccessDenied,
        _ => ErrorKind::ToolError,
    };
    (kind, Retry::Never)
}

/// The wait that a service asks for, in whole seconds.
fn retry_after_ms<E>(error: &SdkError<E, Response>) -> Option<u64> {
    let seconds: u64 = error.raw_response()?.headers().get("retry-after")?.trim().parse().ok()?;
    (seconds > 0).then(|| seconds.saturating_mul(1_000).min(POSTPONE_MAX_MS))
}

fn answered_or_never_sent<E: Error + 'static>(error: &SdkError<E, Response>) -> bool {
    match error {
        SdkError::ServiceError(_) | SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(_) => causes(error).any(|cause| {
            let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            let never =
                [Io::ConnectionRefused, Io::HostUnreachable, Io::NetworkUnreachable, Io::AddrNotAvailable];
            kind.is_some_and(|kind| never.contains(&kind))
        }),
        _ => false,
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Parameters that cannot be right.
pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::permanent(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifies_refusals() {
        let check = |code, status, expect| assert_eq!(refusal(code, status), expect, "{code}");
        check("ResourceNotFoundException", Some(404), (ErrorKind::NotFound, Retry::Never));
        check("ResourceNotFoundException", Some(400), (ErrorKind::NotFound, Retry::Never));
        check("InvalidRequestContentException", Some(400), (ErrorKind::Invalid, Retry::Never));
        check("AccessDeniedException", Some(400), (ErrorKind::AccessDenied, Retry::Never));
        check("KMSDisabledException", Some(403), (ErrorKind::AccessDenied, Retry::Never));
        check("ResourceConflictException", Some(409), (ErrorKind::Unavailable, Retry::Backoff));
        check("CodeStorageExceededException", Some(400), (ErrorKind::ToolError, Retry::Never));
        check("", None, (ErrorKind::ToolError, Retry::Never));
    }
}
