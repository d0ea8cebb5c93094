//! Short constructors of the domain's values, for tests. Times are around [`NOW_MS`] unless an argument says otherwise.

use std::collections::BTreeSet;

use gantz_core::batch::{BatchRecord, Counts, PlannedShard, Tolerance};
use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::event::Event;
use gantz_core::ids::{JobId, Lane, Tenant, params_hash};
use gantz_core::job::{JobRecord, JobResult, JobStatus, NewJob};
use gantz_core::lifecycle::{Claim, Ending, Held, Release};
use gantz_core::limits;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_core::policy::Effects;
use serde_json::{Value, json};

/// A fixed moment: 14 November 2023, in milliseconds since the epoch.
pub const NOW_MS: u64 = 1_700_000_000_000;

/// A manifest with a tool of each kind of `effects`.
pub const MANIFEST: &str = "\
name: testkit
version: 1.0.0

tools:
  echo:
    description: Answers with what it was given
    parameters:
      text:
        type: string
        required: true
      times:
        type: integer
        default: 1
    handler: command
    command: {program: cat}
    effects: read_only
  charge:
    description: Charges a card once for each idempotency key
    parameters:
      amount:
        type: integer
        required: true
    handler: http.request
    http:
      url: https://pay.example.com/charges
      method: POST
      body: parameters
    effects: keyed
  launch:
    description: Cannot be undone
    handler: command
    command: {program: launch}
    effects: at_most_once
";

/// A job's (or batch's) id.
///
/// # Panics
/// When `id` is none.
pub fn job_id(id: &str) -> JobId {
    JobId::try_new(id).unwrap()
}

/// The parameters of every job here.
pub fn parameters() -> Value {
    json!({"text": "hello"})
}

/// A job of the tool `echo`, three attempts, accepted at [`NOW_MS`].
pub fn new_job(id: &JobId) -> NewJob {
    NewJob {
        id: id.clone(),
        tool: "echo".into(),
        tenant: Tenant::default_tenant(),
        lane: Lane::default_lane(),
        params_hash: params_hash(&Tenant::default_tenant(), "echo", &parameters()),
        max_attempts: 3,
        effects: Effects::Keyed,
        effect_key: None,
        retry_of: None,
        deadline_ms: None,
        parent: None,
        index: None,
        child_events: false,
        label: None,
        created_at_ms: NOW_MS,
    }
}

/// The row of a [`new_job`].
pub fn record(id: &JobId) -> JobRecord {
    JobRecord::queued(new_job(id))
}

/// The row of a [`new_job`] that has this place in a batch.
pub fn child_record(parent: &JobId, index: u32) -> JobRecord {
    let job = new_job(&JobId::child(parent, index));
    JobRecord::queued(NewJob { parent: Some(parent.clone()), index: Some(index), ..job })
}

/// The message of a [`new_job`].
pub fn envelope(id: &JobId) -> Envelope {
    Envelope {
        job: new_job(id),
        parameters: Parameters::Inline(parameters()),
        put_back: 0,
        not_before_ms: None,
        trace: None,
    }
}

/// A wish to run a job of a keyed tool, for [`limits::LEASE_MS`] from `now_ms`.
pub fn claim(first_seen: &JobRecord, owner: &str, now_ms: u64) -> Claim {
    Claim {
        first_seen: first_seen.clone(),
        owner: owner.into(),
        lease_until_ms: now_ms + limits::LEASE_MS,
        now_ms,
        redelivered: false,
    }
}

/// What the owner of a claimed row shows.
///
/// # Panics
/// When nobody owns the row.
pub fn held(row: &JobRecord) -> Held {
    Held { id: row.id.clone(), attempt: row.attempt, owner: row.owner.clone().unwrap() }
}

/// A small result.
pub fn succeeded() -> Ending {
    Ending::succeeded(JobResult::Inline(json!({"ok": true})))
}

/// A failure for good.
pub fn failed() -> Ending {
    Ending::failed(job_error())
}

/// The end of an attempt that counts; the next one is due a second after `now_ms`.
pub fn release(now_ms: u64) -> Release {
    Release { retry_at_ms: now_ms + 1_000, counted: true, error: job_error() }
}

/// Why an attempt failed.
pub fn job_error() -> JobError {
    JobError::new(ErrorKind::Unavailable, "the dependency answered 503")
}

/// A batch of `echo` that tolerates no failure, opened at [`NOW_MS`].
pub fn batch(id: &JobId) -> BatchRecord {
    BatchRecord {
        id: id.clone(),
        tool: "echo".into(),
        tenant: Tenant::default_tenant(),
        lane: Lane::default_lane(),
        status: JobStatus::Running,
        tolerate: Tolerance::NONE,
        child_events: false,
        source_hash: "0".repeat(64),
        planned: 0,
        planning_done: false,
        cursor: None,
        page: None,
        planning_error: None,
        open_shards: BTreeSet::new(),
        closed_ahead: BTreeSet::new(),
        retry_of: None,
        left_out: 0,
        counts: Counts::default(),
        cancel_requested_at_ms: None,
        deadline_ms: None,
        created_at_ms: NOW_MS,
        finished_at_ms: None,
    }
}

/// The shards that a batch of so many children is planned in.
pub fn shards_of(children: u32) -> impl Iterator<Item = PlannedShard> {
    (0..children.div_ceil(limits::BATCH_SHARD_CHILDREN)).map(move |number| {
        let left = children - number * limits::BATCH_SHARD_CHILDREN;
        PlannedShard::new(number, left.min(limits::BATCH_SHARD_CHILDREN))
    })
}

/// The event of a job's success.
pub fn event(id: &JobId) -> Event {
    Event {
        job_id: id.clone(),
        detail_type: "Gantz Job Succeeded".into(),
        detail: json!({"job_id": id, "tool": "echo", "status": "SUCCEEDED", "result": {"größe": 1}}),
        time_ms: NOW_MS,
    }
}
