//! Somebody cancels, at every moment there is.

use std::collections::BTreeMap;

use gantz_core::job::JobStatus;
use gantz_simulator::fleet::{self, FleetPlan};
use gantz_simulator::run::{in_world, play};
use gantz_simulator::tool::{Act, ActEnd, Script};
use gantz_simulator::{JobPlan, Scenario};
use gantz_testkit::fault_table::{Level, fault};

/// The job is over by then: accepted, claimed, released, claimed again and finished.
const LIFE_MS: u64 = 1_600;
/// No step of the protocol is shorter.
const STEP_MS: usize = 2;

#[test]
fn a_cancellation_at_any_moment_leaves_one_end() {
    let shown = fault(45, Level::Simulated);
    let mut ends: BTreeMap<JobStatus, u64> = BTreeMap::new();
    let mut runs = 0;
    for fleet in [FleetPlan::pools(), FleetPlan::functions()] {
        for tool in ["pay", "launch"] {
            for at_ms in (0..LIFE_MS).step_by(STEP_MS) {
                let acts = vec![Act { ms: 100, end: ActEnd::After(300) }, Act { ms: 100, end: ActEnd::Done }];
                let job = JobPlan {
                    cancel_at_ms: Some(at_ms),
                    ..JobPlan::new("cancelled", tool, Script::new(acts))
                };
                let mut scenario = Scenario { fleet: fleet.clone(), ..Scenario::calm(1, vec![job]) };
                scenario.settings.latency_ms = (3, 3);
                let report = in_world(&scenario, async |world| {
                    world.with(|state| state.observer.is_strict_on_starts = true);
                    fleet::start(&world, &scenario.fleet);
                    play(&world, &scenario).await;
                });
                assert!(report.is_fine(), "{tool} cancelled at {at_ms} ms: {:?}", report.violations);
                *ends.entry(report.rows[0].status).or_default() += 1;
                runs += 1;
            }
        }
    }
    assert!(ends[&JobStatus::Cancelled] > 0 && ends[&JobStatus::Succeeded] > 0, "{ends:?}");
    shown.in_runs(runs, format!("{ends:?}"));
}
