//! What must be true in the end.

use gantz_core::ids::JobId;
use gantz_core::ids::QueueName;
use gantz_core::job::{JobRecord, JobResult, JobStatus};
use gantz_core::outcome::ErrorKind;
use gantz_core::policy::Effects;
use gantz_core::ports::Depth;
use serde_json::Value;

use crate::callers::job_id;
use crate::fleet::{dead, lane};
use crate::observer::{Story, in_words};
use crate::scenario::Scenario;
use crate::tool::{ActEnd, effects_of};
use crate::world::State;

/// A row's size as JSON: an inline result of 8 KiB, eight entries of history, and the rest.
const ROW_MAX_BYTES: usize = 16 * 1024;

/// What is still open, in words; `None` once everything has ended, the world knows, and no message is left.
pub(crate) fn unsettled(state: &State, scenario: &Scenario) -> Option<String> {
    for (id, story) in state.observer.stories() {
        if story.is_accepted && !state.batches.contains_key(id) && story.end.is_none() {
            return Some(format!("{id} is {:?}", state.rows.get(id).map(|row| row.status)));
        }
    }
    for (id, row) in &state.batches {
        let is_accepted = state.observer.story(id).is_accepted;
        if is_accepted && (!row.record.is_finished() || state.observer.told_of_batch(id).is_empty()) {
            return Some(format!("the batch {id} is {:?}", row.record));
        }
    }
    for queue in [lane(), QueueName::Plan] {
        let depth = state.queues.depth(&queue, state.now_ms);
        if depth != Depth::default() {
            return Some(format!("{queue} has {depth:?}"));
        }
    }
    let of_jobs = state.queues.messages(&dead()).filter(|message| message.job.is_some()).count();
    (of_jobs > 0).then(|| format!("{} has {of_jobs} messages of {} jobs", dead(), scenario.jobs.len()))
}

/// Checks everything that is known of every job.
pub(crate) fn judge(state: &mut State, scenario: &Scenario, is_over: bool) {
    let rows: Vec<JobRecord> = state.rows.values().cloned().collect();
    let mut broken = Vec::new();
    for row in &rows {
        let story = state.observer.story(&row.id);
        if let Some(what) = oversized(row) {
            broken.push(("I10", what));
        }
        if row.is_finished()
            && let Err(what) = has_cause(state, scenario, row, &story)
        {
            broken.push(("I9", format!("{} is {:?} for no reason: {what}; {row:?}", row.id, row.status)));
        }
        let starts = u32::try_from(story.starts.len()).unwrap_or(u32::MAX);
        if starts > row.attempt {
            broken.push(("I7", format!("{} was started {starts} times in {} attempts", row.id, row.attempt)));
        }
        if is_over && story.is_accepted {
            broken.extend(events(row, &story).map(|what| ("I5", what)));
        }
    }
    if is_over {
        broken.extend(batches(state).into_iter().map(|what| ("I6", what)));
    }
    for (invariant, what) in broken {
        state.observer.broken(invariant, what);
    }
}

fn oversized(row: &JobRecord) -> Option<String> {
    let bytes = serde_json::to_string(row).map_or(usize::MAX, |text| text.len());
    (bytes > ROW_MAX_BYTES).then(|| format!("the row of {} has {bytes} bytes", row.id))
}

fn events(row: &JobRecord, story: &Story) -> Option<String> {
    let mut told = story.told.clone();
    told.sort_unstable();
    told.dedup();
    let expected = in_words(row.status).map(|words| format!("Gantz Job {words}"));
    (told.len() != 1 || told.first() != expected.as_ref())
        .then(|| format!("{} is {:?}, and the world was told {told:?}", row.id, row.status))
}

