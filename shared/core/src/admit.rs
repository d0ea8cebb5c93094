//! Admission: from what a caller asks for to the job that will be recorded, or the reason why not.

use jiff::Timestamp;
use serde_json::Value;

use crate::ids::{self, JobId, Lane, Tenant};
use crate::job::{JobRecord, NewJob};
use crate::limits;
use crate::manifest::{Manifest, ParameterError, ToolSpec};
use crate::outcome::truncate;
use crate::spec::{Instant, JobSpec, Span};
use crate::time::{millis, parse_duration_ms};
use crate::trace::TraceParent;

/// Where a submission comes from, which is where its id comes from if the caller gives none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The door: `http`, `cli`, `eventbridge`, `s3`, `schedule`, `sqs`. Idempotency keys of different doors differ.
    pub source: &'static str,
    /// What the source itself calls this occurrence, if a repetition would be called the same.
    pub occurrence: Option<String>,
}

impl Origin {
    /// The id of what a tenant submits here without naming it: the same for each repetition of the occurrence. `None` if
    /// the source does not tell one repetition from another.
    pub fn id(&self, tenant: &Tenant) -> Option<JobId> {
        self.occurrence.as_deref().map(|occurrence| JobId::from_key(tenant, self.source, occurrence))
    }
}

/// A job that may be recorded and sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// The row to record.
    pub record: JobRecord,
    /// The checked parameters, defaults filled in.
    pub parameters: Value,
    /// Milliseconds before the first attempt.
    pub delay_ms: u64,
    /// The trace that it belongs to, if it belongs to one.
    pub trace: Option<TraceParent>,
}

/// Why a submission is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// The manifest has no such tool.
    #[error("there is no tool `{tool}`{}", did_you_mean(suggestion.as_deref()))]
    UnknownTool {
        /// The name given.
        tool: String,
        /// A name that is like it.
        suggestion: Option<String>,
    },
    /// The parameters do not fit the tool.
    #[error("the parameters do not fit the tool `{tool}`: {}", joined(errors))]
    Parameters {
        /// The tool.
        tool: String,
        /// Each misfit, with its JSON pointer below `/parameters`.
        errors: Vec<ParameterError>,
    },
    /// Another field is wrong.
    #[error("`{pointer}`: {message}")]
    Field {
        /// The field's JSON pointer.
        pointer: &'static str,
        /// What is wrong, and what would be right.
        message: String,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

fn joined(errors: &[ParameterError]) -> String {
    let one = |error: &ParameterError| match error.pointer.as_str() {
        "" => error.message.clone(),
        pointer => format!("{pointer}: {}", error.message),
    };
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Admits a single job.
///
/// # Errors
/// When the tool is unknown, the parameters do not fit it, or another field breaks its rule.
pub fn admit(
    spec: JobSpec,
    manifest: &Manifest,
    origin: &Origin,
    now_ms: u64,
    random: [u64; 2],
) -> Result<Admission, Rejection> {
    let tool = find_tool(manifest, &spec.tool)?;
    let tenant = match spec.tenant {
        Some(name) => tenant(name)?,
        None => Tenant::default_tenant(),
    };
    let lane = match spec.lane {
        Some(name) => known_lane(manifest, name)?,
        None => tool.policy.lane.clone(),
    };
    let id = match (spec.job_id, spec.idempotency_key) {
        (Some(id), _) => JobId::try_new(id).map_err(|error| field("/job_id", error.to_string()))?,
        (None, Some(key)) => keyed_id(&tenant, origin.source, &key)?,
        (None, None) => origin.id(&tenant).unwrap_or_else(|| JobId::from_time(now_ms, random)),
    };
    let delay_ms = spec.delay.map_or(Ok(0), |delay| delay_ms(&delay))?;
    let deadline_ms = deadline_ms(spec.deadline.as_ref(), now_ms, delay_ms)?;
    let label = spec.label.map(short_label);
    let place = Place { tenant, lane, deadline_ms: Some(deadline_ms) };
    let job = NewJob { label, ..new_job(tool, id, place, &spec.parameters, now_ms) };
    let record = JobRecord { token: Some(token(random)), ..JobRecord::queued(job) };
    let parameters = check_parameters(tool, spec.parameters)?;
    Ok(Admission { record, parameters, delay_ms, trace: spec.traceparent })
}

/// What the children of one batch have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The batch.
    pub parent: JobId,
    /// Whether the end of each is told by an event.
    pub child_events: bool,
    /// Whose its children are, where they wait, and for how long.
    pub place: Place,
    /// The trace that all of them belong to.
    pub trace: Option<TraceParent>,
}

/// Where a job waits, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Whose it is.
    pub tenant: Tenant,
    /// The lane it is sent to.
    pub lane: Lane,
    /// When it is no longer worth doing, milliseconds since the epoch.
    pub deadline_ms: Option<u64>,
}

