//! What happens to functions and their event source.

use gantz_core::job::JobStatus;
use gantz_simulator::faults::Faults;
use gantz_simulator::fleet::{FleetPlan, Mapping};
use gantz_simulator::scenario::{Mode, RECOVERY_BOUND_MS};
use gantz_simulator::tool::{Act, ActEnd, Script};
use gantz_simulator::{JobPlan, Scenario};
use gantz_testkit::fault_table::{Level, fault};

use super::{all_succeeded, fine, many, row, starts};

fn in_order(id: &str, tool: &'static str, script: Script, tenant: &'static str) -> JobPlan {
    JobPlan { tenant: Some(tenant), ..JobPlan::new(id, tool, script) }
}

/// The batch holds one running job of each of two groups, and behind it two that wait for their turn.
#[test]
fn a_function_that_dies_in_mid_batch_leaves_in_doubt_only_what_ran() {
    let shown = fault(21, Level::Simulated);
    for seed in 0..20 {
        let jobs = ["a", "b"].into_iter().flat_map(|tenant| {
            (0..3).map(move |n| {
                let plan = in_order(&format!("launch-{tenant}-{n}"), "launch", Script::done(3_000), tenant);
                JobPlan { at_ms: 100 * n, ..plan }
            })
        });
        let jobs: Vec<JobPlan> = jobs.collect();
        let mapping =
            Mapping { sandboxes: 1, first_dies_after_ms: Some(2_000), is_fifo: true, ..Mapping::default() };
        // The function comes up when all messages are there.
        let fleet = FleetPlan { mapping: Some(mapping), ..FleetPlan::functions() };
        let report = fine(&Scenario { fleet, ..Scenario::calm(seed, jobs) });
        let in_doubt = report.rows.iter().filter(|row| row.status == JobStatus::InDoubt).count();
        assert!((1..=2).contains(&in_doubt), "{in_doubt}");
        for row in &report.rows {
            let ran = starts(&report, &row.id);
            assert_eq!(ran.len(), 1, "{row:?}");
            assert_eq!(row.attempt, 1, "{row:?}");
            if row.status != JobStatus::InDoubt {
                assert_eq!(row.status, JobStatus::Succeeded, "{row:?}");
            }
        }
    }
    shown.in_runs(20, "6 at-most-once jobs in 2 groups: what ran is in doubt, the others ran later, once");
}

#[test]
fn first_in_first_out_keeps_its_order_when_the_middle_one_fails() {
    let shown = fault(25, Level::Simulated);
    for seed in 0..50 {
        let failing =
            Script::new(vec![Act { ms: 100, end: ActEnd::Transient }, Act { ms: 100, end: ActEnd::Done }]);
        let scripts = [Script::done(100), Script::done(100), failing, Script::done(100), Script::done(100)];
        let jobs = scripts.into_iter().enumerate().map(|(n, script)| {
            let plan = in_order(&format!("in-order-{n}"), "pay", script, "t");
            JobPlan { at_ms: 100 * n as u64, ..plan }
        });
        let mapping = Mapping { is_fifo: true, ..Mapping::default() };
        let fleet = FleetPlan { mapping: Some(mapping), ..FleetPlan::functions() };
        let report = fine(&Scenario { fleet, ..Scenario::calm(seed, jobs.collect()) });
        all_succeeded(&report);
        let mut order: Vec<(u64, String, u32)> = report
            .rows
            .iter()
            .flat_map(|row| {
                starts(&report, &row.id)
                    .into_iter()
                    .map(|(attempt, at_ms)| (at_ms, row.id.to_string(), attempt))
            })
            .collect();
        order.sort_unstable();
        let order: Vec<String> =
            order.into_iter().map(|(_, id, attempt)| format!("{id}/{attempt}")).collect();
        let expected =
            ["in-order-0/1", "in-order-1/1", "in-order-2/1", "in-order-2/2", "in-order-3/1", "in-order-4/1"];
        assert_eq!(order, expected);
    }
    shown.in_runs(50, "5 jobs of one group, the third fails once, order kept");
}

/// Every batch is received and never reaches the function, until messages are dead letters, again and again.
#[test]
fn messages_that_a_throttled_mapping_wore_out_are_put_back() {
    let shown = fault(26, Level::Simulated);
    let mut buried = 0;
    for seed in 0..20 {
        let jobs = many(4, &JobPlan::new("never-ran", "launch", Script::done(100)));
        let mapping = Mapping { throttled: 1_000, timeout_ms: 22_000, ..Mapping::default() };
        let fleet = FleetPlan { mapping: Some(mapping), ..FleetPlan::functions() };
        let mode = Mode::Liveness { faults_ms: 1_200_000, bound_ms: RECOVERY_BOUND_MS };
        let mut scenario = Scenario { fleet, mode, faults: Faults::none(), ..Scenario::calm(seed, jobs) };
        scenario.settings.max_receives = 3;
        scenario.settings.is_logged = true;
        let report = fine(&scenario);
        all_succeeded(&report);
        for id in ["never-ran-00000", "never-ran-00003"] {
            assert_eq!(row(&report, id).attempt, 1);
        }
        buried += report.log.iter().filter(|line| line.contains("goes to dead-fast")).count();
    }
    assert!(buried >= 80, "{buried} messages were worn out");
    shown.in_runs(20, format!("80 jobs, {buried} dead letters, none failed, one attempt each"));
}
