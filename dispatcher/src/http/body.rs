//! Reading a request's body: one JSON object of a bounded size and depth.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use gantz_core::json::lossy_integer;
use gantz_core::limits::JSON_DEPTH_MAX;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;

use super::problem::Problem;
use super::problem_kind::ProblemKind;
use super::{Door, misfit, nesting};

/// A body that is a `T`.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Door> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let bytes = Bytes::from_request(request, door).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let bound = door.settings.body_max_bytes;
                return Problem::new(ProblemKind::TooLarge, format!("the body has more than {bound} bytes"));
            }
            Problem::new(ProblemKind::InvalidJson, "the body ended early")
        })?;
        read(&bytes).map(Body)
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |detail: &str| Err(Problem::new(ProblemKind::UnsupportedMediaType, detail));
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return unsupported("compressed bodies are not read here, send the JSON as it is");
    }
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = given.to_str().ok().and_then(|given| given.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    unsupported("expected `Content-Type: application/json`")
}

/// Syntax first, over the whole body, then depth, then meaning: so that each error is told as what it is.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let detail = format!("the body is not UTF-8 from byte {} on", error.valid_up_to());
        Problem::new(ProblemKind::InvalidJson, detail)
    })?;
    if text.trim().is_empty() {
        return Err(Problem::new(ProblemKind::InvalidJson, "the body is empty, expected a JSON object"));
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| syntax(&error))?;
    let depth = nesting::depth(text);
    if depth > JSON_DEPTH_MAX {
        let detail = format!("the body is nested {depth} levels deep, at most {JSON_DEPTH_MAX} are accepted");
        return Err(Problem::new(ProblemKind::TooDeep, detail));
    }
    if !text.trim_start().starts_with('{') {
        return Err(Problem::new(ProblemKind::InvalidJson, "the body is JSON, but not an object"));
    }
    if let Some(integer) = lossy_integer(text) {
        return Err(at(integer.line, integer.column, &integer.to_string()));
    }
    misfit::parse(text)
}

pub(super) fn syntax(error: &serde_json::Error) -> Problem {
    at(error.line(), error.column(), misfit::without_place(&error.to_string()))
}

fn at(line: usize, column: usize, message: &str) -> Problem {
    Problem::new(ProblemKind::InvalidJson, format!("line {line}, column {column}: {message}"))
        .with("line", json!(line))
        .with("column", json!(column))
}
