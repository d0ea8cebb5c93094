//! Breakers and rate limits.

use std::time::Duration;

use gantz_simulator::fleet::{self, FleetPlan};
use gantz_simulator::run::{in_world, play};
use gantz_simulator::scenario::Mode;
use gantz_simulator::tool::{ActEnd, Script};
use gantz_simulator::world::BIRTH_MS;
use gantz_simulator::{JobPlan, Report, Scenario};
use gantz_testkit::fault_table::{Level, fault};

use super::{all_succeeded, many, starts};

/// Jobs of the tool `broken`, whose dependency is away until `up_ms`.
fn depend(seed: u64, jobs: usize, pools: usize, up_ms: u64) -> Report {
    let plan = JobPlan::new("depends", "broken", Script::always(200, ActEnd::Depend));
    let fleet = FleetPlan { pools, concurrency: 1, ..FleetPlan::pools() };
    let mode = Mode::Liveness { faults_ms: up_ms, bound_ms: 3_600_000 };
    let scenario = Scenario { fleet, mode, ..Scenario::calm(seed, many(jobs, &plan)) };
    let report = in_world(&scenario, async |world| {
        world.with(|state| state.is_dependency_up = false);
        fleet::start(&world, &scenario.fleet);
        let back = std::sync::Arc::clone(&world);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(up_ms)).await;
            back.with(|state| state.is_dependency_up = true);
        });
        play(&world, &scenario).await;
    });
    assert!(report.is_fine(), "{:?}", &report.violations[..1]);
    all_succeeded(&report);
    report
}

/// Calls of the dependency that began before that moment.
fn calls_before(report: &Report, at_ms: u64) -> usize {
    let all = report.rows.iter().flat_map(|row| starts(report, &row.id));
    all.filter(|(_, started_ms)| *started_ms < at_ms).count()
}

#[test]
fn a_hundred_workers_probe_a_dependency_one_at_a_time() {
    let shown = fault(35, Level::Simulated);
    const WORKERS: usize = 100;
    const JOBS: usize = 150;
    const UP_MS: u64 = 150_000;
    let report = depend(1, JOBS, WORKERS, UP_MS);
    let (down, all) = (calls_before(&report, BIRTH_MS + UP_MS), calls_before(&report, u64::MAX));
    // Before the breaker opens, each worker has made a few calls; from then on there is a probe every 30 s at most.
    let probes = usize::try_from(UP_MS / 30_000).unwrap() + 1;
    let at_first = calls_before(&report, BIRTH_MS + 30_000);
    assert!(down - at_first <= probes, "{down} calls while it was away, {at_first} of them at first");
    let after = all - down;
    assert!(after * 10 <= JOBS * 11, "{after} calls for {JOBS} jobs");
    let load = after as f64 / JOBS as f64;
    let figure = format!(
        "{WORKERS} workers: {at_first} calls until it opened, {} probes in two minutes, then {load:.2} calls a job",
        down - at_first
    );
    shown.in_runs(1, figure);
}

#[test]
fn an_hour_behind_a_breaker_fails_no_job() {
    let shown = fault(37, Level::Simulated);
    let report = depend(2, 20, 2, 3_600_000);
    let most = report.rows.iter().map(gantz_core::job::JobRecord::attempts_used).max().unwrap();
    let calls = calls_before(&report, BIRTH_MS + 3_600_000);
    // 120 times half a minute, and what was called before it opened.
    assert!(calls <= 140, "{calls} calls in an hour");
    shown.in_runs(
        20,
        format!(
            "20 jobs, {calls} probes and calls in the hour, at most {most} of 30 attempts used, none failed"
        ),
    );
}

#[test]
fn an_hour_behind_a_rate_limit_burns_no_attempt() {
    let shown = fault(37, Level::Simulated);
    const JOBS: usize = 60;
    let mut scenario = Scenario::calm(3, many(JOBS, &JobPlan::new("waits", "rare", Script::done(100))));
    scenario.fleet.pools = 1;
    scenario.mode = Mode::Liveness { faults_ms: 0, bound_ms: 2 * 3_600_000 };
    let report = super::fine(&scenario);
    all_succeeded(&report);
    assert!(report.rows.iter().all(|row| row.attempt == 1), "waiting is no attempt");
    assert!(report.world_ms > 55 * 60_000, "{} ms", report.world_ms);
    shown.in_runs(
        JOBS as u64,
        format!("{JOBS} jobs at one a minute took {} min, one attempt each", report.world_ms / 60_000),
    );
}
