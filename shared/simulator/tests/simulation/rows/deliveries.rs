//! Messages that come twice, too early, again, or with a receipt that is worth nothing.

use gantz_core::job::JobStatus;
use gantz_simulator::faults::{Fault, Faults, Outage};
use gantz_simulator::fleet::FleetPlan;
use gantz_simulator::run::in_world;
use gantz_simulator::scenario::{Mode, RECOVERY_BOUND_MS};
use gantz_simulator::tool::{Act, ActEnd, Script};
use gantz_simulator::world::BIRTH_MS;
use gantz_simulator::{JobPlan, Scenario};
use gantz_testkit::fault_table::{Level, fault};

use super::{all_started_once, all_succeeded, fine, many, quirks, row, starts};

const FOR_A_MINUTE: Mode = Mode::Liveness { faults_ms: 60_000, bound_ms: RECOVERY_BOUND_MS };

fn ten_jobs(seed: u64) -> Scenario {
    let mut jobs = many(5, &JobPlan::new("pays", "pay", Script::done(300)));
    jobs.extend(many(5, &JobPlan::new("launches", "launch", Script::done(300))));
    Scenario { mode: FOR_A_MINUTE, ..Scenario::calm(seed, jobs) }
}

/// Every delivery goes to two workers. The observer sees that the loser of the claim does not acknowledge.
#[test]
fn two_deliveries_at_once_have_one_claim() {
    let shown = fault(12, Level::Simulated);
    let (mut runs, mut deliveries) = (0, 0);
    for seed in 0..100 {
        let report = fine(&Scenario { faults: quirks(1_000, 0, 0), ..ten_jobs(seed) });
        all_succeeded(&report);
        all_started_once(&report);
        runs += 1;
        deliveries += report.calls;
    }
    shown.in_runs(runs, format!("1,000 jobs, one start each, in {deliveries} calls"));
}

/// The message is visible again after 40 s, as nothing keeps it invisible; the lease is renewed until 55 s.
#[test]
fn a_message_that_is_visible_again_in_mid_run_waits_for_its_lease() {
    let shown = fault(15, Level::Simulated);
    let outage = Outage {
        from_ms: BIRTH_MS,
        until_ms: BIRTH_MS + 3_600_000,
        methods: &["extend"],
        fault: Fault::Error,
    };
    for seed in 0..20 {
        let jobs = many(3, &JobPlan::new("takes-its-time", "slow", Script::done(55_000)));
        let faults = Faults::none().with_outage(outage.clone());
        let mode = Mode::Liveness { faults_ms: 120_000, bound_ms: RECOVERY_BOUND_MS };
        let report = fine(&Scenario { faults, mode, ..Scenario::calm(seed, jobs) });
        all_succeeded(&report);
        all_started_once(&report);
    }
    shown.in_runs(20, "60 jobs, delivered again while they ran, each started once");
}

#[test]
fn clocks_that_are_off_break_no_promise() {
    let shown = fault(17, Level::Simulated);
    let mut runs = 0;
    for skew_ms in [10_000, 360_000] {
        for seed in 0..100 {
            let fleet = FleetPlan { skews_ms: vec![skew_ms, -skew_ms], mishaps: 600, ..FleetPlan::pools() };
            let mode = Mode::Liveness { faults_ms: 60_000, bound_ms: 2 * RECOVERY_BOUND_MS };
            fine(&Scenario { fleet, mode, ..ten_jobs(seed) });
            runs += 1;
        }
    }
    shown.in_runs(runs, "10 jobs each; two workers 20 s apart, and 12 min");
}

/// A receipt that is worth nothing any more: the delete is answered, refused or fails, and the message stays.
#[test]
fn a_delete_that_does_nothing_has_no_second_effect() {
    let shown = fault(27, Level::Simulated);
    let refused =
        Outage { from_ms: BIRTH_MS, until_ms: BIRTH_MS + 60_000, methods: &["delete"], fault: Fault::Error };
    let mut runs = 0;
    for seed in 0..30 {
        for faults in [quirks(0, 1_000, 0), quirks(0, 0, 500), Faults::none().with_outage(refused.clone())] {
            let report = fine(&Scenario { faults, ..ten_jobs(seed) });
            all_succeeded(&report);
            all_started_once(&report);
            runs += 1;
        }
    }
    shown.in_runs(runs, "10 jobs each, one start each, every message acknowledged in the end");
}

/// For a minute, whatever is deleted comes back, with duplicates and crashes besides.
#[test]
fn a_deleted_message_that_comes_back_changes_no_end() {
    let shown = fault(29, Level::Simulated);
    for seed in 0..100 {
        let fleet = FleetPlan { mishaps: 600, ..FleetPlan::pools() };
        fine(&Scenario { faults: quirks(300, 1_000, 0), fleet, ..ten_jobs(seed) });
    }
    shown.in_runs(100, "10 jobs each");
}

/// Seventeen failures, one message: it is postponed, and never sent again.
#[test]
fn seventeen_retries_are_one_message() {
    let shown = fault(30, Level::Simulated);
    let mut acts = vec![Act { ms: 20, end: ActEnd::Transient }; 17];
    acts.push(Act { ms: 20, end: ActEnd::Done });
    let scenario = Scenario::calm(1, vec![JobPlan::new("patient-1", "patient", Script::new(acts))]);
    let mut sends = 0;
    let report = in_world(&scenario, async |world| {
        gantz_simulator::fleet::start(&world, &scenario.fleet);
        gantz_simulator::run::play(&world, &scenario).await;
        sends = world.with(|state| state.faults.calls_of("send"));
    });
    assert!(report.is_fine(), "{:?}", report.violations);
    let row = row(&report, "patient-1");
    assert_eq!((row.status, row.attempt, sends), (JobStatus::Succeeded, 18, 1));
    assert_eq!(starts(&report, &row.id).len(), 18);
    shown.in_runs(1, "18 attempts, 1 message sent; jobs start no jobs, so there is no chain to cap");
}
