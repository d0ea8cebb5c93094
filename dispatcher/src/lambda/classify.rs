//! What an event is, told from its shape alone.

use serde_json::Value;

use super::queue::{self, Delivery};
use super::s3::{self, Upload};
use super::schedule;
use super::submission::{Ask, Door, Submission};

/// Names repeated of an event that nobody knows, and characters of each: enough to recognise it by.
const SHOWN_KEYS: usize = 8;
const SHOWN_KEY_CHARS: usize = 40;

/// What an event is.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Event<'a> {
    /// A request of HTTP, through a gateway or a function's URL.
    Http(HttpFormat),
    /// A job, a batch or a scan to begin.
    Submission(Submission<'a>),
    /// Objects that were put into buckets. Each stands for itself; one that cannot be read says why.
    Uploads(Vec<Result<Upload, String>>),
    /// Messages of a queue, with bodies that nobody has looked at yet.
    Messages(Vec<Delivery>),
    /// Nothing that asks for anything.
    Ignored(&'static str),
    /// It says what it is, but lacks what that needs.
    Malformed {
        /// The door it is for.
        door: Door,
        /// What is wrong.
        problem: String,
    },
    /// Nothing we know.
    Unknown {
        /// What it looks like.
        shape: String,
    },
}

/// How a request is written as an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFormat {
    /// Payload format 2.0: HTTP APIs and function URLs.
    V2,
    /// Payload format 1.0: REST APIs, and HTTP APIs that are told to.
    V1,
}

/// Tells what `event` is. Every JSON value is something.
pub fn classify(event: &Value) -> Event<'_> {
    if let Some(format) = http_format(event) {
        return Event::Http(format);
    }
    if let Some(records) = event["Records"].as_array() {
        return of_records(records).unwrap_or_else(|| unknown(event));
    }
    if s3::is_test(event) {
        return Event::Ignored("a test message of S3");
    }
    if let Some(detail_type) = event["detail-type"].as_str() {
        return of_bus(event, detail_type).unwrap_or_else(|| unknown(event));
    }
    if event.get("gantz_schedule").is_some() {
        return schedule::read(event);
    }
    Ask::direct(event).map_or_else(
        || unknown(event),
        |ask| Event::Submission(Submission { door: Door::Invoke, occurrence: None, trace: None, ask }),
    )
}

fn http_format(event: &Value) -> Option<HttpFormat> {
    let context = event.get("requestContext")?;
    if context["http"]["method"].is_string() {
        return Some(HttpFormat::V2);
    }
    // A load balancer's requests look like a REST API's, but want another answer.
    let is_rest =
        event["httpMethod"].is_string() && event["path"].is_string() && context.get("elb").is_none();
    is_rest.then_some(HttpFormat::V1)
}

fn of_records(records: &[Value]) -> Option<Event<'_>> {
    let from = |source: &str| records.iter().any(|record| record["eventSource"] == *source);
    match (from(queue::SOURCE), from(s3::SOURCE)) {
        (true, false) => Some(Event::Messages(records.iter().map(queue::read).collect())),
        (false, true) => Some(Event::Uploads(records.iter().filter_map(s3::notified).collect())),
        _ => None,
    }
}

fn of_bus<'a>(event: &'a Value, detail_type: &str) -> Option<Event<'a>> {
    let detail = &event["detail"];
    if event["source"] == "aws.s3" {
        return match detail_type {
            "Object Created" => Some(Event::Uploads(vec![s3::announced(detail)])),
            "Object Deleted" => Some(Event::Ignored("an object that was deleted")),
            _ => None,
        };
    }
    let ask = match detail_type {
        "Gantz Job" | "Scheduled Agent Task" => Ask::Job(detail),
        "Gantz Batch" => Ask::Batch(detail),
        _ => return None,
    };
    let Some(id) = event["id"].as_str().filter(|id| !id.is_empty()) else {
        return Some(Event::Malformed { door: Door::EventBridge, problem: "it has no `id`".into() });
    };
    Some(Event::Submission(Submission {
        door: Door::EventBridge,
        occurrence: Some(id.to_owned()),
        trace: None,
        ask,
    }))
}

fn unknown(event: &Value) -> Event<'_> {
    Event::Unknown { shape: shape(event) }
}

fn shape(event: &Value) -> String {
    let cut = |text: &str| text.chars().take(SHOWN_KEY_CHARS).collect::<String>();
    if let Some(detail_type) = event["detail-type"].as_str() {
        let source = event["source"].as_str().unwrap_or_default();
        return format!("an EventBridge event `{}` of `{}`", cut(detail_type), cut(source));
    }
    if let Some(record) = event["Records"].get(0) {
        return format!("records of `{}`", cut(record["eventSource"].as_str().unwrap_or_default()));
    }
    match event {
        Value::Null => "null".into(),
        Value::Bool(_) => "a boolean".into(),
        Value::Number(_) => "a number".into(),
        Value::String(_) => "a string".into(),
        Value::Array(_) => "an array".into(),
        Value::Object(members) if members.is_empty() => "an empty object".into(),
        Value::Object(members) => {
            let names: Vec<String> = members.keys().take(SHOWN_KEYS).map(|name| cut(name)).collect();
            let more = if members.len() > SHOWN_KEYS { ", …" } else { "" };
            format!("an object of {}{more}", names.join(", "))
        }
    }
}
