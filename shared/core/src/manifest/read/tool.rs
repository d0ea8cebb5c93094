//! One tool.

use super::super::diagnostic::Problems;
use super::super::parameters::Parameters;
use super::super::rules;
use super::super::section::Section;
use super::super::suggest::closest;
use super::super::syntax::cut;
use super::super::tree::Entry;
use super::super::{Handler, ToolSpec};
use super::mcp::{self, Servers};
use super::policy::{self, Common};
use super::{command, http, named, output, parameters};
use crate::policy::ToolPolicy;

const KEYS: [&str; 16] = [
    "title",
    "description",
    "parameters",
    "handler",
    "command",
    "http",
    "mcp_tool",
    "creates_functions",
    "timeout",
    "retry",
    "rate_limit",
    "concurrency",
    "breaker",
    "effects",
    "lane",
    "output",
];

/// Reads one tool. `None` when a key that it cannot do without is missing or wrong.
pub(super) fn read(
    entry: &Entry,
    common: &Common,
    servers: &Servers,
    problems: &mut Problems<'_>,
) -> Option<ToolSpec> {
    let what = format!("tool `{}`", cut(&entry.key));
    let section = Section::open(&entry.value, entry.key_span, what, &KEYS, problems)?;
    section.require("description", "description: \"What the tool does\"", problems);
    let description = section.text("description", problems);
    let title = section.text("title", problems);
    let parameters =
        section.get("parameters").map(|node| parameters::read(node, problems)).unwrap_or_default();
    let handler = handler(&section, &entry.key, &parameters, servers, problems);
    let creates_functions = creates_functions(&section, handler.as_ref(), problems);
    let policy = policy::read(&section, common, handler.as_ref(), problems);
    check_key_parameters(&section, policy.as_ref(), &parameters, problems);
    let output = section.get("output").map(|node| output::read(node, problems));
    let (output, output_validator) = output.flatten().unzip();
    Some(ToolSpec {
        name: entry.key.clone(),
        title,
        description: description?,
        handler: handler?,
        creates_functions,
        parameters,
        policy: policy?,
        output,
        output_validator,
    })
}

fn handler(
    section: &Section<'_>,
    tool: &str,
    parameters: &Parameters,
    servers: &Servers,
    problems: &mut Problems<'_>,
) -> Option<Handler> {
    let name = handler_name(section, problems);
    for (handler, key) in [(Handler::COMMAND, "command"), (Handler::HTTP, "http")] {
        check_section(section, name.as_deref(), handler, key, problems);
    }
    mcp::check_key(section, name.as_deref(), problems);
    match name?.as_str() {
        Handler::COMMAND => {
            command::read(section.entry("command")?, parameters, problems).map(Handler::Command)
        }
        Handler::HTTP => http::read(section.entry("http")?, parameters, problems).map(Handler::Http),
        name if name.starts_with(Handler::MCP_PREFIX) => {
            mcp::tool(section, name, tool, servers, problems).map(Handler::Mcp)
        }
        name => Some(Handler::Builtin(name.to_owned())),
    }
}

/// A limit is by a parameter that the tool has.
fn check_key_parameters(
    section: &Section<'_>,
    policy: Option<&ToolPolicy>,
    parameters: &Parameters,
    problems: &mut Problems<'_>,
) {
    let names = || parameters.iter().map(|parameter| parameter.name.as_str());
    for key in policy.into_iter().flat_map(ToolPolicy::key_parameters) {
        if names().any(|name| name == key) {
            continue;
        }
        let message = format!("{} has no parameter `{}` to count calls by", section.what(), cut(key));
        let help = match closest(key, names()) {
            Some(near) => format!("did you mean `param:{near}`?"),
            None => {
                "its `key`, or that of `defaults`, is `tool`, `tenant` or `param:` and one of its parameters"
                    .to_owned()
            }
        };
        problems.error_help(section.span(), message, help);
    }
}

/// Whether the tool may make functions: whoever calls it could run anything with their role, so it has to be said.
fn creates_functions(section: &Section<'_>, handler: Option<&Handler>, problems: &mut Problems<'_>) -> bool {
    const KEY: &str = "creates_functions";
    let said = section.boolean(KEY, problems);
    let is_other = handler.is_some_and(|handler| handler.name() != Handler::CREATE_FUNCTION);
    if let Some(entry) = section.entry(KEY).filter(|_| is_other) {
        let message = format!("`{KEY}` belongs to the handler `{}` only", Handler::CREATE_FUNCTION);
        problems.error_help(entry.key_span, message, "remove it");
    }
    said.unwrap_or(false)
}

fn handler_name(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let example = match () {
        () if section.get("command").is_some() => "handler: command",
        () if section.get("http").is_some() => "handler: http.request",
        () => "handler: aws_lambda.invoke",
    };
    let node = section.require("handler", example, problems)?;
    named(node, "handler", &rules::HANDLER, problems)
}

/// A handler that needs a section has it, and a section has its handler.
fn check_section(
    section: &Section<'_>,
    name: Option<&str>,
    handler: &str,
    key: &str,
    problems: &mut Problems<'_>,
) {
    match (name == Some(handler), section.entry(key)) {
        (true, None) => {
            let message = format!("{} has the handler `{handler}` but no `{key}`", section.what());
            let help = match key {
                "command" => "add `command: {program: python3, args: [tool.py]}`",
                _ => "add `http: {url: \"https://api.example.com/things/{id}\"}`",
            };
            problems.error_help(section.span(), message, help);
        }
        (false, Some(entry)) if name.is_some() => {
            let message = format!("`{key}` belongs to the handler `{handler}` only");
            problems.error_help(entry.key_span, message, format!("remove it, or write `handler: {handler}`"));
        }
        _ => {}
    }
}