/// Admits a batch's child. Its id follows from its index, so that planning may be repeated.
///
/// # Errors
/// When the parameters do not fit the tool.
pub fn admit_child(
    tool: &ToolSpec,
    family: &Family,
    index: u32,
    parameters: Value,
    label: Option<String>,
    now_ms: u64,
) -> Result<Admission, Rejection> {
    let record = child_record(tool, family, index, label, &parameters, now_ms);
    let parameters = check_parameters(tool, parameters)?;
    Ok(Admission { record, parameters, delay_ms: 0, trace: family.trace.clone() })
}

/// The row of a child, also of one whose parameters were refused.
pub fn child_record(
    tool: &ToolSpec,
    family: &Family,
    index: u32,
    label: Option<String>,
    parameters: &Value,
    now_ms: u64,
) -> JobRecord {
    JobRecord::queued(NewJob {
        parent: Some(family.parent.clone()),
        index: Some(index),
        child_events: family.child_events,
        label: label.map(short_label),
        ..new_job(tool, JobId::child(&family.parent, index), family.place.clone(), parameters, now_ms)
    })
}

/// Names this submission, and no other one of the same job.
fn token(random: [u64; 2]) -> String {
    format!("{:016x}", random[0])
}

/// A job of `tool` that nobody else asked for, with its parameters as submitted: a default that changes makes no other
/// job of it.
pub(crate) fn new_job(tool: &ToolSpec, id: JobId, place: Place, submitted: &Value, now_ms: u64) -> NewJob {
    NewJob {
        id,
        params_hash: ids::params_hash(&place.tenant, &tool.name, submitted),
        tool: tool.name.clone(),
        tenant: place.tenant,
        lane: place.lane,
        max_attempts: tool.policy.retry.max_attempts(),
        effects: tool.policy.effects,
        effect_key: None,
        retry_of: None,
        deadline_ms: place.deadline_ms,
        parent: None,
        index: None,
        child_events: false,
        label: None,
        created_at_ms: now_ms,
    }
}

/// The tool of that name.
///
/// # Errors
/// When the manifest has none; with a suggestion.
pub fn find_tool<'a>(manifest: &'a Manifest, name: &str) -> Result<&'a ToolSpec, Rejection> {
    manifest.tool(name).ok_or_else(|| Rejection::UnknownTool {
        tool: name.chars().take(limits::NAME_SHOWN_MAX_CHARS).collect(),
        suggestion: manifest.suggest_tool(name).map(str::to_owned),
    })
}

pub(crate) fn tenant(name: String) -> Result<Tenant, Rejection> {
    Tenant::try_new(name).map_err(|error| field("/tenant", error.to_string()))
}

/// The lane of that name, if any worker serves it.
///
/// # Errors
/// When the name breaks its rule, or the manifest knows no such lane.
pub fn known_lane(manifest: &Manifest, name: String) -> Result<Lane, Rejection> {
    let lane = Lane::try_new(name).map_err(|error| field("/lane", error.to_string()))?;
    if manifest.lanes().any(|(known, _)| *known == lane) {
        return Ok(lane);
    }
    let known: Vec<&str> = manifest.lanes().map(|(lane, _)| lane.as_str()).collect();
    Err(field("/lane", format!("there is no lane `{lane}`, the manifest has: {}", known.join(", "))))
}

