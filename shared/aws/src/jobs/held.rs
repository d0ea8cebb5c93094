//! What a worker that holds a job writes most: heartbeats and the end, each one conditional update.

use gantz_core::envelope::Parameters;
use gantz_core::history::HistoryEntry;
use gantz_core::job::{JobResult, expires_at_s};
use gantz_core::lifecycle::{Ending, Held};
use gantz_core::ports::{PortError, PortResult};

use super::row;
use super::write::{self, Update};
use crate::item::{attribute, number, text};

/// The domain lets `updated_at` grow with every change. Where the row is ahead of the worker's clock, the condition
/// fails, and the domain says what to note instead.
const STANDS: &str =
    "#attempt = :attempt AND attribute_not_exists(#finished_at) AND #updated_at < :updated_at";

pub(super) fn heartbeat(held: &Held, lease_until_ms: u64, now_ms: u64) -> Update {
    Update {
        expression: "SET #lease_until = :lease_until, #updated_at = :updated_at".into(),
        condition: format!("{STANDS} AND #owner = :owner"),
        values: write::values(vec![
            ("attempt", number(held.attempt)),
            ("owner", text(&held.owner)),
            ("lease_until", number(lease_until_ms)),
            ("updated_at", number(now_ms)),
        ]),
    }
}

pub(super) fn finish(held: &Held, ending: &Ending, now_ms: u64) -> PortResult<Update> {
    let mut removes = vec!["owner", "lease_until", "retry_at"];
    let mut sets = vec![
        ("status", text(ending.status().as_str())),
        ("finished_by", text(&held.owner)),
        ("updated_at", number(now_ms)),
        ("finished_at", number(now_ms)),
        ("expires_at", number(expires_at_s(now_ms))),
    ];
    match ending.result() {
        Some(JobResult::Inline(value)) => sets.push(("result", text(value.to_string()))),
        Some(JobResult::Ref(reference)) => sets.push(("result_ref", text(reference))),
        None => {}
    }
    match ending.parameters() {
        Some(Parameters::Inline(value)) => sets.push(("parameters", text(value.to_string()))),
        Some(Parameters::Ref(reference)) => sets.push(("parameters_ref", text(reference))),
        None => {}
    }
    match ending.error() {
        Some(error) => {
            let error =
                serde_json::to_value(error).map_err(|error| PortError::Permanent(error.to_string()))?;
            sets.extend(attribute(error).map(|error| ("error", error)));
        }
        // The row may have that of an earlier attempt.
        None => removes.push("error"),
    }
    let mut assignments: Vec<_> = sets.iter().map(|(name, _)| format!("#{name} = :{name}")).collect();
    assignments.push("#history = list_append(if_not_exists(#history, :none), :ended)".to_owned());
    let ended = HistoryEntry { status: ending.status(), attempt: held.attempt, at_ms: now_ms };
    sets.extend([
        ("attempt", number(held.attempt)),
        ("none", row::history(&[])),
        ("ended", row::history(&[ended])),
    ]);
    Ok(Update {
        expression: format!("SET {} REMOVE #{}", assignments.join(", "), removes.join(", #")),
        condition: STANDS.into(),
        values: write::values(sets),
    })
}
