//! The command line of one tool: its parameters, then flags of our own.

use std::{fs, io};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use gantz_core::json::lossy_integer;
use gantz_core::limits::DEADLINE_MAX_AHEAD_MS;
use gantz_core::manifest::{ParameterSpec, ParameterType, ToolSpec};
use gantz_core::tool::Tool as _;
use gantz_workers::tools::analyze::AnalyzeFile;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Wish;
use crate::args::{Common, Format};
use crate::commands::{first_step, json_object};
use crate::error::{CliError, Misfit};
use crate::view::moment;

const HELP: &str = "gantz:help";
const OUTPUT: &str = "gantz:output";
const WAIT: &str = "gantz:wait";
const PARAMETERS: &str = "gantz:parameters";
const PARAMETER: &str = "gantz:p";
const JOB_ID: &str = "gantz:job-id";
const KEY: &str = "gantz:idempotency-key";
const DEADLINE: &str = "gantz:deadline";
const DELAY: &str = "gantz:delay";
const MANIFEST: &str = "gantz:manifest";
const DATA_DIR: &str = "gantz:data-dir";
const STACK: &str = "gantz:stack";
const REGION: &str = "gantz:region";
const ENDPOINT_URL: &str = "gantz:endpoint-url";

/// Flags of our own: id, name, value's name, help.
const OWN_FLAGS: [(&str, &str, &str, &str); 5] = [
    (PARAMETERS, "parameters", "JSON", "All parameters at once: a JSON object, @FILE, or - for stdin"),
    (JOB_ID, "job-id", "ID", "Your own id for the job, 8 to 64 of A-Z a-z 0-9 . _ -"),
    (KEY, "idempotency-key", "KEY", "Submitted again with the same key, it is the same job"),
    (DEADLINE, "deadline", "TIME", "When it is no longer worth doing: RFC 3339"),
    (DELAY, "delay", "DURATION", "How long to wait first, such as 90s"),
];

/// What every command takes, and a tool's too: id and name. They are not listed again in each tool's help.
const COMMON_FLAGS: [(&str, &str); 5] = [
    (MANIFEST, "manifest"),
    (DATA_DIR, "data-dir"),
    (STACK, "stack"),
    (REGION, "region"),
    (ENDPOINT_URL, "endpoint-url"),
];

/// The command line of one tool. A parameter goes before a flag of ours that has its name.
pub(super) fn command(tool: &ToolSpec, wish: Wish) -> Command {
    let name = format!("gantz {} {}", wish.command(), tool.name);
    let mut command = Command::new(tool.name.clone())
        .override_usage(usage(&name, tool))
        .bin_name(name)
        .about(tool.description.clone())
        .disable_help_flag(true)
        .max_term_width(100);
    for parameter in tool.parameters.iter() {
        command = command.arg(flag(tool, parameter));
    }
    let taken = |long: &str| tool.parameters.iter().any(|parameter| long_name(tool, parameter) == long);
    let mut ours: Vec<Arg> = OWN_FLAGS
        .iter()
        .map(|(id, long, value, help)| Arg::new(*id).long(*long).value_name(*value).help(*help))
        .collect();
    ours.extend(COMMON_FLAGS.iter().map(|(id, long)| Arg::new(*id).long(*long).hide(true)));
    let parameter = Arg::new(PARAMETER).short('p').value_name("NAME=VALUE").action(ArgAction::Append);
    ours.insert(1, parameter.help("A parameter by its own name; may be given several times"));
    if wish == Wish::Id {
        let wait = Arg::new(WAIT).long("wait").action(ArgAction::SetTrue);
        ours.push(wait.help("Stay until it has ended"));
    }
    let output = Arg::new(OUTPUT).long("output").short('o').value_name("FORMAT");
    ours.push(output.value_parser(clap::value_parser!(Format)).help("How to print"));
    let help = Arg::new(HELP).long("help").short('h').action(ArgAction::HelpShort);
    ours.push(help.help("Print help"));
    ours.retain(|flag| !flag.get_long().is_some_and(taken));
    command.next_help_heading("Job").args(ours)
}

fn usage(name: &str, tool: &ToolSpec) -> String {
    let required = tool.parameters.iter().filter(|parameter| parameter.required);
    let required =
        required.map(|parameter| format!(" --{} <{}>", long_name(tool, parameter), kind_name(parameter)));
    format!("{name}{} [OPTIONS]", required.collect::<String>())
}

