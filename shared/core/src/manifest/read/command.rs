//! The section `command` of a tool that is a program.

use std::collections::BTreeMap;

use super::super::diagnostic::Problems;
use super::super::handler::MAX_OUTPUT_BYTES;
use super::super::parameters::Parameters;
use super::super::rules;
use super::super::section::{Section, choice, list, mapping, text, word, wrong_type};
use super::super::tree::{Entry, Kind, Node};
use super::super::{CommandOutput, CommandSpec};
use super::check_name;
use super::template::{Place, check_template};

const KEYS: [&str; 6] = ["program", "args", "env", "cwd", "output", "max_output_bytes"];
const OUTPUTS: [(&str, CommandOutput); 2] = [("json", CommandOutput::Json), ("text", CommandOutput::Text)];

pub(super) fn read(
    entry: &Entry,
    parameters: &Parameters,
    problems: &mut Problems<'_>,
) -> Option<CommandSpec> {
    if let Kind::Text(_) | Kind::List(_) = entry.value.kind {
        let wanted = "a mapping such as `{program: python3, args: [tool.py]}`";
        return wrong_type(&entry.value, "`command`", wanted, problems);
    }
    let section = Section::open(&entry.value, entry.key_span, "`command`", &KEYS, problems)?;
    let program = section.require("program", "program: python3", problems);
    let program = program.and_then(|node| program_name(node, problems));
    let args = section.get("args").map(|node| args(node, parameters, problems)).unwrap_or_default();
    let env = section.get("env").map(|node| env(node, problems)).unwrap_or_default();
    let cwd = section.text("cwd", problems);
    let output = section.get("output").and_then(|node| choice(node, "output", &OUTPUTS, problems));
    let max_output_bytes = section.integer("max_output_bytes", 1, MAX_OUTPUT_BYTES, problems);
    Some(CommandSpec {
        program: program?,
        args,
        env,
        cwd,
        output: output.unwrap_or_default(),
        max_output_bytes: max_output_bytes.unwrap_or(MAX_OUTPUT_BYTES),
    })
}

fn program_name(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let program = text(node, "program", problems)?;
    let looks_like_a_line = program.contains(' ') && !program.contains('/');
    if looks_like_a_line {
        let help = "no shell is involved: give the program alone, and its arguments under `args`";
        problems.error_help(node.span, "`program` holds a whole command line", help);
        return None;
    }
    no_nul(program, node, "`program`", problems)
}

fn args(node: &Node, parameters: &Parameters, problems: &mut Problems<'_>) -> Vec<String> {
    let items = list(node, "args", problems).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            let arg = word(item, "an argument", problems)?;
            check_template(item, &arg, Place::Argument, parameters, problems);
            no_nul(&arg, item, "an argument", problems)
        })
        .collect()
}

fn env(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let entries = mapping(node, "`env`", problems).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            check_name(&entry.key, entry.key_span, &rules::VARIABLE, problems);
            let value = word(&entry.value, &format!("`{}`", entry.key), problems)?;
            let value = no_nul(&value, &entry.value, "a variable", problems)?;
            Some((entry.key.clone(), value))
        })
        .collect()
}

/// What the operating system takes as an argument: anything without a zero byte.
fn no_nul(text: &str, node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<String> {
    if text.contains('\0') {
        problems.error(node.span, format!("{what} holds a zero byte"));
        return None;
    }
    Some(text.to_owned())
}
