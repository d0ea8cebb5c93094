//! A request's headers.

use std::collections::BTreeMap;

use gantz_core::ids::JobId;
use gantz_core::manifest::HttpSpec;
use gantz_core::manifest::secret::{self, SecretName, SecretPart};
use gantz_core::trace::TraceParent;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::super::template::Template;
use super::error::HttpSpecError;

/// Lets servers that know it recognise a request that they have served (draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The trace that a request belongs to (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a request takes from its call besides the parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfCall<'c> {
    pub(super) effect_key: &'c JobId,
    pub(super) trace: Option<&'c TraceParent>,
}

/// A header, before parameters and secrets are known.
#[derive(Debug, Clone)]
pub(super) struct HeaderTemplate {
    name: HeaderName,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(Template),
    Secret(SecretName),
}

impl HeaderTemplate {
    /// The parameters that it names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(template) => Some(template),
            Part::Secret(_) => None,
        });
        texts.flat_map(Template::names)
    }

    /// The secrets that it names.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name),
            Part::Text(_) => None,
        })
    }

    /// Its text; `None` where a parameter is absent, or a secret is not among these.
    fn fill(&self, parameters: &Map<String, Value>, secrets: &Known) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(template) => text += &template.fill(parameters).ok()?,
                Part::Secret(name) => text += secrets.get(name)?,
            }
        }
        Some(text)
    }
}

/// Secrets that were looked up.
pub(super) type Known = BTreeMap<SecretName, String>;

/// Reads the manifest's headers.
pub(super) fn parse(headers: &BTreeMap<String, String>) -> Result<Vec<HeaderTemplate>, HttpSpecError> {
    let refuse = |name: &str, why| HttpSpecError::Header { name: name.to_owned(), why };
    let mut parsed = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let header = HeaderName::try_from(name).map_err(|_| refuse(name, "has no valid name"))?;
        if HttpSpec::OWN_HEADERS.contains(&header.as_str()) {
            return Err(refuse(name, "follows from the request and cannot be set"));
        }
        let place = || format!("the header `{name}`");
        let found =
            secret::parts(value).map_err(|source| HttpSpecError::Secret { place: place(), source })?;
        let mut parts = Vec::with_capacity(found.len());
        for part in found {
            parts.push(match part {
                SecretPart::Secret(name) => Part::Secret(name),
                SecretPart::Literal(text) => Part::Text(
                    Template::parse(&text)
                        .map_err(|source| HttpSpecError::Template { place: place(), source })?,
                ),
            });
        }
        parsed.push(HeaderTemplate { name: header, parts });
    }
    Ok(parsed)
}

/// The headers to send. One whose parameter is absent is left out.
pub(super) fn fill(
    templates: &[HeaderTemplate],
    parameters: &Map<String, Value>,
    secrets: &Known,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for template in templates {
        let Some(text) = template.fill(parameters, secrets) else { continue };
        let name = &template.name;
        // Also refuses what would end the header: line breaks, and control characters altogether.
        let mut value = HeaderValue::try_from(text.into_bytes())
            .map_err(|_| format!("the header `{name}` would hold a control character"))?;
        value.set_sensitive(true);
        headers.insert(name.clone(), value);
    }
    Ok(headers)
}

/// Adds what the request needs and the manifest left unsaid.
pub(super) fn complete(headers: &mut HeaderMap, method: &Method, has_body: bool, of: OfCall<'_>) {
    if has_body {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
    if let (false, Ok(key)) = (method.is_safe(), HeaderValue::try_from(of.effect_key.as_str())) {
        headers.entry(IDEMPOTENCY_KEY).or_insert(key);
    }
    if let Some(trace) = of.trace.and_then(|trace| HeaderValue::try_from(trace.as_str()).ok()) {
        headers.entry(TRACEPARENT).or_insert(trace);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(headers: &[(&str, &str)], parameters: &Value) -> Result<Vec<(String, String)>, String> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let templates = parse(&headers).unwrap();
        let secrets = BTreeMap::from([(SecretName::Env("KEY".into()), "k3y".into())]);
        let filled = fill(&templates, parameters.as_object().unwrap(), &secrets)?;
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        Ok(filled.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
    }

    #[test]
    fn fills_in_parameters() {
        let check = |value, parameters: Value, expect: Option<&str>| {
            let expect = expect.map(|text| ("x-a".to_owned(), text.to_owned()));
            assert_eq!(filled(&[("X-A", value)], &parameters), Ok(expect.into_iter().collect()));
        };
        check("Bearer {t}", json!({"t": "abc"}), Some("Bearer abc"));
        check("{t}", json!({"t": "ä: b"}), Some("ä: b"));
        check("{t}", json!({"t": true}), Some("true"));
        check("Bearer ${env:KEY} {t}", json!({"t": "${env:KEY}"}), Some("Bearer k3y ${env:KEY}"));
        check("$${{{t}}}", json!({"t": 1}), Some("${1}"));
        check("a {t}", json!({}), None);
        check("a {t}", json!({"t": null}), None);
    }

    #[test]
    fn refuses_control_characters() {
        for value in ["a\r\nX-Evil: 1", "a\n", "\r", "\0", "\u{7f}", "\u{b}"] {
            let expect = Err("the header `x-a` would hold a control character".to_owned());
            assert_eq!(filled(&[("X-A", "{t}")], &json!({"t": value})), expect, "{value:?}");
        }
    }

    #[test]
    fn refuses_headers_that_frame_the_request() {
        for name in ["Host", "content-length", "Transfer-Encoding", "a b", "", "a:"] {
            let headers = BTreeMap::from([(name.to_owned(), "1".to_owned())]);
            assert!(matches!(parse(&headers), Err(HttpSpecError::Header { .. })), "{name}");
        }
    }

    #[test]
    fn a_trace_goes_on_unless_the_manifest_has_its_own() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (trace, job) = (TraceParent::parse(text).unwrap(), JobId::try_new("job-1234").unwrap());
        let of = OfCall { effect_key: &job, trace: Some(&trace) };
        let mut headers = HeaderMap::new();
        complete(&mut headers, &Method::GET, false, of);
        assert_eq!(headers.get(TRACEPARENT).map(|value| value.to_str().unwrap()), Some(text));
        headers.insert(TRACEPARENT, HeaderValue::from_static("own"));
        complete(&mut headers, &Method::GET, false, of);
        assert_eq!(headers.get(TRACEPARENT).map(|value| value.to_str().unwrap()), Some("own"));
    }

    #[test]
    fn writes_carry_the_job_as_idempotency_key() {
        let job = JobId::try_new("job-1234").unwrap();
        let check = |method: Method, given: Option<&'static str>, expect: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.extend(given.map(|key| (IDEMPOTENCY_KEY, HeaderValue::from_static(key))));
            complete(&mut headers, &method, false, OfCall { effect_key: &job, trace: None });
            assert_eq!(headers.get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap()), expect, "{method}");
        };
        check(Method::GET, None, None);
        check(Method::HEAD, None, None);
        check(Method::POST, None, Some("job-1234"));
        check(Method::DELETE, None, Some("job-1234"));
        check(Method::PUT, Some("own"), Some("own"));
    }
}
