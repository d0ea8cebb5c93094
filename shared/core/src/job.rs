//! A job's record: the row that everybody polls.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::Parameters;
use crate::history::{HistoryEntry, PastAttempt};
use crate::ids::{JobId, Lane, Tenant};
use crate::limits;
use crate::outcome::{JobError, truncate};
use crate::policy::Effects;

/// Where a job stands. See `docs/STATE_MACHINE.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobStatus {
    /// Recorded, never claimed.
    Queued,
    /// Claimed by a worker whose lease lives, or died unnoticed.
    Running,
    /// Between two attempts.
    Waiting,
    /// Done; the result is in the row or where the row points.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Stopped because somebody asked.
    Cancelled,
    /// Its deadline passed first.
    Expired,
    /// An at-most-once tool was started and its end is unknown.
    InDoubt,
}

impl JobStatus {
    /// Every status, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::InDoubt,
    ];

    /// A terminal status never changes.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Waiting)
    }

    /// The name on the wire and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Expired => "EXPIRED",
            Self::InDoubt => "IN_DOUBT",
        }
    }

    /// Reads a wire name.
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// What a job produced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum JobResult {
    /// The value itself, at most [`limits::INLINE_RESULT_MAX_BYTES`] as JSON.
    #[serde(rename = "result")]
    Inline(Value),
    /// A blob that holds the value as JSON.
    #[serde(rename = "result_ref")]
    Ref(String),
}

/// Where a result is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultPlace {
    /// In the job's row.
    Row,
    /// In a blob that the row refers to.
    Blob,
    /// Nowhere: the job fails.
    Nowhere,
}

impl ResultPlace {
    /// The place of a result that has so many bytes as JSON.
    pub fn of(bytes: usize) -> Self {
        if bytes <= limits::INLINE_RESULT_MAX_BYTES {
            Self::Row
        } else if bytes <= limits::RESULT_MAX_BYTES {
            Self::Blob
        } else {
            Self::Nowhere
        }
    }
}

/// A job as it is accepted: what its row and its message agree on.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// The job's id.
    pub id: JobId,
    /// The tool's name in the manifest.
    pub tool: String,
    /// Whose job it is.
    pub tenant: Tenant,
    /// The lane it is sent to.
    pub lane: Lane,
    /// SHA-256 of tenant, tool and parameters, see [`params_hash`](crate::ids::params_hash()).
    pub params_hash: String,
    /// Attempts that may be counted before the job fails.
    pub max_attempts: u32,
    /// What a second run of the tool would do, as the manifest had it on acceptance: a later one changes no promise.
    pub effects: Effects,
    /// The first job of a chain of [`retry_of`](Self::retry_of), whose effect this one is to have, once.
    pub effect_key: Option<JobId>,
    /// The job that this one does again.
    pub retry_of: Option<JobId>,
    /// When the job is no longer worth doing, milliseconds since the epoch.
    pub deadline_ms: Option<u64>,
    /// The batch it belongs to.
    pub parent: Option<JobId>,
    /// Its place in that batch.
    pub index: Option<u32>,
    /// Whether its end is told by an event although it is a batch's child, as that of any other job is.
    pub child_events: bool,
    /// What a person calls it.
    pub label: Option<String>,
    /// When it was accepted, milliseconds since the epoch.
    pub created_at_ms: u64,
}

/// The row of a job. On the wire, times are milliseconds since the epoch and carry no unit in their names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The row's key.
    #[serde(rename = "job_id")]
    pub id: JobId,
    /// The tool's name in the manifest.
    pub tool: String,
    /// Whose job it is.
    pub tenant: Tenant,
    /// The lane it was sent to.
    pub lane: Lane,
    /// Where it stands.
    pub status: JobStatus,
    /// Claims so far; also the fencing token of the worker that holds it.
    pub attempt: u32,
    /// Attempts that may be counted before the job fails.
    pub max_attempts: u32,
    /// What a second run of the tool would do. Rows of before it was recorded may be of any tool.
    #[serde(default = "Effects::unrecorded")]
    pub effects: Effects,
    /// What makes its effect one with that of the jobs it does again; absent where that is the job's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_key: Option<JobId>,
    /// The job that this one does again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// The submission that made the row, by which its sender tells a write of its own whose answer got lost from
    /// somebody else's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Claims that do not count: the tool or the worker handed the job back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deferrals: u32,
    /// The last attempt that ended in an orderly way; 0 if none did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clean_attempt: u32,
    /// Who holds the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When the lease ends, if nothing renews it.
    #[serde(default, rename = "lease_until", skip_serializing_if = "Option::is_none")]
    pub lease_until_ms: Option<u64>,
    /// When the job is no longer worth doing.
    #[serde(default, rename = "deadline", skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// SHA-256 of tenant, tool and parameters.
    pub params_hash: String,
    /// When somebody asked to stop it while it ran.
    #[serde(default, rename = "cancel_requested_at", skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at_ms: Option<u64>,
    /// What it produced.
    #[serde(flatten)]
    pub result: Option<JobResult>,
    /// What it was to be done with, once it has ended without success, so that it can be done again. Inline up to
    /// [`limits::KEPT_PARAMETERS_MAX_BYTES`].
    #[serde(flatten)]
    pub parameters: Option<Parameters>,
    /// Why it failed, or why its last attempt did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The owner that finished it, by which a worker recognises its own write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_by: Option<String>,
    /// The batch it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<JobId>,
    /// Its place in that batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Whether its end is told by an event although it is a batch's child, as that of any other job is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub child_events: bool,
    /// What a person calls it, at most [`limits::LABEL_MAX_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it was accepted.
    #[serde(rename = "created_at")]
    pub created_at_ms: u64,
    /// When the row last changed; grows with every change.
    #[serde(rename = "updated_at")]
    pub updated_at_ms: u64,
    /// When the present or last attempt began.
    #[serde(default, rename = "started_at", skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<u64>,
    /// When the next attempt is due, while it waits.
    #[serde(default, rename = "retry_at", skip_serializing_if = "Option::is_none")]
    pub retry_at_ms: Option<u64>,
    /// When it ended. Present exactly when the status is terminal.
    #[serde(default, rename = "finished_at", skip_serializing_if = "Option::is_none")]
    pub finished_at_ms: Option<u64>,
    /// When the row may be deleted, in **seconds** since the epoch as DynamoDB's TTL wants it. A job that never ends
    /// goes as long after its deadline as one that ended goes after its end.
    #[serde(default, rename = "expires_at", skip_serializing_if = "Option::is_none")]
    pub expires_at_s: Option<u64>,
    /// The states it was in, oldest first: all but those after [`limits::HISTORY_MAX_ATTEMPTS`] attempts, and its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// The last [`limits::PAST_ATTEMPTS_MAX`] attempts that ended without ending the job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<PastAttempt>,
}

