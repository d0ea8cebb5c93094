//! The HTTP client of a fleet's API.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::error::{CliError, Misfit};

/// Talks to one API.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    url: String,
    http: reqwest::Client,
}

/// An answer of the API.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(url: String) -> Result<Self, CliError> {
        let http = reqwest::Client::builder().no_proxy().build();
        let http =
            http.map_err(|error| CliError::failed(format!("cannot set up an HTTP client: {error}")))?;
        Ok(Self { url, http })
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, CliError> {
        let request = self.http.request(Method::POST, format!("{}{path}", self.url));
        self.send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    /// Sends a request; a problem document becomes an error.
    async fn send(&self, request: RequestBuilder) -> Result<Answer, CliError> {
        let failed =
            |error: reqwest::Error| CliError::failed(format!("no answer from {}: {error}", self.url));
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let text = response.text().await.map_err(failed)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() { Ok(Answer { status, body }) } else { Err(problem(status, &body)) }
    }
}

/// A problem document (RFC 9457) in words. One that lists errors in what was given is a usage error.
fn problem(status: StatusCode, body: &Value) -> CliError {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if errors.is_empty() {
        let said = text(body, "detail").or_else(|| text(body, "title"));
        return CliError::failed(said.unwrap_or_else(|| format!("{status}: {body}")));
    }
    // Each error has its place; the detail would only repeat them in one line.
    let message = text(body, "title").map(uncapitalized).unwrap_or_default();
    let misfits = errors.iter().map(|error| {
        let part = |key: &str| text(error, key).unwrap_or_default();
        Misfit { place: part("pointer"), detail: part("detail") }
    });
    CliError::misfits(message, misfits.collect())
}

/// A title is a sentence, an error goes on after "error: ".
fn uncapitalized(mut title: String) -> String {
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    title
}
