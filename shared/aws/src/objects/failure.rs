//! What an error of S3 means to a reader.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gantz_core::ports::SourceError;

use crate::codes::{Said, said};

const CHANGED: &str = "the object was changed while it was read";

type GetError = SdkError<GetObjectError, Response>;

/// Why an object could not be opened, which is perhaps to have a certain content.
pub(super) fn open_error(place: String, error: GetError) -> SourceError {
    match meaning_of(&error) {
        Meaning::Changed => SourceError::Superseded { place },
        _ => source_error(place, error),
    }
}

/// Why a call for more of an opened object's bytes failed.
pub(super) fn source_error(place: String, error: GetError) -> SourceError {
    match meaning_of(&error) {
        Meaning::NotFound => SourceError::NotFound { place },
        Meaning::Forbidden(why) => SourceError::Forbidden { place, why },
        Meaning::Invalid(why) => SourceError::Invalid { place, why },
        Meaning::Throttled => {
            let after = error.raw_response().and_then(|response| response.headers().get("retry-after"));
            let seconds = after.and_then(|seconds| seconds.parse::<u64>().ok());
            let retry_after_ms = seconds.map(|seconds| seconds.saturating_mul(1000));
            SourceError::Throttled { place, retry_after_ms }
        }
        Meaning::Changed => SourceError::Unavailable { place, source: CHANGED.into() },
        Meaning::Unavailable => SourceError::Unavailable { place, source: error.into() },
    }
}

fn meaning_of(error: &GetError) -> Meaning {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let unbuilt = matches!(error, SdkError::ConstructionFailure(_));
    meaning(error.code().unwrap_or_default(), status, unbuilt)
}

#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    NotFound,
    Forbidden(&'static str),
    Invalid(&'static str),
    Throttled,
    /// The same place will have other bytes the next time.
    Changed,
    Unavailable,
}

fn meaning(code: &str, status: Option<u16>, unbuilt: bool) -> Meaning {
    if unbuilt {
        return Meaning::Invalid("no request can be made of it, give a bucket and a key that are not empty");
    }
    match said(code) {
        Said::Throttled => return Meaning::Throttled,
        // Their statuses say the opposite of what they mean.
        Said::Passing => return Meaning::Unavailable,
        Said::Denied => {
            return Meaning::Forbidden(
                "access is denied; reading needs `s3:GetObject`, of a version `s3:GetObjectVersion`, and `s3:ListBucket` to tell what is missing",
            );
        }
        Said::Other => {}
    }
    match (code, status) {
        ("NoSuchKey" | "NoSuchBucket" | "NotFound" | "NoSuchVersion", _) => Meaning::NotFound,
        ("PreconditionFailed", _) => Meaning::Changed,
        // The version that is asked for says that the object was deleted.
        ("MethodNotAllowed", _) => Meaning::NotFound,
        ("InvalidArgument", Some(400)) => {
            Meaning::Invalid("S3 refuses its version, give one that was listed for it")
        }
        ("InvalidObjectState", _) => Meaning::Invalid("it is archived, restore it first"),
        ("InvalidBucketName" | "KeyTooLongError" | "InvalidURI", _) => {
            Meaning::Invalid("S3 refuses its name")
        }
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
        | (_, Some(301)) => Meaning::Invalid("its bucket is in another region than the one configured"),
        (_, Some(404)) => Meaning::NotFound,
        (_, Some(412)) => Meaning::Changed,
        (_, Some(429)) => Meaning::Throttled,
        (_, Some(403)) => Meaning::Forbidden("access is denied"),
        _ => Meaning::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_meanings() {
        for (code, status, expect) in [
            ("NoSuchKey", Some(404), "NotFound"),
            ("NoSuchBucket", Some(404), "NotFound"),
            ("", Some(404), "NotFound"),
            ("AccessDenied", Some(403), "Forbidden"),
            ("InvalidAccessKeyId", Some(403), "Forbidden"),
            ("ExpiredToken", Some(400), "Unavailable"),
            ("RequestTimeTooSkewed", Some(403), "Unavailable"),
            ("SlowDown", Some(503), "Throttled"),
            ("InternalError", Some(500), "Unavailable"),
            ("PreconditionFailed", Some(412), "Changed"),
            ("InvalidObjectState", Some(403), "Invalid"),
            ("InvalidArgument", Some(400), "Invalid"),
            ("NoSuchVersion", Some(404), "NotFound"),
            ("MethodNotAllowed", Some(405), "NotFound"),
            ("PermanentRedirect", Some(301), "Invalid"),
            ("", None, "Unavailable"),
        ] {
            let meaning = format!("{:?}", meaning(code, status, false));
            assert!(meaning.starts_with(expect), "{code} {status:?}: {meaning}");
        }
    }
}
