//! Requests of HTTP as gateways and function URLs write them, answered by the same routes as everywhere.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use gantz_core::limits::HTTP_WAIT_MAX_MS;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};
use tower::ServiceExt;

use super::authorized::Tokens;
use super::classify::HttpFormat;
use super::http_v1;
use crate::caller::Caller;
use crate::http::{HttpSettings, router};
use crate::submit::Dispatcher;

/// What a gateway gives a function to answer; a function's URL waits as long as the function may run.
const GATEWAY_MAX_MS: u64 = 29_000;
/// Time kept at the end of an invocation for the answer to travel.
const ANSWER_MARGIN_MS: u64 = 1_000;
/// What Lambda takes as an answer is 6 MB; the rest is for what surrounds it.
const ANSWER_MAX_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;
/// What may not stand in a path or a query as it is. Percent signs stay: they are encodings already.
const UNSAFE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');
const UNSAFE_IN_PATH: &AsciiSet = &UNSAFE.add(b'?');

/// A request, and how it came.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) request: Request<Body>,
    format: HttpFormat,
    /// How long whoever brought it waits for the answer.
    patience_ms: u64,
}

/// Reads a request out of its event.
pub(super) fn read(format: HttpFormat, event: &Value, caller: Caller) -> Result<Call, String> {
    let target = match format {
        HttpFormat::V2 => target(event)?,
        HttpFormat::V1 => http_v1::target(event)?,
    };
    let (method, headers) = match format {
        HttpFormat::V2 => (&event["requestContext"]["http"]["method"], headers(event)?),
        HttpFormat::V1 => (&event["httpMethod"], http_v1::headers(event)?),
    };
    let method = method.as_str().and_then(|method| method.parse::<Method>().ok());
    let mut request = Request::new(Body::from(body(event)?));
    *request.method_mut() = method.ok_or("its method is none")?;
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    request.extensions_mut().insert(caller);
    let domain = event["requestContext"]["domainName"].as_str().unwrap_or_default();
    let patience_ms = if domain.contains(".lambda-url.") { u64::MAX } else { GATEWAY_MAX_MS };
    Ok(Call { request, format, patience_ms })
}

/// Runs a request through the routes, within the time that is left, and writes the answer as its sender reads it.
pub(super) async fn answer(
    dispatcher: &Dispatcher,
    call: Call,
    remaining_ms: u64,
    tokens: &Tokens,
) -> Result<Value, String> {
    let budget_ms = remaining_ms.min(call.patience_ms);
    // What changes something goes on: broken off in the middle, it would have to be repeated.
    let is_read = matches!(*call.request.method(), Method::GET | Method::HEAD);
    let serve = router(dispatcher.clone(), settings(budget_ms, tokens)).oneshot(call.request);
    let patience = is_read.then(|| Duration::from_millis(budget_ms.saturating_sub(ANSWER_MARGIN_MS)));
    let response = in_time(patience, serve.map(|Ok(response)| response)).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|error| format!("its answer broke off: {error}"))?;
    let answer = written(call.format, parts.status, &parts.headers, &body);
    // Escaping may double a body, so what counts is what is sent.
    if answer.to_string().len() <= ANSWER_MAX_BYTES {
        return Ok(answer);
    }
    let (parts, body) = too_large(body.len()).into_parts();
    Ok(written(call.format, parts.status, &parts.headers, &Bytes::from(body)))
}

/// The answer to a token that says nothing of whom it is for.
pub(super) fn without_tenant(format: HttpFormat, claim: &str) -> Value {
    let detail = format!("the token has no claim `{claim}` that names a tenant");
    let (parts, body) =
        problem(StatusCode::FORBIDDEN, "forbidden", "The token is for nobody", &detail).into_parts();
    written(format, parts.status, &parts.headers, &Bytes::from(body))
}

fn settings(budget_ms: u64, tokens: &Tokens) -> HttpSettings {
    HttpSettings {
        agent_budget_ms: budget_ms,
        wait_max_ms: HTTP_WAIT_MAX_MS.min(budget_ms.saturating_sub(ANSWER_MARGIN_MS)),
        // Whoever may ask was settled by the gateway.
        allowed_hosts: None,
        local_sources: false,
        streams: false,
        token_issuer: tokens.issuer.clone(),
        ..HttpSettings::default()
    }
}

/// The response, or that there was no time for it: the gateway would only say that nothing came.
async fn in_time(patience: Option<Duration>, serve: impl Future<Output = Response<Body>>) -> Response<Body> {
    let Some(patience) = patience else { return serve.await };
    tokio::time::timeout(patience, serve).await.unwrap_or_else(|_| {
        let detail = "there was no time to read so much; ask for less, such as the children of one batch, or use \
                      `gantz jobs`, which waits";
        problem(StatusCode::GATEWAY_TIMEOUT, "too_slow", "The answer takes too long", detail).map(Body::from)
    })
}

