//! `schedules`: when which tool runs by itself.

use serde_json::{Map, Value, json};

use super::super::cron::Cron;
use super::super::diagnostic::Problems;
use super::super::quantity::duration_ms;
use super::super::rules;
use super::super::schedule::{Scan, ScheduleSpec, When};
use super::super::section::{Section, text};
use super::super::syntax::{cut, describe};
use super::super::tree::{Entry, Kind, Node};
use super::call::{self, Known};
use super::check_name;

const KEYS: [&str; 9] =
    ["cron", "rate", "at", "timezone", "jitter", "tool", "parameters", "new_objects_since_last_run", "lane"];
const WHENS: [&str; 3] = ["cron", "rate", "at"];
const MINUTE_MS: u64 = 60_000;
/// What a scan fills in by itself.
const OF_THE_OBJECT: [&str; 2] = ["bucket", "key"];
/// Stands for the stack's uploads bucket, whose name is known only once there is a stack.
const UPLOADS: &str = "${uploads}";
const SCAN_HELP: &str =
    "write `s3://BUCKET/PREFIX`, or `s3://${uploads}/PREFIX` for the stack's uploads bucket";
const AT_HELP: &str = "write `2026-12-31T08:00:00`, without an offset, and a `timezone` beside it";
const TIMEZONE_HELP: &str = "a time zone is called `UTC` or as in `Europe/Berlin`";

/// Reads one schedule. `None` when a key that it cannot do without is missing or wrong.
pub(super) fn read(entry: &Entry, known: &Known<'_>, problems: &mut Problems<'_>) -> Option<ScheduleSpec> {
    check_name(&entry.key, entry.key_span, &rules::SCHEDULE, problems);
    let what = format!("schedule `{}`", cut(&entry.key));
    let section = Section::open(&entry.value, entry.key_span, what, &KEYS, problems)?;
    let when = when(&section, problems);
    let timezone = section.get("timezone").and_then(|node| timezone(node, problems));
    let longest_ms = u64::from(ScheduleSpec::JITTER_MAX_MINUTES) * MINUTE_MS;
    let jitter = section.get("jitter").and_then(|node| minutes(node, "jitter", longest_ms, problems));
    let scan = section.get("new_objects_since_last_run").map(|node| scan(node, problems));
    let tool = call::tool(&section, known, problems);
    let lane = call::lane(&section, known, problems);
    let parameters = call::parameters(&section, problems).unwrap_or_default();
    if let Some(tool) = tool {
        let example = example(&section, parameters.clone(), scan.is_some(), problems);
        let stands_in = |pointer: &str| scan.is_some() && matches!(pointer, "/bucket" | "/key");
        call::check(&section, tool, example, stands_in, problems);
    }
    Some(ScheduleSpec {
        name: entry.key.clone(),
        when: when?,
        timezone,
        jitter_minutes: jitter,
        tool: tool?.name.clone(),
        parameters: Value::Object(parameters),
        scan: match scan {
            Some(scan) => Some(scan?),
            None => None,
        },
        lane,
    })
}

fn when(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<When> {
    let given: Vec<_> = WHENS.iter().filter_map(|key| section.entry(key)).collect();
    let [entry] = given.as_slice() else {
        let (span, message) = match given.as_slice() {
            [_, second, ..] => {
                (second.key_span, format!("{} has more than one of `cron`, `rate` and `at`", section.what()))
            }
            _ => (section.span(), format!("{} has none of `cron`, `rate` and `at`", section.what())),
        };
        problems.error_help(
            span,
            message,
            "give one: `cron: \"0 8 * * MON-FRI\"`, `rate: 15m` or `at: 2026-12-31T08:00:00`",
        );
        return None;
    };
    match entry.key.as_str() {
        "cron" => cron(&entry.value, problems).map(When::Cron),
        "rate" => {
            let longest_ms = u64::from(When::RATE_MAX_MINUTES) * MINUTE_MS;
            minutes(&entry.value, "rate", longest_ms, problems).map(When::RateMinutes)
        }
        _ => at(&entry.value, problems).map(When::At),
    }
}

fn cron(node: &Node, problems: &mut Problems<'_>) -> Option<Cron> {
    let expression = text(node, "cron", problems)?;
    Cron::parse(expression).map_err(|error| problems.error_help(node.span, error.message, error.help)).ok()
}

/// A duration of whole minutes, at least one.
fn minutes(node: &Node, key: &str, max_ms: u64, problems: &mut Problems<'_>) -> Option<u32> {
    let duration_ms = duration_ms(node, key, MINUTE_MS, max_ms, problems)?;
    if duration_ms % MINUTE_MS != 0 {
        let message = format!("`{key}` is no whole number of minutes");
        problems.error_help(node.span, message, "schedules know no seconds: write `15m` or `2h`");
        return None;
    }
    u32::try_from(duration_ms / MINUTE_MS).ok()
}

fn at(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let moment = text(node, "at", problems)?;
    // A civil time alone: an offset would be read and then ignored.
    let time = moment.get(10..).unwrap_or_default();
    let moment = match moment.parse::<jiff::civil::DateTime>() {
        Ok(read) if time.len() > 1 && !time.contains(['+', '-', 'Z', 'z', '[']) => read,
        _ => {
            problems.error_help(
                node.span,
                format!("`at`: expected a date and a time, got {}", describe(node)),
                AT_HELP,
            );
            return None;
        }
    };
    Some(moment.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

/// A name of the IANA database, by its shape: which names there are changes faster than programs do.
fn timezone(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let name = text(node, "timezone", problems)?;
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    let parts = name.split('/').count();
    let valid = name == "UTC" || (2..=3).contains(&parts) && name.len() <= 50 && name.split('/').all(part);
    if !valid {
        problems.error_help(node.span, format!("`{}` is no time zone", cut(name)), TIMEZONE_HELP);
    }
    valid.then(|| name.to_owned())
}

fn scan(node: &Node, problems: &mut Problems<'_>) -> Option<Scan> {
    let url = text(node, "new_objects_since_last_run", problems)?;
    let Some(path) = url.strip_prefix("s3://") else {
        let message = format!("`new_objects_since_last_run`: expected objects of S3, got {}", describe(node));
        problems.error_help(node.span, message, SCAN_HELP);
        return None;
    };
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let bucket = if bucket == UPLOADS { None } else { Some(call::bucket(node, bucket, problems)?) };
    Some(Scan { bucket, prefix: prefix.to_owned() })
}

/// What one call will look like.
fn example(
    section: &Section<'_>,
    mut parameters: Map<String, Value>,
    scans: bool,
    problems: &mut Problems<'_>,
) -> Map<String, Value> {
    if !scans {
        return parameters;
    }
    for name in OF_THE_OBJECT {
        let entries = section.get("parameters").map(|node| &node.kind);
        if let Some(Kind::Map(entries)) = entries
            && let Some(given) = entries.iter().find(|entry| entry.key == name)
        {
            let message =
                format!("`{name}` is that of each object, as `new_objects_since_last_run` finds it");
            problems.error_help(given.key_span, message, "remove it");
        }
        parameters.insert(name.to_owned(), json!(name));
    }
    parameters
}
