//! `schedules`: when which tool runs by itself.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::super::cron::Cron;
use super::super::diagnostic::Problems;
use super::super::quantity::duration_ms;
use super::super::rules;
use super::super::schedule::{ScheduleSpec, ScheduledBatch, When};
use super::super::section::{Section, text, wrong_type};
use super::super::suggest::closest;
use super::super::syntax::{cut, describe};
use super::super::tree::{Entry, Kind, Node};
use super::call::{self, Known};
use super::check_name;
use crate::batch::Tolerance;

const KEYS: [&str; 5] = ["every", "timezone", "jitter", "job", "batch"];
const JOB_KEYS: [&str; 3] = ["tool", "parameters", "lane"];
const BATCH_KEYS: [&str; 6] = ["tool", "parameters", "lane", "s3", "new_only", "tolerate"];
const S3_KEYS: [&str; 2] = ["bucket", "prefix"];
const MINUTE_MS: u64 = 60_000;
const EVERY_HELP: &str = "write `cron(0 8 ? * MON-FRI *)`, `rate(15 minutes)` or `at(2026-12-31T08:00:00)`";
const RATE_HELP: &str = "write `rate(15 minutes)`, `rate(1 hour)` or `rate(2 days)`";
const AT_HELP: &str = "write `at(2026-12-31T08:00:00)`, without an offset, and a `timezone` beside it";
const TIMEZONE_HELP: &str = "a time zone is called `UTC` or as in `Europe/Berlin`";

/// Reads one schedule. `None` when a key that it cannot do without is missing or wrong.
pub(super) fn read(entry: &Entry, known: &Known<'_>, problems: &mut Problems<'_>) -> Option<ScheduleSpec> {
    check_name(&entry.key, entry.key_span, &rules::SCHEDULE, problems);
    let what = format!("schedule `{}`", cut(&entry.key));
    let section = Section::open(&entry.value, entry.key_span, what, &KEYS, problems)?;
    let when =
        section.require("every", "every: rate(1 hour)", problems).and_then(|node| when(node, problems));
    let timezone = section.get("timezone").and_then(|node| timezone(node, problems));
    let longest_ms = u64::from(ScheduleSpec::JITTER_MAX_MINUTES) * MINUTE_MS;
    let jitter = section.get("jitter").and_then(|node| minutes(node, "jitter", longest_ms, problems));
    let (call, batch) = match (section.entry("job"), section.entry("batch")) {
        (Some(job), None) => (Section::open(&job.value, job.key_span, "`job`", &JOB_KEYS, problems)?, None),
        (None, Some(batch)) => {
            let call = Section::open(&batch.value, batch.key_span, "`batch`", &BATCH_KEYS, problems)?;
            let batch = read_batch(&call, problems);
            (call, Some(batch))
        }
        (Some(_), Some(batch)) => {
            let message = format!("{} has both a `job` and a `batch`", section.what());
            problems.error_help(batch.key_span, message, "make two schedules of it");
            return None;
        }
        (None, None) => {
            let message = format!("{} has neither a `job` nor a `batch`", section.what());
            problems.error_help(
                section.span(),
                message,
                "say what to run: `job: {tool: …, parameters: {…}}`",
            );
            return None;
        }
    };
    let tool = call::tool(&call, known, problems);
    let lane = call::lane(&call, known, problems);
    let parameters = call::parameters(&call, problems).unwrap_or_default();
    if let Some(tool) = tool {
        let example = example(&call, parameters.clone(), batch.is_some(), problems);
        let stands_in = |pointer: &str| batch.is_some() && matches!(pointer, "/bucket" | "/key");
        call::check(&call, tool, example, stands_in, problems);
    }
    Some(ScheduleSpec {
        name: entry.key.clone(),
        when: when?,
        timezone,
        jitter_minutes: jitter,
        tool: tool?.name.clone(),
        parameters: Value::Object(parameters),
        lane,
        batch: match batch {
            Some(batch) => Some(batch?),
            None => None,
        },
    })
}

fn read_batch(section: &Section<'_>, problems: &mut Problems<'_>) -> Option<ScheduledBatch> {
    section.require("s3", "s3: {prefix: incoming/}", problems);
    let tolerate = section.get("tolerate").map(|node| tolerate(node, problems));
    let new_only = section.boolean("new_only", problems).unwrap_or(false);
    let s3 = section.entry("s3")?;
    let s3 = Section::open(&s3.value, s3.key_span, "`s3`", &S3_KEYS, problems)?;
    let bucket = match s3.get("bucket") {
        Some(node) => {
            Some(text(node, "bucket", problems).and_then(|name| call::bucket(node, name, problems))?)
        }
        None => None,
    };
    let prefix = call::affix(&s3, "prefix", problems);
    let tolerate = match tolerate {
        Some(tolerate) => Some(tolerate?),
        None => None,
    };
    Some(ScheduledBatch { bucket, prefix, new_only, tolerate })
}

