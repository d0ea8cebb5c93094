//! What an error of the SDK means to a port's caller.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gantz_core::ports::PortError;

use crate::codes::{Said, said};

/// The error of a call, by what may be done about it: nothing is known of whether a transient one was applied.
pub(crate) fn port_error<E>(call: &'static str, error: &SdkError<E, Response>) -> PortError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().map(str::to_owned);
    let code = code.as_deref().unwrap_or_default();
    let message = match error.message() {
        Some(text) if !code.is_empty() => format!("{call}: {code}: {text}"),
        _ => format!("{call}: {}", DisplayErrorContext(error)),
    };
    let said = said(code);
    if said == Said::Throttled || status == Some(429) {
        return PortError::Throttled(message);
    }
    let passing = match error {
        SdkError::ServiceError(_) => said == Said::Passing || status.is_none_or(|status| status >= 500),
        // What could not be built will not be built the next time either.
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    };
    if passing { PortError::Transient(message) } else { PortError::Permanent(message) }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::operation::put_object::PutObjectError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        for (code, status, expect) in [
            // S3's words, and those of the services that speak JSON.
            ("ExpiredToken", 400, "Transient"),
            ("ExpiredTokenException", 400, "Transient"),
            ("RequestTimeTooSkewed", 403, "Transient"),
            ("InvalidSignatureException", 403, "Transient"),
            ("RequestTimeout", 400, "Transient"),
            ("InternalError", 500, "Transient"),
            ("SlowDown", 503, "Throttled"),
            ("ThrottlingException", 400, "Throttled"),
            ("", 429, "Throttled"),
            ("AccessDenied", 403, "Permanent"),
            ("InvalidToken", 400, "Permanent"),
            ("NoSuchBucket", 404, "Permanent"),
        ] {
            let error = PutObjectError::generic(ErrorMetadata::builder().code(code).message("why").build());
            let response = Response::new(status.try_into().unwrap(), SdkBody::empty());
            let found = format!("{:?}", port_error("PutObject", &SdkError::service_error(error, response)));
            assert!(found.starts_with(expect), "{code} {status}: {found}");
        }
    }
}
