//! The first claim of a job as one conditional update, which records it if it has no row.

use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{self, Claim, ClaimVerdict};
use gantz_core::ports::PortResult;

use super::row;
use super::write::{self, Update};
use crate::item::number;

/// What a new row takes from the message, and an older one keeps.
const FIRST_SEEN: [&str; 8] =
    ["tool", "tenant", "lane", "params_hash", "max_attempts", "effects", "claims_max", "created_at"];
/// As [`FIRST_SEEN`], of jobs that have them.
const FIRST_SEEN_IF_SET: [&str; 8] =
    ["effect_key", "retry_of", "deadline", "expires_at", "parent", "index", "child_events", "label"];
/// What the claim changes besides the history.
const CLAIMED: [&str; 6] = ["status", "attempt", "owner", "lease_until", "started_at", "updated_at"];

/// The protocol's condition on a row that was never claimed. It allows nothing that [`lifecycle::claim`] denies; the
/// little that it denies although that would allow it is decided there.
const MAY_BE_CLAIMED: &str = "attribute_not_exists(#finished_at) \
    AND attribute_not_exists(#cancel_requested_at) \
    AND (attribute_not_exists(#owner) OR attribute_not_exists(#lease_until) OR #lease_until <= :now) \
    AND (attribute_not_exists(#deadline) OR #deadline > :now) \
    AND #attempt = :zero AND #attempt < #claims_max \
    AND #params_hash = :params_hash \
    AND #updated_at < :updated_at";

/// The update, unless this claim would not be granted to a job without a row, or is hardly the first: those are decided
/// row in hand, since what they note in its history names their attempt, and no expression can spell that.
pub(super) fn update(claim: &Claim) -> PortResult<Option<Update>> {
    if claim.redelivered {
        return Ok(None);
    }
    let ClaimVerdict::Granted(granted) = lifecycle::claim(None, claim) else { return Ok(None) };
    if claim.first_seen != JobRecord::queued(claim.first_seen.accepted()) {
        return Ok(None);
    }
    let mut new = row::to_item(&granted)?;
    let mut sets = vec!["#history = list_append(if_not_exists(#history, :queued), :running)".to_owned()];
    let mut conditions = vec![MAY_BE_CLAIMED.to_owned()];
    let mut values = vec![
        ("zero", number(0_u32)),
        ("now", number(claim.now_ms)),
        ("queued", row::history(&claim.first_seen.history)),
        ("running", row::history(granted.history.get(claim.first_seen.history.len()..).unwrap_or_default())),
    ];
    for name in CLAIMED {
        sets.push(format!("#{name} = :{name}"));
        values.extend(new.remove(name).map(|value| (name, value)));
    }
    for name in FIRST_SEEN.into_iter().chain(FIRST_SEEN_IF_SET) {
        let Some(value) = new.remove(name) else { continue };
        sets.push(format!("#{name} = if_not_exists(#{name}, :{name})"));
        if FIRST_SEEN_IF_SET.contains(&name) {
            // A row that lacks what its message has must not gain it.
            conditions.push(format!("attribute_exists(#{name})"));
        }
        values.push((name, value));
    }
    Ok(Some(Update {
        expression: format!("SET {} REMOVE #retry_at", sets.join(", ")),
        condition: format!("attribute_not_exists(#pk) OR ({})", conditions.join(" AND ")),
        values: write::values(values),
    }))
}
