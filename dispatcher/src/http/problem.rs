//! Problem documents (RFC 9457): how the door says what went wrong.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use gantz_core::job::JobRecord;
use gantz_core::limits::ERROR_MESSAGE_MAX_BYTES;
use gantz_core::outcome::truncate;
use serde_json::{Map, Value, json};

use super::problem_kind::{Facts, ProblemKind};

/// The media type of problem documents.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// What is said of one field. The values that some messages repeat may be megabytes.
const FIELD_MESSAGE_MAX_BYTES: usize = 512;

#[derive(Debug)]
pub(super) struct Problem {
    kind: ProblemKind,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem; `detail` is for people, and cut to [`ERROR_MESSAGE_MAX_BYTES`].
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        truncate(&mut detail, ERROR_MESSAGE_MAX_BYTES);
        Self { kind, detail, members: Map::new(), headers: Vec::new() }
    }

    /// A field of the body is wrong; `pointer` leads to it.
    pub(super) fn field(pointer: &str, message: impl Into<String>) -> Self {
        let mut message = message.into();
        truncate(&mut message, FIELD_MESSAGE_MAX_BYTES);
        let errors = json!([{"pointer": pointer, "detail": message}]);
        Self::new(ProblemKind::InvalidField, format!("`{pointer}`: {message}")).with("errors", errors)
    }

    /// What it says to people.
    pub(super) fn into_detail(self) -> String {
        self.detail
    }

    /// The same for who is not asked over HTTP: in words, and as fields with a `kind`.
    pub(super) fn into_told(self) -> (String, Value) {
        let mut fields = self.members;
        fields.insert("kind".to_owned(), json!(self.kind.facts().slug));
        fields.insert("message".to_owned(), json!(self.detail));
        (self.detail, Value::Object(fields))
    }

    pub(super) fn query(parameter: &str, message: &str) -> Self {
        let parameter: String = parameter.chars().take(80).collect();
        Self::new(ProblemKind::InvalidQuery, format!("the query parameter `{parameter}` {message}"))
            .with("parameter", json!(parameter))
    }

    pub(super) fn header(name: &str, message: &str) -> Self {
        Self::new(ProblemKind::InvalidHeader, format!("the header `{name}` {message}"))
            .with("header", json!(name))
    }

    /// Says which job it is about, where it stands, and its error if it has one.
    pub(super) fn about(self, row: &JobRecord) -> Self {
        let problem = self.with("job_id", json!(row.id)).with("job_status", json!(row.status));
        match &row.error {
            Some(error) => problem.with("kind", json!(error.kind)).with("message", json!(error.message)),
            None => problem,
        }
    }

    pub(super) fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        self.with_header(RETRY_AFTER, seconds.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Facts { status, title, .. } = self.kind.facts();
        let mut body = self.members;
        body.insert("type".to_owned(), json!(self.kind.type_uri()));
        body.insert("title".to_owned(), json!(title));
        body.insert("status".to_owned(), json!(status.as_u16()));
        body.insert("detail".to_owned(), json!(self.detail));
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.extend(self.headers);
        response
    }
}