fn tolerate(node: &Node, problems: &mut Problems<'_>) -> Option<Tolerance> {
    let read = match &node.kind {
        Kind::Number(number) => number.to_string().parse::<Tolerance>(),
        Kind::Text(text) => text.parse(),
        _ => return wrong_type(node, "`tolerate`", "a number of children or a share such as `5%`", problems),
    };
    read.map_err(|error| problems.error(node.span, format!("`tolerate`: {error}"))).ok()
}

/// `cron(…)`, `rate(…)` or `at(…)`, as EventBridge Scheduler has them.
fn when(node: &Node, problems: &mut Problems<'_>) -> Option<When> {
    let expression = text(node, "every", problems)?.trim();
    let of = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    if of("cron").is_some() {
        let cron = Cron::parse(expression);
        return cron
            .map(When::Cron)
            .map_err(|error| problems.error_help(node.span, error.message, error.help))
            .ok();
    }
    if let Some(rate) = of("rate") {
        return rate_minutes(rate)
            .map(When::RateMinutes)
            .map_err(|message| problems.error_help(node.span, format!("`every`: {message}"), RATE_HELP))
            .ok();
    }
    if let Some(moment) = of("at") {
        return at(moment.trim(), node, problems).map(When::At);
    }
    let message = format!("`every`: expected `cron(…)`, `rate(…)` or `at(…)`, got {}", describe(node));
    problems.error_help(node.span, message, EVERY_HELP);
    None
}

/// `15 minutes`, `1 hour`, `2 days`.
fn rate_minutes(rate: &str) -> Result<u32, String> {
    let words: Vec<&str> = rate.split_whitespace().collect();
    let [number, unit] = words.as_slice() else {
        return Err(format!("`rate({})` is no number and unit", cut(rate)));
    };
    let number: u32 = number
        .parse()
        .map_err(|_| format!("`{}` in `rate({})` is no whole number", cut(number), cut(rate)))?;
    let minutes = match *unit {
        "minute" | "minutes" => 1,
        "hour" | "hours" => 60,
        "day" | "days" => 24 * 60,
        _ => return Err(format!("`{}` is no unit of a rate", cut(unit))),
    };
    match number.checked_mul(minutes) {
        Some(minutes @ 1..=When::RATE_MAX_MINUTES) => Ok(minutes),
        _ => {
            Err(format!("a rate is at least a minute and at most {} days", When::RATE_MAX_MINUTES / 24 / 60))
        }
    }
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

fn at(moment: &str, node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    // A civil time alone: an offset would be read and then ignored.
    let time = moment.get(10..).unwrap_or_default();
    let moment = match moment.parse::<jiff::civil::DateTime>() {
        Ok(read) if time.len() > 1 && !time.contains(['+', '-', 'Z', 'z', '[']) => read,
        _ => {
            let message = format!("`every`: `{}` is no date and time", cut(moment));
            problems.error_help(node.span, message, AT_HELP);
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
    let has_the_shape =
        name == "UTC" || (2..=3).contains(&parts) && name.len() <= 50 && name.split('/').all(part);
    if has_the_shape && TimeZone::get(name).is_ok() {
        return Some(name.to_owned());
    }
    let known = jiff::tz::db().available();
    let known: Vec<String> = known.map(|zone| zone.to_string()).filter(|zone| zone.contains('/')).collect();
    let help = match closest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => TIMEZONE_HELP.to_owned(),
    };
    problems.error_help(node.span, format!("`{}` is no time zone", cut(name)), help);
    None
}

/// What a batch fills in by itself.
const OF_THE_OBJECT: [&str; 2] = ["bucket", "key"];

/// What one call will look like.
fn example(
    section: &Section<'_>,
    mut parameters: Map<String, Value>,
    is_batch: bool,
    problems: &mut Problems<'_>,
) -> Map<String, Value> {
    if !is_batch {
        return parameters;
    }
    for name in OF_THE_OBJECT {
        let entries = section.get("parameters").map(|node| &node.kind);
        if let Some(Kind::Map(entries)) = entries
            && let Some(given) = entries.iter().find(|entry| entry.key == name)
        {
            let message = format!("`{name}` is that of each object under `s3`");
            problems.error_help(given.key_span, message, "remove it");
        }
        parameters.insert(name.to_owned(), json!(name));
    }
    parameters
}
