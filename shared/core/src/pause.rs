//! Pausing a lane: a switch that the whole fleet shares. It is a breaker among the fleet's limits that a person opens, so
//! that it ends by itself where a time was given, and needs no store of its own.

use crate::ids::Lane;
use crate::ports::{BreakerState, Limits, PortResult};

/// Until when a lane is paused that somebody has to resume, in milliseconds since the epoch: the end of the year 9999.
pub const UNTIL_RESUMED_MS: u64 = 253_402_300_799_999;

/// Pauses a lane until then: what runs ends, and nothing is begun. A time that was set before no longer counts.
///
/// # Errors
/// When the fleet's limits cannot be written.
pub async fn pause(limits: &dyn Limits, lane: &Lane, until_ms: u64) -> PortResult<()> {
    limits.open(&switch_of(lane), until_ms).await
}

/// Has a lane's jobs begun again.
///
/// # Errors
/// When the fleet's limits cannot be written.
pub async fn resume(limits: &dyn Limits, lane: &Lane) -> PortResult<()> {
    limits.reset(&switch_of(lane)).await
}

/// Until when a lane is paused, milliseconds since the epoch, if it is.
///
/// # Errors
/// When the fleet's limits cannot be read.
pub async fn paused_until_ms(limits: &dyn Limits, lane: &Lane, now_ms: u64) -> PortResult<Option<u64>> {
    Ok(match limits.breaker(&switch_of(lane)).await? {
        BreakerState::OpenUntil { until_ms } if until_ms > now_ms => Some(until_ms),
        BreakerState::OpenUntil { .. } | BreakerState::Closed => None,
    })
}

/// What the limits know the switch by. The keys of tools have no `/`, or two of them.
fn switch_of(lane: &Lane) -> String {
    format!("lane/{lane}")
}
