//! A tenant with a backlog does not make another one wait.

use gantz_core::spec::JobSpec;
use gantz_testkit::fault_table::{Level, fault};
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::{Fleet, lane};

/// The loud tenant's backlog. `GANTZ_LOUD_JOBS` sets another: 50,000 were tried.
const LOUD: usize = 2_000;
const QUIET: usize = 40;
/// The quiet tenant's jobs take this long, the others up to half of it more or less, so that they do not end together;
/// so many run at once: 160 jobs a second.
const TAKES_MS: u64 = 100;
const AT_ONCE: u32 = 16;
/// The quiet tenant's jobs come so far apart.
const EVERY_MS: u64 = 230;

#[tokio::test(start_paused = true)]
async fn a_backlog_is_waited_for_by_its_own_tenant_alone() {
    let shown = fault(49, Level::Simulated);
    let loud = std::env::var("GANTZ_LOUD_JOBS").map_or(LOUD, |jobs| jobs.parse().unwrap());
    let alone = median_ms(0).await;
    let beside = median_ms(loud).await;
    assert!(beside <= 2 * alone, "{beside} ms instead of {alone} ms");
    let figure =
        format!("beside {loud} jobs of another tenant, a median of {beside} ms instead of {alone} ms");
    shown.in_runs(QUIET as u64, figure);
}

/// From submission to outcome: the median of the quiet tenant's jobs, beside so many of a loud one.
async fn median_ms(loud: usize) -> u64 {
    let fleet = Fleet::new(&[("work", "timeout: 10s")]);
    for n in 0..loud as u64 {
        fleet.submit_spec(of("loud", TAKES_MS / 2 + n * 37 % TAKES_MS)).await;
    }
    let team = fleet.start("worker", AT_ONCE);
    let mut quiet = Vec::new();
    for _ in 0..QUIET {
        fleet.pass(EVERY_MS).await;
        quiet.push(fleet.submit_spec(of("quiet", TAKES_MS)).await);
    }
    let mut waits = Vec::new();
    for id in &quiet {
        let row = fleet.finished(id).await;
        waits.push(row.finished_at_ms.unwrap() - row.created_at_ms);
    }
    let left = fleet.depth(&lane()).await;
    assert!(loud == 0 || left.visible > 0, "the backlog ended before the quiet tenant's jobs did");
    team.stop(Phase::Abort).await;
    waits.sort_unstable();
    waits[waits.len() / 2]
}

fn of(tenant: &str, ms: u64) -> JobSpec {
    JobSpec { tenant: Some(tenant.to_owned()), ..JobSpec::new("work", json!({"mode": "sleep", "ms": ms})) }
}
