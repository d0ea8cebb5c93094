//! What REST APIs write differently: payload format 1.0.

use axum::http::{HeaderMap, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::http::{append, uri, without_stage};

pub(super) fn target(event: &Value) -> Result<Uri, String> {
    let path = event["path"].as_str().ok_or("`path` is missing")?;
    let context = &event["requestContext"];
    // A REST API takes its stage off the path; an HTTP API that writes this format does not.
    let below = match (context["path"].as_str(), context["stage"].as_str()) {
        (Some(full), Some(stage)) if full == path => without_stage(path, stage),
        _ => path,
    };
    uri(below, &query(event))
}

/// The query, which arrives decoded.
fn query(event: &Value) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = many(event, "multiValueQueryStringParameters", "queryStringParameters");
    let pairs = pairs.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
    pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
}

pub(super) fn headers(event: &Value) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in many(event, "multiValueHeaders", "headers") {
        append(&mut headers, name, value)?;
    }
    Ok(headers)
}

/// Every name and value: of the map of lists if it is there, else of the map that has one value for each name.
fn many<'a>(event: &'a Value, lists: &str, singles: &str) -> Vec<(&'a String, &'a Value)> {
    if let Some(lists) = event[lists].as_object() {
        let each = |(name, values): (&'a String, &'a Value)| {
            values.as_array().into_iter().flatten().map(move |value| (name, value))
        };
        return lists.iter().flat_map(each).collect();
    }
    event[singles].as_object().into_iter().flatten().collect()
}