fn too_large(bytes: usize) -> Response<String> {
    let detail = format!(
        "the answer has {bytes} bytes, which do not fit through this door; ask for fewer records, or fetch the result \
         from where the job's `result_ref` says"
    );
    problem(StatusCode::INTERNAL_SERVER_ERROR, "result_too_large", "The answer is too large", &detail)
}

/// A problem of this door's alone.
fn problem(status: StatusCode, kind: &str, title: &str, detail: &str) -> Response<String> {
    let kind = format!("urn:gantz:problem:{kind}");
    let problem = json!({ "type": kind, "title": title, "status": status.as_u16(), "detail": detail });
    let mut response = Response::new(problem.to_string());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

fn target(event: &Value) -> Result<Uri, String> {
    let path = event["rawPath"].as_str().ok_or("`rawPath` is missing")?;
    let stage = event["requestContext"]["stage"].as_str().unwrap_or("$default");
    uri(without_stage(path, stage), event["rawQueryString"].as_str().unwrap_or_default())
}

/// A path below the stage. Stages other than the default one are the first part of every path.
pub(super) fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    let below = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
    match below {
        Some("") => "/",
        Some(below) if below.starts_with('/') && !stage.is_empty() => below,
        _ => path,
    }
}

pub(super) fn uri(path: &str, query: &str) -> Result<Uri, String> {
    let path = path.trim_start_matches('/');
    let mut target = format!("/{}", utf8_percent_encode(path, UNSAFE_IN_PATH));
    if !query.is_empty() {
        target.push('?');
        target.extend(utf8_percent_encode(query, UNSAFE));
    }
    target.parse().map_err(|error| format!("its path is none: {error}"))
}

fn headers(event: &Value) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in event["headers"].as_object().into_iter().flatten() {
        append(&mut headers, name, value)?;
    }
    let cookies: Vec<&str> =
        event["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !cookies.is_empty() {
        append(&mut headers, COOKIE.as_str(), &Value::String(cookies.join("; ")))?;
    }
    Ok(headers)
}

pub(super) fn append(headers: &mut HeaderMap, name: &str, value: &Value) -> Result<(), String> {
    // Left out, it might be what made the request a repetition of another.
    let wrong = || format!("its header `{}` is none", name.chars().take(80).collect::<String>());
    let name: HeaderName = name.parse().map_err(|_| wrong())?;
    let value = value.as_str().and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
    headers.append(name, value.ok_or_else(wrong)?);
    Ok(())
}

fn body(event: &Value) -> Result<Vec<u8>, String> {
    let text = event["body"].as_str().unwrap_or_default();
    if event["isBase64Encoded"] == true {
        return BASE64_STANDARD.decode(text).map_err(|error| format!("its body is no base64: {error}"));
    }
    Ok(text.as_bytes().to_vec())
}

fn written(format: HttpFormat, status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Value {
    let (body, is_base64) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (BASE64_STANDARD.encode(body), true),
    };
    let mut answer = json!({"statusCode": status.as_u16(), "body": body, "isBase64Encoded": is_base64});
    match format {
        HttpFormat::V2 => {
            let cookies = values(headers, &SET_COOKIE);
            if !cookies.is_empty() {
                answer["cookies"] = json!(cookies);
            }
            let others = headers.keys().filter(|name| *name != SET_COOKIE);
            let joined = others.map(|name| (name.to_string(), json!(values(headers, name).join(", "))));
            answer["headers"] = Value::Object(joined.collect::<Map<_, _>>());
        }
        HttpFormat::V1 => {
            let all = headers.keys().map(|name| (name.to_string(), json!(values(headers, name))));
            answer["multiValueHeaders"] = Value::Object(all.collect::<Map<_, _>>());
        }
    }
    answer
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_a_problem_with_advice() {
        let slow = in_time(Some(Duration::from_secs(28)), std::future::pending()).await;
        assert_eq!(slow.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(slow.headers()[CONTENT_TYPE], "application/problem+json");
        let body = to_bytes(slow.into_body(), usize::MAX).await.unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["type"], "urn:gantz:problem:too_slow");
        let soon = async || {
            tokio::time::sleep(Duration::from_secs(30)).await;
            Response::new(Body::empty())
        };
        assert_eq!(in_time(Some(Duration::from_secs(31)), soon()).await.status(), StatusCode::OK);
        assert_eq!(
            in_time(None, soon()).await.status(),
            StatusCode::OK,
            "what changes something has its time"
        );
    }
}
