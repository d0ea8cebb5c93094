//! From an answer to a job's result.

use gantz_core::limits::RESULT_MAX_BYTES;
use gantz_core::outcome::{ErrorKind, Outcome};
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

use super::super::document::{self, DocumentError};
use super::error::HttpSpecError;
use super::exchange;
use super::request::Request;

/// Headers that a result shows: what the body is, which version of it, and where to go on. No cookies, nor anything
/// else that a server hands out for safe keeping.
const SHOWN_HEADERS: [&str; 7] =
    ["content-language", "content-type", "etag", "last-modified", "link", "location", "retry-after"];

/// What of an answer is the result.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pointer: Option<String>,
    max_bytes: usize,
}

/// An answer holds no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResultError {
    #[error("the connection failed: {0}")]
    Connection(reqwest::Error),
    #[error("the answer is longer than `max_response_bytes` ({0})")]
    TooLong(usize),
    #[error("the answer is encoded as `{0}`, although that was not asked for")]
    Encoded(String),
    #[error("the answer calls itself JSON and is none: {0}")]
    NotJson(DocumentError),
    #[error("the answer is neither JSON nor text: its content type is `{0}`")]
    NotText(String),
    #[error("the answer has nothing at `{0}`, where the result should be")]
    NoSuchPart(String),
}

impl Selection {
    pub(super) fn try_new(pointer: Option<String>, max_response_bytes: u64) -> Result<Self, HttpSpecError> {
        match pointer {
            Some(pointer) if !pointer.is_empty() && !pointer.starts_with('/') => {
                Err(HttpSpecError::Pointer { pointer })
            }
            pointer => {
                let max_bytes = usize::try_from(max_response_bytes).unwrap_or(RESULT_MAX_BYTES);
                Ok(Self { pointer, max_bytes })
            }
        }
    }
}

impl ResultError {
    pub(super) fn into_outcome(self, request: &Request) -> Outcome {
        match self {
            Self::Connection(error) => exchange::failed(request, error),
            error @ Self::TooLong(_) => {
                Outcome::permanent(ErrorKind::ResultTooLarge, format!("{}: {error}", request.shown()))
            }
            error => Outcome::permanent(ErrorKind::ToolError, format!("{}: {error}", request.shown())),
        }
    }
}

/// Reads the result out of an answer.
pub(super) async fn read(selection: &Selection, mut response: Response) -> Result<Value, ResultError> {
    let bytes = read_body(&mut response, selection.max_bytes).await?;
    let body = decode(response.headers(), &bytes)?;
    drop(bytes);
    match &selection.pointer {
        None => Ok(json!({
            "status": response.status().as_u16(),
            "headers": shown_headers(response.headers()),
            "body": body,
        })),
        Some(pointer) => part(body, pointer).ok_or_else(|| ResultError::NoSuchPart(pointer.clone())),
    }
}

async fn read_body(response: &mut Response, max_bytes: usize) -> Result<Vec<u8>, ResultError> {
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).is_ok_and(|announced| announced > max_bytes) {
        return Err(ResultError::TooLong(max_bytes));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ResultError::Connection)? {
        if chunk.len() > max_bytes - bytes.len() {
            return Err(ResultError::TooLong(max_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// JSON if the answer says so, text otherwise, and `null` if it is empty.
fn decode(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, ResultError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let encoding = header_text(headers, &CONTENT_ENCODING);
    if !matches!(encoding.as_str(), "" | "identity") {
        return Err(ResultError::Encoded(encoding));
    }
    let content_type = header_text(headers, &CONTENT_TYPE);
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if matches!(media_type, "application/json" | "text/json") || media_type.ends_with("+json") {
        return document::read(bytes).map_err(ResultError::NotJson);
    }
    match str::from_utf8(bytes) {
        Ok(text) => Ok(Value::String(text.to_owned())),
        // Old pages in other character sets: what is ASCII in them is still worth reading.
        Err(_) if media_type.starts_with("text/") => {
            Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()))
        }
        Err(_) => Err(ResultError::NotText(content_type)),
    }
}

/// In lower case.
fn header_text(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    value.unwrap_or_default()
}

fn shown_headers(headers: &HeaderMap) -> Map<String, Value> {
    let shown = SHOWN_HEADERS.iter().filter_map(|name| {
        let value = String::from_utf8_lossy(headers.get(*name)?.as_bytes()).into_owned();
        Some(((*name).to_owned(), Value::String(value)))
    });
    shown.collect()
}

fn part(mut body: Value, pointer: &str) -> Option<Value> {
    body.pointer_mut(pointer).map(Value::take)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn check(content_type: &'static str, bytes: &[u8], expect: Result<Value, &str>) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        match (decode(&headers, bytes), expect) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{content_type}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{content_type}: {error}"),
            (decoded, _) => panic!("{content_type}: {decoded:?}"),
        }
    }

    #[test]
    fn decodes_bodies() {
        check("application/json", b"{\"a\": 1}", Ok(json!({"a": 1})));
        check("Application/JSON; charset=utf-8", b"[]", Ok(json!([])));
        check("application/problem+json", b"1", Ok(json!(1)));
        check("application/json", b"", Ok(Value::Null));
        check("application/json", b"<html>", Err("line 1 column 1"));
        check("text/plain", b"{}", Ok(json!("{}")));
        check("text/html; charset=latin-1", b"caf\xe9", Ok(json!("caf\u{FFFD}")));
        check("application/xml", "ä".as_bytes(), Ok(json!("ä")));
        check("image/png", b"\x89PNG", Err("`image/png`"));
    }

    #[test]
    fn refuses_encodings_it_did_not_ask_for() {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        assert!(matches!(decode(&headers, b"\x1f\x8b"), Err(ResultError::Encoded(name)) if name == "gzip"));
    }

    #[test]
    fn takes_parts() {
        let body = json!({"data": {"items": [1, {"a/b": null}]}});
        assert_eq!(part(body.clone(), ""), Some(body.clone()));
        assert_eq!(part(body.clone(), "/data/items/0"), Some(json!(1)));
        assert_eq!(part(body.clone(), "/data/items/1/a~1b"), Some(Value::Null));
        assert_eq!(part(body, "/data/none"), None);
        assert_eq!(part(json!("text"), "/a"), None);
    }
}
