//! The section `http` of a tool that is an HTTP request.

use std::collections::BTreeMap;

use super::super::diagnostic::Problems;
use super::super::handler::MAX_OUTPUT_BYTES;
use super::super::parameters::Parameters;
use super::super::section::{Section, choice, list, mapping, text, word, wrong_type};
use super::super::tree::{Entry, Kind, Node};
use super::super::{HttpBody, HttpSpec, rules};
use super::command::check_secrets;
use super::host::Allowed;
use super::template::{Place, check_template};
use super::{check_name, url};

const KEYS: [&str; 7] = ["url", "method", "headers", "body", "allow_hosts", "response", "max_response_bytes"];
const METHODS: [(&str, &str); 6] = [
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
];
pub(super) fn read(entry: &Entry, parameters: &Parameters, problems: &mut Problems<'_>) -> Option<HttpSpec> {
    let section = Section::open(&entry.value, entry.key_span, "`http`", &KEYS, problems)?;
    let allow_hosts = section.get("allow_hosts").map(|node| allow_hosts(node, problems)).unwrap_or_default();
    let url = section
        .require("url", "url: \"https://api.example.com/things/{id}\"", problems)
        .and_then(|node| url::read(node, &allow_hosts, parameters, problems));
    let method = section.get("method").and_then(|node| choice(node, "method", &METHODS, problems));
    let method = method.unwrap_or("GET");
    let headers = section.get("headers").map(|node| headers(node, parameters, problems)).unwrap_or_default();
    let body = body(section.get("body"), method, parameters, problems);
    let response = section.get("response").and_then(|node| pointer(node, problems));
    let max_response_bytes = section.integer("max_response_bytes", 1, MAX_OUTPUT_BYTES, problems);
    Some(HttpSpec {
        url: url?,
        method: method.to_owned(),
        headers,
        body,
        allow_hosts,
        response,
        max_response_bytes: max_response_bytes.unwrap_or(MAX_OUTPUT_BYTES),
    })
}

fn allow_hosts(node: &Node, problems: &mut Problems<'_>) -> Vec<String> {
    let items = list(node, "allow_hosts", problems).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            let host = text(item, "allow_hosts", problems)?;
            if Allowed::parse(host).is_some() {
                return Some(host.to_ascii_lowercase());
            }
            let help = "a host looks like `api.example.com`, `10.0.0.7:8080`, `[::1]:8080`, or `*.example.com` for every \
                        host below it: no scheme and no path";
            problems.error_help(item.span, format!("`{}` is no host", super::cut(host)), help);
            None
        })
        .collect()
}

fn headers(node: &Node, parameters: &Parameters, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let entries = mapping(node, "`headers`", problems).unwrap_or_default();
    let mut headers = BTreeMap::new();
    for entry in entries {
        check_name(&entry.key, entry.key_span, &rules::HEADER, problems);
        if HttpSpec::OWN_HEADERS.contains(&entry.key.to_ascii_lowercase().as_str()) {
            let message = format!("the header `{}` follows from the request and cannot be set", entry.key);
            problems.error_help(entry.key_span, message, "remove it");
        }
        let Some(value) = word(&entry.value, &format!("`{}`", super::cut(&entry.key)), problems) else {
            continue;
        };
        if value.chars().any(char::is_control) {
            problems.error(entry.value.span, "a header's value is one line without control characters");
        }
        for literal in check_secrets(&entry.value, &value, problems) {
            check_template(&entry.value, &literal, Place::Header, parameters, problems);
        }
        headers.insert(entry.key.clone(), value);
    }
    headers
}

fn body(node: Option<&Node>, method: &str, parameters: &Parameters, problems: &mut Problems<'_>) -> HttpBody {
    let bodiless = matches!(method, "GET" | "HEAD");
    let Some(node) = node else {
        return if bodiless || method == "DELETE" { HttpBody::None } else { HttpBody::Parameters };
    };
    let body = match &node.kind {
        Kind::Text(word) if word == "none" => HttpBody::None,
        Kind::Text(word) if word == "parameters" => HttpBody::Parameters,
        Kind::Map(_) | Kind::List(_) => {
            check_body(node, parameters, problems);
            HttpBody::Template(node.to_json())
        }
        _ => {
            let wanted = "`none`, `parameters`, or the JSON to send as a mapping or a list";
            return wrong_type(node, "`body`", wanted, problems).unwrap_or(HttpBody::None);
        }
    };
    if bodiless && body != HttpBody::None {
        let help = "remove `body`, or choose `method: POST`";
        problems.error_help(node.span, format!("a {method} request has no body"), help);
    }
    body
}

fn check_body(node: &Node, parameters: &Parameters, problems: &mut Problems<'_>) {
    match &node.kind {
        Kind::Text(text) => check_template(node, text, Place::Text, parameters, problems),
        Kind::List(items) => items.iter().for_each(|item| check_body(item, parameters, problems)),
        Kind::Map(entries) => entries.iter().for_each(|entry| check_body(&entry.value, parameters, problems)),
        _ => {}
    }
}

fn pointer(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let pointer = text(node, "response", problems)?;
    if pointer.starts_with('/') {
        return Some(pointer.to_owned());
    }
    let help = format!("a JSON pointer starts with `/`: `/{}`", super::cut(pointer).replace('.', "/"));
    problems.error_help(node.span, "`response` is no JSON pointer", help);
    None
}
