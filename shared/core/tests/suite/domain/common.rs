//! Values and generators that several modules use.

use gantz_core::ids::{JobId, Lane, Tenant};
use gantz_core::job::{JobRecord, JobResult, JobStatus, NewJob};
use gantz_core::lifecycle::{Claim, ClaimVerdict, Ending, Held, Release, claim};
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_core::policy::Effects;
use proptest::prelude::*;
use serde_json::json;

pub(crate) const NOW_MS: u64 = 1_700_000_000_000;
pub(crate) const LEASE_MS: u64 = 1_000;
pub(crate) const EFFECTS: [Effects; 3] = [Effects::ReadOnly, Effects::Keyed, Effects::AtMostOnce];

pub(crate) fn job_id(id: &str) -> JobId {
    JobId::try_new(id).unwrap()
}

pub(crate) fn new_job() -> NewJob {
    NewJob {
        id: job_id("job-00001"),
        tool: "echo".into(),
        tenant: Tenant::default_tenant(),
        lane: Lane::default_lane(),
        params_hash: "0".repeat(64),
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

pub(crate) fn queued() -> JobRecord {
    JobRecord::queued(new_job())
}

pub(crate) fn wish(row: &JobRecord, owner: &str, now_ms: u64) -> Claim {
    Claim {
        first_seen: JobRecord::queued(row.accepted()),
        owner: owner.into(),
        lease_until_ms: now_ms + LEASE_MS,
        now_ms,
        redelivered: false,
    }
}

/// The row after a claim that must be granted.
pub(crate) fn claimed(row: &JobRecord, owner: &str, now_ms: u64) -> JobRecord {
    match claim(Some(row), &wish(row, owner, now_ms)) {
        ClaimVerdict::Granted(row) => *row,
        other => panic!("expected a grant, got {other:?}"),
    }
}

pub(crate) fn held(row: &JobRecord) -> Held {
    Held { id: row.id.clone(), attempt: row.attempt, owner: row.owner.clone().unwrap() }
}

pub(crate) fn release_at(retry_at_ms: u64, counted: bool) -> Release {
    Release { retry_at_ms, counted, error: JobError::new(ErrorKind::Unavailable, "503") }
}

pub(crate) fn endings() -> [Ending; 5] {
    [
        Ending::succeeded(JobResult::Inline(json!(1))),
        Ending::failed(JobError::new(ErrorKind::ToolError, "no")),
        Ending::cancelled("as asked"),
        Ending::expired("too late"),
        Ending::in_doubt(ErrorKind::WorkerLost, "who knows"),
    ]
}

pub(crate) fn any_ending() -> impl Strategy<Value = Ending> {
    prop::sample::select(endings().to_vec())
}

pub(crate) fn any_effects() -> impl Strategy<Value = Effects> {
    prop::sample::select(EFFECTS.to_vec())
}

/// A time around [`NOW_MS`], often on the edge of a lease.
pub(crate) fn any_time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(NOW_MS), Just(NOW_MS + LEASE_MS), NOW_MS - 5_000..NOW_MS + 5_000]
}

prop_compose! {
    /// A row that has not ended, in any state that the protocol can reach, and some that it cannot.
    pub(crate) fn any_live_row()(
        attempt in 0..5_u32,
        deferrals in 0..3_u32,
        clean_before in 0..3_u32,
        max_attempts in 1..4_u32,
        effects in any_effects(),
        owner in prop::option::of(prop::sample::select(vec!["me", "you"])),
        lease_until_ms in any_time(),
        deadline_ms in prop::option::of(any_time()),
        cancel_requested_at_ms in prop::option::of(any_time()),
        updated_at_ms in any_time(),
    ) -> JobRecord {
        let owner = if attempt == 0 { None } else { owner };
        let status = match (attempt, owner) {
            (0, _) => JobStatus::Queued,
            (_, Some(_)) => JobStatus::Running,
            (_, None) => JobStatus::Waiting,
        };
        JobRecord {
            status,
            attempt,
            deferrals: deferrals.min(attempt),
            clean_attempt: if owner.is_none() { attempt } else { attempt.saturating_sub(clean_before) },
            max_attempts,
            effects,
            lease_until_ms: owner.map(|_| lease_until_ms),
            owner: owner.map(str::to_owned),
            deadline_ms,
            cancel_requested_at_ms,
            updated_at_ms,
            ..queued()
        }
    }
}

/// A row that somebody holds, or held when its process died.
pub(crate) fn any_held_row() -> impl Strategy<Value = JobRecord> {
    (any_live_row(), any_time(), 0..3_u32).prop_map(|(row, lease_until_ms, clean_before)| JobRecord {
        status: JobStatus::Running,
        attempt: row.attempt + 1,
        clean_attempt: row.attempt.saturating_sub(clean_before),
        owner: Some("me".into()),
        lease_until_ms: Some(lease_until_ms),
        ..row
    })
}

/// A row that has ended, whatever it was before.
pub(crate) fn any_finished_row() -> impl Strategy<Value = JobRecord> {
    (any_live_row(), any_ending(), any_time()).prop_map(|(row, ending, now_ms)| {
        match gantz_core::lifecycle::give_up(
            Some(&JobRecord { owner: None, ..row.clone() }),
            &queued(),
            row.attempt,
            &ending,
            now_ms,
        ) {
            gantz_core::lifecycle::GiveUpVerdict::Committed(finished) => {
                JobRecord { finished_by: row.owner, ..*finished }
            }
            other => panic!("{other:?}"),
        }
    })
}
