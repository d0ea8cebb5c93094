//! A submission that came as an event.

use gantz_core::admit::Origin;
use gantz_core::ids::JobId;
use gantz_core::spec::JobSpec;
use gantz_core::trace::TraceParent;
use serde_json::Value;

/// What an event asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission<'a> {
    /// Where it came from.
    pub door: Door,
    /// What the source calls this event, the same for each delivery of it.
    pub occurrence: Option<String>,
    /// The trace that it belongs to, if the source tells.
    pub trace: Option<TraceParent>,
    /// What is to be done.
    pub ask: Ask<'a>,
}

/// What is to be done, in JSON that nobody has checked yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ask<'a> {
    /// One job.
    Job(&'a Value),
    /// A batch.
    Batch(&'a Value),
    /// A batch of those objects that no earlier run of a schedule has taken.
    NewObjects {
        /// The batch.
        batch: &'a Value,
        /// The schedule's name.
        schedule: &'a str,
        /// When it was due, RFC 3339.
        due: &'a str,
    },
}

/// Where an event came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// A request of HTTP.
    Http,
    /// An event bus.
    EventBridge,
    /// A bucket.
    S3,
    /// A schedule.
    Schedule,
    /// The ingest queue.
    Sqs,
    /// Somebody who invokes the function.
    Invoke,
}

impl<'a> Ask<'a> {
    /// What a bare submission asks for: a tool called once, or for many items. `None` if it names no tool.
    pub fn direct(submission: &'a Value) -> Option<Self> {
        submission["tool"].as_str()?;
        let many = ["items", "jsonl", "files", "s3"].iter().any(|source| submission.get(source).is_some());
        Some(if many { Self::Batch(submission) } else { Self::Job(submission) })
    }
}

impl Door {
    /// The door's name in ids, errors and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::EventBridge => "eventbridge",
            Self::S3 => "s3",
            Self::Schedule => "schedule",
            Self::Sqs => "sqs",
            Self::Invoke => "invoke",
        }
    }

    /// Whether somebody waits for the answer, and learns from it why a submission was refused.
    pub(super) fn is_attended(self) -> bool {
        matches!(self, Self::Http | Self::Invoke)
    }

    /// A job that came through this door, and how its id is derived.
    pub(super) fn told(self, mut spec: JobSpec, occurrence: Option<String>) -> (JobSpec, Origin) {
        if spec.job_id.is_none() && spec.idempotency_key.is_none() {
            spec.job_id = self.told_id(occurrence.as_deref());
        }
        (spec, Origin { source: self.as_str(), occurrence })
    }

    /// The id of a job that its caller gave none, if the source told the caller what it calls the event: `PutEvents`
    /// answers with the event's id, `SendMessage` with the message's, an asynchronous `Invoke` with the request's. So
    /// the caller can poll for what it was told.
    pub fn told_id(self, occurrence: Option<&str>) -> Option<String> {
        if !matches!(self, Self::EventBridge | Self::Sqs | Self::Invoke) {
            return None;
        }
        occurrence.filter(|id| JobId::try_new(*id).is_ok()).map(str::to_owned)
    }
}
