//! Services that are away, or slow everybody down.

use std::time::Duration;

use gantz_core::admit::Origin;
use gantz_core::batch::Tolerance;
use gantz_core::job::JobStatus;
use gantz_core::spec::JobSpec;
use gantz_simulator::callers::job_id;
use gantz_simulator::faults::{Fault, Faults, Outage, Rates, TABLE};
use gantz_simulator::fleet::{self, FleetPlan, dispatcher};
use gantz_simulator::run::{in_world, settled};
use gantz_simulator::scenario::{BatchPlan, Mode, RECOVERY_BOUND_MS};
use gantz_simulator::tool::Script;
use gantz_simulator::world::BIRTH_MS;
use gantz_simulator::{JobPlan, Process, Scenario};
use gantz_testkit::fault_table::{Level, fault};
use serde_json::json;

use super::{all_succeeded, fine};

/// Leases that expire at once. Without optimisation fewer, so that the tests stay quick.
const LEASES: usize = if cfg!(debug_assertions) { 300 } else { 10_000 };
const AWAY_MS: u64 = 600_000;

/// All jobs run when the table goes away; it comes back ten minutes later.
#[test]
fn leases_that_expired_while_the_table_was_away_are_caught_up_with() {
    let shown = fault(22, Level::Simulated);
    let mut scenario = Scenario::calm(1, vec![]);
    scenario.fleet = FleetPlan { pools: 2, concurrency: 10_000, ..FleetPlan::pools() };
    let mut back_ms = 0;
    let report = in_world(&scenario, async |world| {
        let front = Process::start(&world, "front", 0);
        let submits = (0..LEASES).map(|n| {
            let (front, world) = (front.clone(), world.clone());
            async move {
                let id = job_id(&format!("leased-{n:05}"));
                world.with(|state| state.scripts.insert(id.clone(), Script::done(50_000)));
                let mut spec = JobSpec::new("slow", json!({ "n": 1 }));
                spec.job_id = Some(id.to_string());
                let origin = Origin { source: "test", occurrence: None };
                dispatcher(&front).submit(spec, &origin).await.unwrap();
                world.with(|state| state.observer.accepted(&id));
            }
        });
        futures_util::future::join_all(submits).await;
        fleet::start(&world, &scenario.fleet);
        let running =
            || world.with(|state| state.rows.values().filter(|row| row.status == JobStatus::Running).count());
        while running() < LEASES {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        back_ms = world.now_ms() + AWAY_MS;
        world.with(|state| {
            state.faults.add_outage(Outage {
                from_ms: state.now_ms,
                until_ms: back_ms,
                methods: TABLE,
                fault: Fault::Error,
            });
        });
        tokio::time::sleep(Duration::from_millis(AWAY_MS)).await;
        settled(&world, &scenario).await;
    });
    assert!(report.is_fine(), "{:?}", &report.violations[..1]);
    all_succeeded(&report);
    assert!(
        report.rows.iter().all(|row| row.attempt == 2),
        "one attempt was lost to the outage, one did the work"
    );
    let drained_s = report.recovery_ms / 1_000;
    shown.in_runs(LEASES as u64, format!("{LEASES} leases; all done {drained_s} s after the table was back"));
}

/// Marks of a batch's children are throttled for ten minutes; what is tried again meanwhile backs off.
#[test]
fn a_hot_parent_is_asked_less_and_less() {
    let shown = fault(48, Level::Simulated);
    const CHILDREN: usize = 20;
    let outage = Outage {
        from_ms: BIRTH_MS,
        until_ms: BIRTH_MS + AWAY_MS,
        methods: &["mark"],
        fault: Fault::Throttled,
    };
    let mut most = 0;
    for seed in 0..10 {
        let mut scenario = Scenario::calm(seed, vec![]);
        scenario.batch = Some(BatchPlan::new("batch-0001", vec![Script::done(50); CHILDREN]));
        scenario.faults = Faults::none().with_outage(outage.clone());
        scenario.fleet.concurrency = 10;
        scenario.mode = Mode::Liveness { faults_ms: AWAY_MS, bound_ms: RECOVERY_BOUND_MS };
        let mut marks = 0;
        let report = in_world(&scenario, async |world| {
            fleet::start(&world, &scenario.fleet);
            gantz_simulator::run::play(&world, &scenario).await;
            marks = world.with(|state| state.faults.calls_of("mark"));
        });
        assert!(report.is_fine(), "{:?}", report.violations);
        all_succeeded(&report);
        most = most.max(marks);
    }
    // Half a second, doubled up to a minute: some sixteen tries in ten minutes.
    assert!(most <= 18 * CHILDREN as u64, "{most} marks");
    shown.in_runs(10, format!("{CHILDREN} children, at most {most} marks tried in 10 min"));
}

/// A table that throttles a third of all calls for a minute.
#[test]
fn a_table_that_throttles_delays_and_harms_nobody() {
    let shown = fault(48, Level::Simulated);
    for seed in 0..50 {
        let jobs = super::many(10, &JobPlan::new("throttled", "pay", Script::done(100)));
        let rates = Rates { calls: 330, kinds: vec![Fault::Throttled], ..Rates::default() };
        let mut scenario = Scenario::calm(seed, jobs);
        scenario.faults = Faults::random(rates);
        scenario.mode = Mode::Liveness { faults_ms: 60_000, bound_ms: RECOVERY_BOUND_MS };
        scenario.batch = Some(BatchPlan {
            tolerate: Tolerance::Count(5),
            ..BatchPlan::new("batch-0001", vec![Script::done(50); 5])
        });
        fine(&scenario);
    }
    shown.in_runs(50, "10 jobs and a batch of 5 each");
}
