//! The message on the queue: all that a worker needs to run a job, and to record it if the dispatcher could not.
//!
//! Versioned. A reader takes every version ever written (`tests/fixtures/envelopes`), and refuses later ones by name.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{JobId, Lane, Tenant};
use crate::job::{NewJob, is_false, is_zero};
use crate::policy::Effects;
use crate::trace::TraceParent;

/// The version that is written.
pub const VERSION: u32 = 5;
/// The oldest version that is read.
const OLDEST: u32 = 1;

/// A message's body: `content` as JSON, in characters that every queue takes.
///
/// SQS takes what XML 1.0 has. Of what JSON leaves as it is only U+FFFE and U+FFFF are no such characters; they occur
/// within strings alone, where they may be escaped.
///
/// # Errors
/// When the content cannot be written as JSON.
pub fn message_body(content: &impl Serialize) -> Result<String, serde_json::Error> {
    let body = serde_json::to_string(content)?;
    if !body.contains(['\u{FFFE}', '\u{FFFF}']) {
        return Ok(body);
    }
    Ok(body.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff"))
}

/// A job on its way to a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The job as it was accepted, for a claim that finds no row.
    pub job: NewJob,
    /// Its parameters, or where they are.
    pub parameters: Parameters,
    /// Times that the handler of dead letters has sent it to its lane again.
    pub put_back: u32,
    /// When the first attempt is due, milliseconds since the epoch, if that is later than a queue delays a message.
    pub not_before_ms: Option<u64>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

/// A job's parameters, or where they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Parameters {
    /// The parameters themselves.
    #[serde(rename = "parameters")]
    Inline(Value),
    /// A blob that holds them as JSON.
    #[serde(rename = "parameters_ref")]
    Ref(String),
}

/// Version 5 on the wire; version 4 had no `traceparent`, version 3 no `not_before`, version 2 no `child_events`, version 1 no `effects`, `effect_key`, `retry_of` and `put_back`
/// either. Strings are borrowed when it is written and owned when it is read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    v: u32,
    job_id: Cow<'a, JobId>,
    tool: Cow<'a, str>,
    tenant: Cow<'a, Tenant>,
    lane: Cow<'a, Lane>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<Cow<'a, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters_ref: Option<Cow<'a, str>>,
    params_hash: Cow<'a, str>,
    max_attempts: u32,
    #[serde(default = "Effects::unrecorded")]
    effects: Effects,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effect_key: Option<Cow<'a, JobId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_of: Option<Cow<'a, JobId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Cow<'a, JobId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    #[serde(default, skip_serializing_if = "is_false")]
    child_events: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<Cow<'a, str>>,
    created_at: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    put_back: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<Cow<'a, TraceParent>>,
}

/// A message's body is no envelope that this version reads.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Not JSON, or not the envelope's fields.
    #[error("the message is no envelope: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Neither parameters nor a reference to them, or both.
    #[error("the message is no envelope: expected either `parameters` or `parameters_ref`")]
    Parameters,
    /// Written by a later Gantz.
    #[error("the envelope has version {found}, this worker reads up to {VERSION}: update the worker")]
    Version {
        /// The version found.
        found: u32,
    },
}

impl Envelope {
    /// Reads a message's body.
    ///
    /// # Errors
    /// When the body is no envelope, or one of a later version. The version is looked at first, so that a later
    /// version's other fields do not obscure the reason.
    pub fn parse(body: &str) -> Result<Self, EnvelopeError> {
        match serde_json::from_str::<Wire<'_>>(body) {
            Ok(wire) if (OLDEST..=VERSION).contains(&wire.v) => wire.into_envelope(),
            Ok(wire) => Err(EnvelopeError::Version { found: wire.v }),
            Err(error) => match serde_json::from_str(body) {
                Ok(Versioned { v }) if v > VERSION => Err(EnvelopeError::Version { found: v }),
                _ => Err(EnvelopeError::Malformed(error)),
            },
        }
    }

    /// The body of a message.
    ///
    /// # Errors
    /// Never for envelopes as made here: their keys are strings.
    pub fn to_body(&self) -> Result<String, serde_json::Error> {
        let (parameters, parameters_ref) = match &self.parameters {
            Parameters::Inline(value) => (Some(Cow::Borrowed(value)), None),
            Parameters::Ref(reference) => (None, Some(Cow::Borrowed(reference.as_str()))),
        };
        let job = &self.job;
        message_body(&Wire {
            // The oldest version that says it all: a worker that is not updated yet reads it.
            v: match (&self.trace, self.not_before_ms) {
                (Some(_), _) => VERSION,
                (None, Some(_)) => 4,
                (None, None) => 3,
            },
            job_id: Cow::Borrowed(&job.id),
            tool: Cow::Borrowed(&job.tool),
            tenant: Cow::Borrowed(&job.tenant),
            lane: Cow::Borrowed(&job.lane),
            parameters,
            parameters_ref,
            params_hash: Cow::Borrowed(&job.params_hash),
            max_attempts: job.max_attempts,
            effects: job.effects,
            effect_key: job.effect_key.as_ref().map(Cow::Borrowed),
            retry_of: job.retry_of.as_ref().map(Cow::Borrowed),
            deadline: job.deadline_ms,
            parent: job.parent.as_ref().map(Cow::Borrowed),
            index: job.index,
            child_events: job.child_events,
            label: job.label.as_deref().map(Cow::Borrowed),
            created_at: job.created_at_ms,
            put_back: self.put_back,
            not_before: self.not_before_ms,
            traceparent: self.trace.as_ref().map(Cow::Borrowed),
        })
    }
}

impl Wire<'_> {
    fn into_envelope(self) -> Result<Envelope, EnvelopeError> {
        let parameters = match (self.parameters, self.parameters_ref) {
            (Some(value), None) => Parameters::Inline(value.into_owned()),
            (None, Some(reference)) => Parameters::Ref(reference.into_owned()),
            _ => return Err(EnvelopeError::Parameters),
        };
        let job = NewJob {
            id: self.job_id.into_owned(),
            tool: self.tool.into_owned(),
            tenant: self.tenant.into_owned(),
            lane: self.lane.into_owned(),
            params_hash: self.params_hash.into_owned(),
            max_attempts: self.max_attempts,
            effects: self.effects,
            effect_key: self.effect_key.map(Cow::into_owned),
            retry_of: self.retry_of.map(Cow::into_owned),
            deadline_ms: self.deadline,
            parent: self.parent.map(Cow::into_owned),
            index: self.index,
            child_events: self.child_events,
            label: self.label.map(Cow::into_owned),
            created_at_ms: self.created_at,
        };
        let trace = self.traceparent.map(Cow::into_owned);
        Ok(Envelope { job, parameters, put_back: self.put_back, not_before_ms: self.not_before, trace })
    }
}

/// All that a later version is sure to have.
#[derive(Deserialize)]
struct Versioned {
    v: u32,
}