/// When the row of a job that ended at `ended_at_ms` may be deleted, in seconds since the epoch.
pub fn expires_at_s(ended_at_ms: u64) -> u64 {
    ended_at_ms.saturating_add(limits::RETENTION_MS) / 1_000
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
pub(crate) fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

impl JobRecord {
    /// The row of a job that was just accepted.
    pub fn queued(job: NewJob) -> Self {
        Self {
            id: job.id,
            tool: job.tool,
            tenant: job.tenant,
            lane: job.lane,
            status: JobStatus::Queued,
            attempt: 0,
            max_attempts: job.max_attempts,
            effects: job.effects,
            effect_key: job.effect_key,
            retry_of: job.retry_of,
            token: None,
            deferrals: 0,
            clean_attempt: 0,
            owner: None,
            lease_until_ms: None,
            deadline_ms: job.deadline_ms,
            params_hash: job.params_hash,
            cancel_requested_at_ms: None,
            result: None,
            parameters: None,
            error: None,
            finished_by: None,
            parent: job.parent,
            index: job.index,
            child_events: job.child_events,
            label: job.label,
            created_at_ms: job.created_at_ms,
            updated_at_ms: job.created_at_ms,
            started_at_ms: None,
            retry_at_ms: None,
            finished_at_ms: None,
            expires_at_s: job.deadline_ms.map(expires_at_s),
            history: vec![HistoryEntry { status: JobStatus::Queued, attempt: 0, at_ms: job.created_at_ms }],
            attempts: Vec::new(),
        }
    }

    /// The job as it was accepted.
    pub fn accepted(&self) -> NewJob {
        NewJob {
            id: self.id.clone(),
            tool: self.tool.clone(),
            tenant: self.tenant.clone(),
            lane: self.lane.clone(),
            params_hash: self.params_hash.clone(),
            max_attempts: self.max_attempts,
            effects: self.effects,
            effect_key: self.effect_key.clone(),
            retry_of: self.retry_of.clone(),
            deadline_ms: self.deadline_ms,
            parent: self.parent.clone(),
            index: self.index,
            child_events: self.child_events,
            label: self.label.clone(),
            created_at_ms: self.created_at_ms,
        }
    }

    /// Ended, for good.
    pub fn is_finished(&self) -> bool {
        self.finished_at_ms.is_some()
    }

    /// Somebody's lease is running at `now_ms`.
    pub fn lease_lives(&self, now_ms: u64) -> bool {
        self.owner.is_some() && self.lease_until_ms.is_some_and(|until_ms| now_ms < until_ms)
    }

    /// Attempts that count towards `max_attempts`.
    pub fn attempts_used(&self) -> u32 {
        self.attempt.saturating_sub(self.deferrals)
    }

    /// The last attempt ended without a word: its process died, or lost its lease.
    pub fn last_attempt_crashed(&self) -> bool {
        self.attempt > 0 && self.clean_attempt != self.attempt
    }

    /// What a tool hands to its provider so that the effect happens once, however often it is asked for.
    pub fn effect_key(&self) -> &JobId {
        self.effect_key.as_ref().unwrap_or(&self.id)
    }

    /// A message of this id says that the job is another one.
    pub(crate) fn is_foreign_to(&self, first_seen: &Self) -> bool {
        self.params_hash != first_seen.params_hash
    }

    /// Its tool must not run twice, and may have run: its last attempt ended without a word.
    pub fn is_in_doubt(&self) -> bool {
        self.effects == Effects::AtMostOnce && self.last_attempt_crashed()
    }

    /// The time to note as that of the next change: now, but later than the last one, so that no two states of a row
    /// look alike to somebody who waits for a change.
    pub(crate) fn next_update_ms(&self, now_ms: u64) -> u64 {
        now_ms.max(self.updated_at_ms + 1)
    }

    /// The row in a state that it was just brought into, noted in its history.
    #[must_use]
    pub(crate) fn entered(mut self) -> Self {
        if self.attempt <= limits::HISTORY_MAX_ATTEMPTS || self.is_finished() {
            let (status, attempt, at_ms) = (self.status, self.attempt, self.updated_at_ms);
            self.history.push(HistoryEntry { status, attempt, at_ms });
        }
        self
    }

    pub(crate) fn remember(&mut self, mut attempt: PastAttempt) {
        truncate(&mut attempt.error.message, limits::PAST_ATTEMPT_MESSAGE_MAX_BYTES);
        if self.attempts.len() >= limits::PAST_ATTEMPTS_MAX {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }
}
