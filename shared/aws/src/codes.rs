//! What the services say by the codes of their errors. One table for all that read them: S3 has other words for a token
//! that is over or a clock that is off than the services that speak JSON.

/// What an error says by its code, whatever its status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// The service asks for fewer calls.
    Throttled,
    /// It passes: a token is about to be renewed, a clock to be set, another transaction to end.
    Passing,
    /// Who asks may not do this.
    Denied,
    /// Something of its own, or nothing.
    Other,
}

/// Reads a code.
pub(crate) fn said(code: &str) -> Said {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown" => Said::Throttled,
        "RequestTimeout"
        | "RequestTimeoutException"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "TransactionInProgressException"
        | "TransactionConflictException" => Said::Passing,
        "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "UnrecognizedClientException" => {
            Said::Denied
        }
        _ => Said::Other,
    }
}
