//! The section `command` of a tool that is a program.

use std::collections::BTreeMap;

use super::super::diagnostic::Problems;
use super::super::handler::{MAX_OUTPUT_BYTES, PERMANENT_EXIT_CODES};
use super::super::parameters::Parameters;
use super::super::rules;
use super::super::secret::{self, SecretError, SecretPart};
use super::super::section::{Section, choice, list, mapping, number, text, word, wrong_type};
use super::super::tree::{Entry, Kind, Node};
use super::super::{CommandOutput, CommandSpec};
use super::check_name;
use super::template::{Place, check_template};

const KEYS: [&str; 7] = ["program", "args", "env", "cwd", "output", "permanent", "max_output_bytes"];
const OUTPUTS: [(&str, CommandOutput); 2] = [("json", CommandOutput::Json), ("text", CommandOutput::Text)];

pub(super) fn read(
    entry: &Entry,
    parameters: &Parameters,
    problems: &mut Problems<'_>,
) -> Option<CommandSpec> {
    match &entry.value.kind {
        Kind::List(words) => return argv(words, &entry.value, parameters, problems),
        Kind::Text(_) => {
            let wanted = "a list such as `[python3, tool.py]`";
            return wrong_type(&entry.value, "`command`", wanted, problems);
        }
        _ => {}
    }
    let section = Section::open(&entry.value, entry.key_span, "`command`", &KEYS, problems)?;
    let program = section.require("program", "program: python3", problems);
    let program = program.and_then(|node| program_name(node, problems));
    let args = section.get("args").and_then(|node| list(node, "args", problems));
    let args = args.map(|items| templates(items, parameters, problems)).unwrap_or_default();
    let env = section.get("env").map(|node| env(node, problems)).unwrap_or_default();
    let cwd = section.text("cwd", problems);
    let output = section.get("output").and_then(|node| choice(node, "output", &OUTPUTS, problems));
    let permanent = section.get("permanent").map(|node| permanent(node, problems));
    let max_output_bytes = section.integer("max_output_bytes", 1, MAX_OUTPUT_BYTES, problems);
    Some(CommandSpec {
        program: program?,
        args,
        env,
        cwd,
        output: output.unwrap_or_default(),
        permanent: permanent.unwrap_or_else(|| PERMANENT_EXIT_CODES.to_vec()),
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

/// The short form: the program and its arguments.
fn argv(
    words: &[Node],
    node: &Node,
    parameters: &Parameters,
    problems: &mut Problems<'_>,
) -> Option<CommandSpec> {
    let Some((program, args)) = words.split_first() else {
        problems.error_help(node.span, "`command` is empty", "begin with the program: `[python3, tool.py]`");
        return None;
    };
    let program = program_name(program, problems);
    let args = templates(args, parameters, problems);
    Some(CommandSpec { args, ..CommandSpec::of(program?) })
}

/// Exit codes after which another attempt would end the same way.
fn permanent(node: &Node, problems: &mut Problems<'_>) -> Vec<i32> {
    let items = list(node, "permanent", problems).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            let code = number(item, "permanent", problems)?;
            let code = code.as_i64().and_then(|code| i32::try_from(code).ok());
            if !code.is_some_and(|code| (1..=255).contains(&code)) {
                problems.error_help(
                    item.span,
                    "`permanent`: expected exit codes of 1 to 255",
                    "such as `[2, 65]`",
                );
            }
            code
        })
        .collect()
}

fn templates(items: &[Node], parameters: &Parameters, problems: &mut Problems<'_>) -> Vec<String> {
    items
        .iter()
        .filter_map(|item| {
            let arg = word(item, "an argument", problems)?;
            check_template(item, &arg, Place::Argument, parameters, problems);
            no_nul(&arg, item, "an argument", problems)
        })
        .collect()
}

pub(super) fn env(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let entries = mapping(node, "`env`", problems).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            check_name(&entry.key, entry.key_span, &rules::VARIABLE, problems);
            let value = word(&entry.value, &format!("`{}`", entry.key), problems)?;
            let value = no_nul(&value, &entry.value, "a variable", problems)?;
            check_secrets(&entry.value, &value, problems);
            Some((entry.key.clone(), value))
        })
        .collect()
}

/// Checks that each secret of a value can be told, and returns its literal parts.
pub(super) fn check_secrets(node: &Node, value: &str, problems: &mut Problems<'_>) -> Vec<String> {
    let parts = secret::parts(value).unwrap_or_else(|error| {
        problems.error_help(node.span, error.to_string(), SecretError::HELP);
        Vec::new()
    });
    let literal = |part| match part {
        SecretPart::Literal(text) => Some(text),
        SecretPart::Secret(_) => None,
    };
    parts.into_iter().filter_map(literal).collect()
}

/// What the operating system takes as an argument: anything without a zero byte.
fn no_nul(text: &str, node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<String> {
    if text.contains('\0') {
        problems.error(node.span, format!("{what} holds a zero byte"));
        return None;
    }
    Some(text.to_owned())
}
