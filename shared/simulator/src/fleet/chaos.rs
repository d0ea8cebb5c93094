//! What happens to processes out of the blue.

use std::sync::Arc;
use std::time::Duration;

use crate::process::Process;
use crate::world::World;

/// The longest that a process is frozen: longer than a lease.
const FROZEN_MAX_MS: u64 = 120_000;
const HOUR_MS: u64 = 3_600_000;

/// Kills and freezes processes at random, so many times within an hour, until the faults stop.
pub(crate) async fn chaos(world: Arc<World>, mishaps: u64) {
    if mishaps == 0 {
        return;
    }
    loop {
        let pause_ms = world.with(|state| state.random.below(2 * HOUR_MS / mishaps));
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        let (victim, is_killed, ms) = world.with(|state| {
            let alive: Vec<Process> =
                state.processes.iter().filter(|process| process.is_alive()).cloned().collect();
            let place = usize::try_from(state.random.below(alive.len().max(1) as u64)).unwrap_or(0);
            let victim = alive.get(place).filter(|_| !state.faults.are_over()).cloned();
            (victim, state.random.one_in(2), state.random.below(FROZEN_MAX_MS))
        });
        let Some(victim) = victim else { continue };
        if is_killed {
            victim.kill();
            continue;
        }
        victim.freeze();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            victim.thaw();
        });
    }
}
