//! What a schedule of ours sends: `{gantz_schedule, scheduled_time, schedule_arn?, job | batch, new_only?}`.

use serde_json::{Value, json};

use super::classify::Event;
use super::submission::{Ask, Door, Submission};

/// Reads a schedule's event. Its time is when it was due, the same however often it is delivered.
pub(super) fn read(event: &Value) -> Event<'_> {
    let malformed = |problem: &str| Event::Malformed { door: Door::Schedule, problem: problem.into() };
    let text = |name: &str| event[name].as_str().filter(|text| !text.is_empty());
    let Some(name) = text("gantz_schedule") else { return malformed("`gantz_schedule` is no name") };
    let Some(due) = text("scheduled_time") else {
        return malformed("`scheduled_time` is missing: without it two deliveries would be two jobs");
    };
    let ask = match (event.get("job"), event.get("batch"), event.get("new_only")) {
        (Some(job), None, None) => Ask::Job(job),
        (None, Some(batch), None | Some(Value::Bool(false))) => Ask::Batch(batch),
        (None, Some(batch), Some(Value::Bool(true))) => Ask::NewObjects { batch, schedule: name, due },
        (_, _, Some(_)) => return malformed("`new_only` is `true` or `false`, of a `batch`"),
        _ => return malformed("expected exactly one of `job` and `batch`"),
    };
    let schedule = text("schedule_arn").unwrap_or(name);
    let occurrence = Some(json!([schedule, due]).to_string());
    Event::Submission(Submission { door: Door::Schedule, occurrence, trace: None, ask })
}