fn flag(tool: &ToolSpec, parameter: &ParameterSpec) -> Arg {
    let mut help = parameter.value.description.clone().unwrap_or_default();
    if parameter.required {
        help.push_str(" [required]");
    }
    if let Some(default) = &parameter.value.default {
        help.push_str(&format!(" [default: {default}]"));
    }
    let arg = Arg::new(parameter.name.clone())
        .long(long_name(tool, parameter))
        .value_name(kind_name(parameter))
        .help(help.trim().to_owned())
        .help_heading("Parameters")
        .allow_hyphen_values(true);
    let choices: Option<Vec<String>> =
        parameter.value.choices.iter().map(|choice| choice.as_str().map(str::to_owned)).collect();
    match choices {
        Some(choices) if !choices.is_empty() => arg.value_parser(PossibleValuesParser::new(choices)),
        _ => arg,
    }
}

fn kind_name(parameter: &ParameterSpec) -> String {
    parameter.value.kind.as_str().to_ascii_uppercase()
}

/// With hyphens, as flags are spelled; as it is where that would make two parameters the same flag.
fn long_name(tool: &ToolSpec, parameter: &ParameterSpec) -> String {
    let long = parameter.name.replace('_', "-");
    let alike = tool.parameters.iter().filter(|other| other.name.replace('_', "-") == long);
    if alike.count() > 1 { parameter.name.clone() } else { long }
}

pub(super) fn submission(tool: &ToolSpec, matches: &ArgMatches, now_ms: u64) -> Result<Value, CliError> {
    let mut parameters = match own(matches, PARAMETERS) {
        None => Map::new(),
        Some(text) => json_object("--parameters", &source(text, "--parameters")?)?,
    };
    for given in matches.get_many::<String>(PARAMETER).into_iter().flatten() {
        let (parameter, text) = named(tool, given)?;
        parameters.insert(parameter.name.clone(), value(tool, parameter, text)?);
    }
    for parameter in tool.parameters.iter() {
        if let Some(text) = matches.get_one::<String>(&parameter.name) {
            parameters.insert(parameter.name.clone(), value(tool, parameter, text)?);
        }
    }
    if tool.handler.name() == AnalyzeFile::HANDLER {
        make_path_absolute(&mut parameters)?;
    }
    // Whoever takes the job checks it again. But nothing need be started to learn of a slip.
    let parameters = Value::Object(parameters);
    if let Err(errors) = tool.parameters.check(parameters.clone()) {
        let misfits = errors
            .into_iter()
            .map(|error| Misfit { place: parameter_flag(tool, &error.pointer), detail: error.message });
        let message = format!("the parameters do not fit the tool `{}`", tool.name);
        return Err(CliError::misfits(message, misfits.collect()));
    }
    if let Some(text) = own(matches, DEADLINE) {
        check_deadline(text, now_ms)?;
    }
    let mut body =
        Map::from_iter([("tool".to_owned(), json!(tool.name)), ("parameters".to_owned(), parameters)]);
    for (id, key) in [(JOB_ID, "job_id"), (KEY, "idempotency_key"), (DEADLINE, "deadline"), (DELAY, "delay")]
    {
        if let Some(text) = own(matches, id) {
            body.insert(key.to_owned(), json!(text));
        }
    }
    Ok(Value::Object(body))
}

/// The worker that reads the file may run in another folder.
fn make_path_absolute(parameters: &mut Map<String, Value>) -> Result<(), CliError> {
    if let Some(Value::String(path)) = parameters.get_mut("path")
        && !path.is_empty()
        && let Some(absolute) = std::path::absolute(&*path)?.to_str()
    {
        absolute.clone_into(path);
    }
    Ok(())
}

/// In the words of the command line: the API has milliseconds. What is no time at all, the API says.
fn check_deadline(text: &str, now_ms: u64) -> Result<(), CliError> {
    let Ok(at) = text.parse::<Timestamp>() else { return Ok(()) };
    let at_ms = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let wrong = if at_ms <= now_ms {
        "has passed"
    } else if at_ms - now_ms > DEADLINE_MAX_AHEAD_MS {
        "is more than 13 days ahead"
    } else {
        return Ok(());
    };
    let now = moment(now_ms);
    Err(CliError::usage(format!("the time of `--deadline`, {text}, {wrong}: it is {now} now")))
}

/// The flag that a place in the submission comes from.
pub(super) fn flag_of(tool: &ToolSpec, pointer: &str) -> String {
    let (field, rest) = first_step(pointer);
    match field {
        "tool" => "TOOL".to_owned(),
        "parameters" => parameter_flag(tool, rest),
        "job_id" | "idempotency_key" | "deadline" | "delay" => format!("--{}", field.replace('_', "-")),
        _ => pointer.to_owned(),
    }
}