/// Every end has its reason in the job's script, in what was asked of it, or in a process that died.
fn has_cause(state: &State, scenario: &Scenario, row: &JobRecord, story: &Story) -> Result<(), String> {
    let act = state.scripts.get(&row.id).map(|script| script.act(row.attempt).end);
    let has_deadline = row.deadline_ms.is_some();
    let is_once = effects_of(&row.tool) == Effects::AtMostOnce;
    match row.status {
        JobStatus::Succeeded => {
            let does_its_work = matches!(act, Some(ActEnd::Done | ActEnd::Large(_) | ActEnd::Depend) | None);
            let started = story.starts.iter().any(|(attempt, _)| *attempt == row.attempt);
            let result = match &row.result {
                Some(JobResult::Inline(value)) => Some(value.clone()),
                Some(JobResult::Ref(reference)) => {
                    state.blobs.get(reference).and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
                }
                None => None,
            };
            let is_providers = result.as_ref() == state.provider.get(&row.id);
            if does_its_work && started && is_providers {
                return Ok(());
            }
            Err(format!("act {act:?}, started {started}, the provider's result {is_providers}"))
        }
        JobStatus::Failed => {
            let kind = row.error.as_ref().map(|error| error.kind);
            let is_last = row.attempts_used() >= row.max_attempts || is_once;
            let is_known = match kind {
                Some(ErrorKind::WorkerLost) => {
                    row.last_attempt_crashed() && row.attempts_used() >= row.max_attempts
                }
                // Handed back by a worker, with the last attempt counted before.
                Some(ErrorKind::Unavailable) => match act {
                    Some(ActEnd::Permanent) => true,
                    _ => is_last,
                },
                Some(ErrorKind::Timeout | ErrorKind::Panic) => is_last,
                Some(ErrorKind::ToolError) => is_once && matches!(act, Some(ActEnd::Defer(_))),
                _ => false,
            };
            let is_theirs = match kind {
                Some(ErrorKind::Timeout) => true,
                Some(ErrorKind::Panic) => has(state, &row.id, |end| end == ActEnd::Panic),
                Some(ErrorKind::Unavailable) => has(state, &row.id, |end| {
                    matches!(
                        end,
                        ActEnd::Transient
                            | ActEnd::After(_)
                            | ActEnd::Permanent
                            | ActEnd::Depend
                            | ActEnd::Defer(_)
                    )
                }),
                _ => true,
            };
            if is_known && is_theirs { Ok(()) } else { Err(format!("kind {kind:?}, act {act:?}")) }
        }
        JobStatus::Cancelled if story.is_cancel_asked => Ok(()),
        JobStatus::Cancelled if was_planned_away(state, scenario, row) => Ok(()),
        JobStatus::Cancelled => Err("nobody asked".into()),
        JobStatus::Expired if has_deadline => Ok(()),
        JobStatus::Expired => Err("it has no deadline".into()),
        JobStatus::InDoubt if is_once && row.attempt > 0 => Ok(()),
        JobStatus::InDoubt => Err("it may run again".into()),
        JobStatus::Queued | JobStatus::Running | JobStatus::Waiting => Err("it has not ended".into()),
    }
}

fn has(state: &State, id: &JobId, wanted: impl Fn(ActEnd) -> bool) -> bool {
    let Some(script) = state.scripts.get(id) else { return false };
    (1..=8).any(|attempt| wanted(script.act(attempt).end))
}

/// A child that a planner ended because its batch was cancelled.
fn was_planned_away(state: &State, scenario: &Scenario, row: &JobRecord) -> bool {
    let of_batch = scenario.batch.as_ref().filter(|batch| row.parent.as_ref() == Some(&job_id(&batch.id)));
    let asked = |batch: &crate::scenario::BatchPlan| {
        let row = state.batches.get(&job_id(&batch.id));
        row.is_some_and(|row| row.record.cancel_requested_at_ms.is_some())
    };
    of_batch.is_some_and(asked)
}

/// The children of a batch that has ended, against what it counted.
fn batches(state: &State) -> Vec<String> {
    let mut broken = Vec::new();
    for (id, batch) in state.batches.iter().filter(|(_, batch)| batch.record.is_finished()) {
        let record = &batch.record;
        let children: Vec<&JobRecord> =
            state.rows.values().filter(|row| row.parent.as_ref() == Some(id)).collect();
        let open = children.iter().filter(|row| !row.is_finished()).count();
        let of =
            |status| u32::try_from(children.iter().filter(|row| row.status == status).count()).unwrap_or(0);
        let counts = record.counts;
        let counted = [
            (counts.succeeded, JobStatus::Succeeded),
            (counts.failed, JobStatus::Failed),
            (counts.cancelled, JobStatus::Cancelled),
            (counts.expired, JobStatus::Expired),
            (counts.in_doubt, JobStatus::InDoubt),
        ];
        // Of a shard that was opened and given up, children without a row count as failed.
        let without_row = record.counts.finished().saturating_sub(u32::try_from(children.len()).unwrap_or(0));
        let is_exact = counted.iter().all(|(counted, status)| {
            let missing = if *status == JobStatus::Failed { without_row } else { 0 };
            *counted == of(*status) + missing
        });
        if open > 0 || !is_exact || counts.finished() < record.planned {
            broken.push(format!("{id} has {children:?}, and counted {counts:?} of {}", record.planned));
        }
        if record.planning_error.is_none()
            && record.planned != u32::try_from(state.objects.len()).unwrap_or(0)
        {
            broken.push(format!("{id} planned {} of {} objects", record.planned, state.objects.len()));
        }
        let told = state.observer.told_of_batch(id);
        if told.len() != 1 {
            broken.push(format!("of {id} the world was told {told:?}"));
        }
    }
    broken
}
