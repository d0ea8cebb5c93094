//! What operations answer: records, and problems by status.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::problem;
use super::super::problem_kind::ProblemKind;
use super::{members, schema};

/// The answers of an operation: `success` by status, and the problems it may end in besides that of a missing token.
pub(super) fn answers(success: Value, problems: &[ProblemKind]) -> Value {
    open_answers(success, &[problems, &[ProblemKind::Unauthorized]].concat())
}

/// The answers of an operation that asks for no token.
pub(super) fn open_answers(success: Value, problems: &[ProblemKind]) -> Value {
    let mut all = members(success);
    let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
    for kind in problems.iter().copied().chain([ProblemKind::Forbidden]) {
        by_status.entry(kind.facts().status.as_u16()).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        all.insert(status.to_string(), problem_answer(&kinds));
    }
    Value::Object(all)
}

/// An answer in JSON.
pub(super) fn json_answer(description: &str, schema: &Value, headers: &[&str]) -> Value {
    json!({
        "description": description,
        "headers": all_headers(headers),
        "content": { "application/json": { "schema": schema } },
    })
}

/// The schema of every problem document.
pub(super) fn problem_schema() -> Value {
    let types: Vec<Value> = ProblemKind::ALL
        .iter()
        .map(|kind| {
            let facts = kind.facts();
            let status = facts.status.as_u16();
            let description = format!("{status}. {}. {}", facts.title, facts.meaning);
            json!({ "const": kind.type_uri(), "title": facts.title, "description": description })
        })
        .collect();
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "format": "uri", "anyOf": types },
            "title": { "type": "string", "description": "The same for every problem of this type." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What went wrong this time, for people." },
            "errors": {
                "type": "array",
                "description": "Each misfit, with the place in the body.",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {
                        "pointer": { "type": "string", "description": "A JSON pointer (RFC 6901) into the body." },
                        "code": { "type": "string", "description": "The kind of misfit; of parameters only." },
                        "detail": { "type": "string" },
                    },
                },
            },
            "line": { "type": "integer" },
            "column": { "type": "integer" },
            "parameter": { "type": "string", "description": "The query parameter." },
            "header": { "type": "string", "description": "The header." },
            "tool": { "type": "string" },
            "suggestion": { "type": "string", "description": "The tool that was probably meant." },
            "id": { "type": "string", "description": "The id that belongs to another submission." },
            "job_id": schema("Id"),
            "job_status": schema("JobStatus"),
            "kind": schema("ErrorKind"),
            "message": { "type": "string", "description": "Why the job did not succeed." },
        },
    })
}

fn problem_answer(kinds: &[ProblemKind]) -> Value {
    let lines = kinds.iter().map(|kind| {
        let facts = kind.facts();
        format!("- `{}`: {}. {}", kind.type_uri(), facts.title, facts.meaning)
    });
    let mut names = Vec::new();
    if kinds.iter().any(|kind| carries_retry_after(*kind)) {
        names.push("Retry-After");
    }
    if kinds.contains(&ProblemKind::TimedOut) {
        names.push("Location");
    }
    json!({
        "description": lines.collect::<Vec<_>>().join("\n"),
        "headers": all_headers(&names),
        "content": { problem::MEDIA_TYPE: { "schema": schema("Problem") } },
    })
}

fn carries_retry_after(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::Backlog | ProblemKind::BackendUnavailable | ProblemKind::InsufficientTime)
}

fn all_headers(names: &[&str]) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), header(name))).collect()
}

fn header(name: &str) -> Value {
    let (description, kind) = match name {
        "Location" => ("Where to poll.", "string"),
        "Content-Location" => ("Where the body lives.", "string"),
        "Preference-Applied" => ("`wait=N`: the seconds that were granted.", "string"),
        "Retry-After" => ("Seconds.", "integer"),
        _ => ("", "string"),
    };
    json!({ "description": description, "schema": { "type": kind } })
}
