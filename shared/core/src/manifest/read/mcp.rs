//! Other MCP servers, and the tools that are theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::diagnostic::Problems;
use super::super::rules;
use super::super::secret;
use super::super::section::{Section, list, text, word};
use super::super::suggest::{closest, listing};
use super::super::syntax::cut;
use super::super::tree::{Entry, Node};
use super::super::{Handler, McpServerSpec, McpToolSpec};
use super::template::misplaced_secret;
use super::{check_name, command, entries, named};
use crate::limits::MANIFEST_MCP_SERVERS_MAX;

const SERVER_KEYS: [&str; 5] = ["command", "env", "cwd", "url", "bearer_env"];
const TOOL_KEY: &str = "mcp_tool";

/// The servers by name.
pub(super) type Servers = BTreeMap<String, Arc<McpServerSpec>>;

pub(super) fn servers(section: &Section<'_>, problems: &mut Problems<'_>) -> Servers {
    entries(section, "mcp_servers", MANIFEST_MCP_SERVERS_MAX, problems)
        .iter()
        .filter_map(|entry| {
            check_name(&entry.key, entry.key_span, &rules::MCP_SERVER, problems);
            server(entry, problems).map(|server| (entry.key.clone(), Arc::new(server)))
        })
        .collect()
}

fn server(entry: &Entry, problems: &mut Problems<'_>) -> Option<McpServerSpec> {
    let what = format!("MCP server `{}`", cut(&entry.key));
    let section = Section::open(&entry.value, entry.key_span, what, &SERVER_KEYS, problems)?;
    let only = |keys: &[&str], of: &str, problems: &mut Problems<'_>| {
        for entry in keys.iter().filter_map(|key| section.entry(key)) {
            let message = format!("`{}` belongs to a server with `{of}`", entry.key);
            problems.error_help(entry.key_span, message, "remove it");
        }
    };
    match (section.get("command"), section.get("url")) {
        (Some(_), None) => {
            only(&["bearer_env"], "url", problems);
            program(&section, problems)
        }
        (None, Some(node)) => {
            only(&["env", "cwd"], "command", problems);
            let url = text(node, "url", problems)?;
            if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
                let help = "such as `https://tools.example.com/mcp`";
                problems.error_help(node.span, "`url`: expected an http or https URL", help);
                return None;
            }
            let bearer_env =
                section.get("bearer_env").map(|node| named(node, "bearer_env", &rules::VARIABLE, problems));
            Some(McpServerSpec::Http { url: url.to_owned(), bearer_env: bearer_env.unwrap_or_default() })
        }
        _ => {
            let message = format!("{} needs either `command` or `url`", section.what());
            let help = "add `command: [npx, -y, some-server]`, or `url: https://tools.example.com/mcp`";
            problems.error_help(section.span(), message, help);
            None
        }
    }
}

fn program(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<McpServerSpec> {
    let node = section.get("command")?;
    let words = list(node, "command", problems)?;
    let argument = |item: &Node, problems: &mut Problems<'_>| {
        let argument = word(item, "an argument", problems)?;
        if secret::names(&argument).next().is_some() {
            misplaced_secret(item, problems);
        }
        Some(argument)
    };
    let words: Vec<String> = words.iter().filter_map(|item| argument(item, problems)).collect();
    let env = section.get("env").map(|node| command::env(node, problems)).unwrap_or_default();
    let cwd = section.text("cwd", problems);
    let Some((program, args)) = words.split_first() else {
        problems.error_help(
            node.span,
            "`command` is empty",
            "begin with the program: `[npx, -y, some-server]`",
        );
        return None;
    };
    Some(McpServerSpec::Program { program: program.clone(), args: args.to_vec(), env, cwd })
}

/// The tool of the handler `mcp.SERVER`: by its own name, or as `mcp_tool` says.
pub(super) fn tool(
    section: &Section<'_>,
    handler: &str,
    name: &str,
    servers: &Servers,
    problems: &mut Problems<'_>,
) -> Option<McpToolSpec> {
    let server_name = handler.strip_prefix(Handler::MCP_PREFIX)?;
    if !servers.contains_key(server_name) {
        let names = || servers.keys().map(String::as_str);
        let help = match (closest(server_name, names()), servers.is_empty()) {
            (Some(like), _) => format!("did you mean `{}{like}`?", Handler::MCP_PREFIX),
            (None, true) => {
                format!("add `mcp_servers: {{{server_name}: {{command: [npx, -y, some-server]}}}}`")
            }
            (None, false) => format!("`mcp_servers` has {}", listing(names())),
        };
        let span = section.get("handler").map_or(section.span(), |node| node.span);
        problems.error_help(span, format!("there is no MCP server `{}`", cut(server_name)), help);
        return None;
    }
    let tool = section.text(TOOL_KEY, problems).unwrap_or_else(|| name.to_owned());
    Some(McpToolSpec { handler: handler.to_owned(), tool })
}

/// The key is of tools of other servers only.
pub(super) fn check_key(section: &Section<'_>, handler: Option<&str>, problems: &mut Problems<'_>) {
    let is_other = handler.is_some_and(|name| !name.starts_with(Handler::MCP_PREFIX));
    if let Some(entry) = section.entry(TOOL_KEY).filter(|_| is_other) {
        let message = format!("`{TOOL_KEY}` belongs to the handlers `{}SERVER` only", Handler::MCP_PREFIX);
        problems.error_help(entry.key_span, message, "remove it");
    }
}