/// The flag that a place in the parameters comes from. What has no flag can only come from `--parameters`.
fn parameter_flag(tool: &ToolSpec, pointer: &str) -> String {
    let (name, rest) = first_step(pointer);
    match tool.parameters.get(name) {
        Some(parameter) => format!("--{}{rest}", long_name(tool, parameter)),
        None => format!("--parameters{pointer}"),
    }
}

/// Whether the word after this flag is its value, whatever it looks like: so it is with the tool's own parameters.
pub(super) fn takes_value(tool: &ToolSpec, flag: &str) -> bool {
    let name = flag.strip_prefix("--");
    name.is_some_and(|name| tool.parameters.iter().any(|parameter| long_name(tool, parameter) == name))
}

/// The common flags among those given behind the tool's name.
pub(super) fn common(matches: &ArgMatches, common: &mut Common) {
    if let Some(file) = own(matches, MANIFEST) {
        common.manifest = Some(file.into());
    }
    if let Some(dir) = own(matches, DATA_DIR) {
        common.data_dir = Some(dir.into());
    }
    for (id, setting) in
        [(STACK, &mut common.stack), (REGION, &mut common.region), (ENDPOINT_URL, &mut common.endpoint_url)]
    {
        if let Some(value) = own(matches, id) {
            *setting = Some(value.clone());
        }
    }
    if let Some(format) = matches.try_get_one::<Format>(OUTPUT).ok().flatten() {
        common.output = *format;
    }
}

/// Whether the caller wants to stay until the job has ended.
pub(super) fn waits(matches: &ArgMatches) -> bool {
    matches.try_get_one(WAIT).ok().flatten().copied().unwrap_or(false)
}

/// The value of a flag of ours, unless a parameter took its name.
fn own<'a>(matches: &'a ArgMatches, id: &str) -> Option<&'a String> {
    matches.try_get_one::<String>(id).ok().flatten()
}

/// The parameter that `NAME=VALUE` is of, and its value as given.
fn named<'a, 'b>(tool: &'a ToolSpec, given: &'b str) -> Result<(&'a ParameterSpec, &'b str), CliError> {
    let Some((name, value)) = given.split_once('=') else {
        return Err(CliError::usage(format!("`-p {given}` is no NAME=VALUE")));
    };
    let found = tool.parameters.iter().find(|known| known.name == name || long_name(tool, known) == name);
    let names = || tool.parameters.iter().map(|known| known.name.as_str()).collect::<Vec<_>>().join(", ");
    let parameter = found.ok_or_else(|| {
        CliError::usage(format!("the tool `{}` has no parameter `{name}`, it takes: {}", tool.name, names()))
    })?;
    Ok((parameter, value))
}

/// JSON as given, or from the file that `@FILE` names, or from stdin.
fn source(text: &str, flag: &str) -> Result<String, CliError> {
    let read = match text.strip_prefix('@') {
        Some(file) => fs::read_to_string(file).map_err(|error| (file, error)),
        None if text == "-" => io::read_to_string(io::stdin()).map_err(|error| ("stdin", error)),
        None => return Ok(text.to_owned()),
    };
    read.map_err(|(file, error)| CliError::usage(format!("`{flag}`: cannot read `{file}`: {error}")))
}

/// Strings are taken as they are, everything else is JSON; an object or an array may be in a file, `@FILE`.
fn value(tool: &ToolSpec, parameter: &ParameterSpec, text: &str) -> Result<Value, CliError> {
    let (kind, name) = (parameter.value.kind, long_name(tool, parameter));
    if kind == ParameterType::String {
        return Ok(json!(text));
    }
    let text = match kind {
        ParameterType::Object | ParameterType::Array => &source(text, &format!("--{name}"))?,
        _ => text,
    };
    let value = serde_json::from_str(text).map_err(|error| {
        let kind = kind.as_str();
        CliError::usage(match kind {
            "object" | "array" => {
                format!("`--{name}` takes an {kind} as JSON or @FILE, not `{text}`: {error}")
            }
            "integer" => format!("`--{name}` takes an integer, not `{text}`"),
            "boolean" => format!("`--{name}` takes `true` or `false`, not `{text}`"),
            _ => format!("`--{name}` takes a {kind}, not `{text}`"),
        })
    })?;
    match lossy_integer(text) {
        None => Ok(value),
        Some(integer) => Err(CliError::usage(format!("`--{name}`: {integer}"))),
    }
}
