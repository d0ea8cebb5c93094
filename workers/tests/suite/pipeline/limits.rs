//! Limits by key, of calls at once, and of the whole fleet.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::spec::JobSpec;
use gantz_testkit::counted_limits::{CountedLimits, Counts};
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::Fleet;
use crate::mode_tool::What;

const JOBS: usize = 1_000;

/// Has the fleet's limits counted, and fail so many times first.
fn counted(fleet: &mut Fleet, failures: usize) -> Arc<Counts> {
    let counts = Arc::new(Counts::failing_first(failures));
    fleet.ports.limits = Arc::new(CountedLimits::new(fleet.ports.limits.clone(), counts.clone()));
    counts
}

#[tokio::test(start_paused = true)]
async fn workers_share_the_fleets_rate_and_write_its_row_for_many_calls_at_once() {
    let mut fleet =
        Fleet::new(&[("limited", "rate_limit: {rate: 100/s, scope: fleet}, retry: {max_attempts: 1}")]);
    let limits = counted(&mut fleet, 0);
    fleet.submit_many(JOBS, "limited", &json!({"mode": "succeed"})).await;
    let teams: Vec<_> = (1..=4).map(|n| fleet.start(&format!("worker-{n}"), 16)).collect();
    fleet.all_is_settled().await;

    for row in fleet.rows().await {
        assert_eq!((row.status, row.attempt, row.deferrals), (JobStatus::Succeeded, 1, 0));
    }
    let starts = fleet.journal.starts();
    // Of all but the last, which come back a moment after there is a token for them, at random. A call that is a few beats
    // of the metronome late leaves its token unused, so the pace has room below, but none above.
    let most = JOBS * 9 / 10;
    let took_ms = starts[most - 1].at_ms - starts[0].at_ms;
    assert!((8_900..=10_500).contains(&took_ms), "{took_ms} ms for {most} at a hundred a second");
    for window in starts.windows(100 + 5 + 1 + 25) {
        assert!(window[window.len() - 1].at_ms - window[0].at_ms >= 999, "too many calls within a second");
    }
    let grants = limits.grants();
    assert!(grants * 8 <= JOBS, "{grants} writes for {JOBS} calls");
    for team in teams {
        team.stop(Phase::Drain).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_fleets_limits_are_away_nobody_calls() {
    let mut fleet = Fleet::new(&[("limited", "rate_limit: {rate: 100/s, scope: fleet}")]);
    counted(&mut fleet, 3);
    let id = fleet.submit("limited", json!({"mode": "succeed"})).await;
    let team = fleet.start("worker", 4);
    let row = fleet.finished(&id).await;
    assert_eq!((row.status, row.attempt), (JobStatus::Succeeded, 1));
    let notes = fleet.store.view().notes(&id).await.unwrap();
    assert_eq!(notes.iter().filter(|note| note.why == "port_failed").count(), 3, "{notes:?}");
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_at_once_than_may_for_each_value_of_a_parameter() {
    let fleet =
        Fleet::new(&[("roomy", "concurrency: {max: 2, key: 'param:text'}, retry: {max_attempts: 1}")]);
    let mut of_host = BTreeMap::new();
    for n in 0..30 {
        let host = ["a.example", "b.example"][usize::from(n % 3 == 0)];
        let id = fleet.submit("roomy", json!({"mode": "sleep", "ms": 700, "text": host})).await;
        of_host.insert(id, host);
    }
    let team = fleet.start("worker", 64);
    fleet.all_is_settled().await;

    let mut running: BTreeMap<&str, i32> = BTreeMap::new();
    let mut most = running.clone();
    for entry in fleet.journal.all() {
        let host = of_host[&entry.job];
        let now = running.entry(host).or_default();
        *now += if entry.what == What::Started { 1 } else { -1 };
        let most = most.entry(host).or_default();
        *most = (*most).max(*now);
    }
    assert_eq!(most, BTreeMap::from([("a.example", 2), ("b.example", 2)]));
    for row in fleet.rows().await {
        assert_eq!((row.status, row.attempt, row.deferrals), (JobStatus::Succeeded, 1, 0));
        let notes = fleet.store.view().notes(&row.id).await.unwrap();
        assert!(notes.iter().all(|note| note.why == "no_room"), "{notes:?}");
    }
    team.stop(Phase::Drain).await;
}

#[tokio::test(start_paused = true)]
async fn a_breaker_by_tenant_opens_for_that_tenant_alone() {
    let breaker = "breaker: {failure_ratio: 0.5, minimum: 4, window: 60s, open: 60s, key: tenant}";
    let fleet = Fleet::new(&[("guarded", &format!("{breaker}, retry: {{max_attempts: 1}}"))]);
    let submit = async |tenant: &str, mode: &str| -> JobId {
        let spec = JobSpec { tenant: Some(tenant.into()), ..JobSpec::new("guarded", json!({"mode": mode})) };
        fleet.submit_spec(spec).await
    };
    let team = fleet.start("worker", 1);
    for _ in 0..4 {
        let id = submit("acme", "fail_transient").await;
        fleet.finished(&id).await;
    }
    let waits = submit("acme", "succeed").await;
    let runs = submit("globex", "succeed").await;
    assert_eq!(fleet.finished(&runs).await.status, JobStatus::Succeeded);
    assert_eq!(fleet.row(&waits).await.status, JobStatus::Queued, "its tenant's breaker is open");
    assert_eq!(fleet.finished(&waits).await.attempt, 1, "and closes after its probe");
    team.stop(Phase::Drain).await;
}