/// The id that an idempotency key stands for.
///
/// # Errors
/// When the key is empty or too long.
pub fn keyed_id(tenant: &Tenant, source: &str, key: &str) -> Result<JobId, Rejection> {
    let chars = key.chars().count();
    if chars == 0 || chars > limits::IDEMPOTENCY_KEY_MAX_CHARS {
        let max = limits::IDEMPOTENCY_KEY_MAX_CHARS;
        return Err(field("/idempotency_key", format!("has {chars} characters, expected 1 to {max}")));
    }
    Ok(JobId::from_key(tenant, source, key))
}

/// A caller's deadline, or the default one, as milliseconds since the epoch.
///
/// # Errors
/// When it is no time, has passed, or lies more than [`limits::DEADLINE_MAX_AHEAD_MS`] ahead.
pub fn deadline_ms(deadline: Option<&Instant>, now_ms: u64, delay_ms: u64) -> Result<u64, Rejection> {
    let due_ms = now_ms + delay_ms;
    let Some(deadline) = deadline else { return Ok(due_ms + limits::DEADLINE_DEFAULT_MS) };
    let wrong = |message: String| Err(field("/deadline", message));
    let at_ms = match deadline {
        Instant::Millis(ms) => *ms,
        Instant::Text(text) => match text.parse::<Timestamp>() {
            Ok(at) => u64::try_from(at.as_millisecond()).unwrap_or(0),
            Err(_) => {
                let text = shown(text);
                return wrong(format!(
                    "`{text}` is no time, expected milliseconds since the epoch or RFC 3339 such as `2030-01-31T12:00:00Z`"
                ));
            }
        },
    };
    if at_ms <= now_ms {
        return wrong(format!("{at_ms} has passed: it is {now_ms} now, in milliseconds since the epoch"));
    }
    if at_ms > now_ms + limits::DEADLINE_MAX_AHEAD_MS {
        return wrong(format!(
            "{at_ms} is more than 13 days ahead: it is {now_ms} now, in milliseconds since the epoch"
        ));
    }
    Ok(at_ms)
}

/// A caller's text as an error repeats it.
fn shown(text: &str) -> String {
    text.chars().take(limits::NAME_SHOWN_MAX_CHARS).collect()
}

fn delay_ms(delay: &Span) -> Result<u64, Rejection> {
    let (ms, shown) = match delay {
        Span::Seconds(seconds) => (millis(seconds * 1_000.0), seconds.to_string()),
        Span::Text(text) => (parse_duration_ms(text), shown(text)),
    };
    match ms {
        Some(ms) if ms <= limits::DELAY_MAX_MS => Ok(ms),
        _ => Err(field(
            "/delay",
            format!("`{shown}` is no delay, expected seconds or a duration such as `90s`, at most 9d"),
        )),
    }
}

/// Whether a tool can be given objects: as its parameters `bucket` and `key`.
pub(crate) fn takes_objects(tool: &ToolSpec) -> Result<(), Rejection> {
    match ["bucket", "key"].into_iter().find(|name| !tool.parameters.iter().any(|known| known.name == *name))
    {
        None => Ok(()),
        Some(name) => Err(field(
            "/s3",
            format!(
                "the tool `{}` has no parameter `{name}`: it needs `bucket` and `key` to be given objects",
                tool.name
            ),
        )),
    }
}

pub(crate) fn check_parameters(tool: &ToolSpec, parameters: Value) -> Result<Value, Rejection> {
    let refused = |errors| Rejection::Parameters { tool: tool.name.clone(), errors };
    tool.parameters.check(parameters).map_err(refused)
}

pub(crate) fn field(pointer: &'static str, message: impl Into<String>) -> Rejection {
    Rejection::Field { pointer, message: message.into() }
}

pub(crate) fn short_label(mut label: String) -> String {
    truncate(&mut label, limits::LABEL_MAX_BYTES);
    label
}
