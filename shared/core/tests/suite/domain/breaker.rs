use gantz_core::breaker::{Breaker, BreakerPolicy, Change, Permit};
use proptest::prelude::*;

const NOW_MS: u64 = 1_700_000_000_000;
const WINDOW_MS: u64 = 1_000;
const OPEN_MS: u64 = 400;
/// Longer than the open time, so that the two are told apart.
const CALL_MS: u64 = 3 * OPEN_MS;

/// Half of at least four calls within a second; open for 400 ms.
fn breaker() -> Breaker {
    Breaker::new(BreakerPolicy::try_new(0.5, 4, WINDOW_MS, OPEN_MS).unwrap(), CALL_MS)
}

/// A breaker that has just opened, without jitter.
fn open_breaker() -> Breaker {
    let mut breaker = breaker();
    for _ in 0..3 {
        assert_eq!(breaker.on_result(false, false, NOW_MS, 0), Change::None);
    }
    let opened = Change::Opened { until_ms: NOW_MS + OPEN_MS };
    assert_eq!(breaker.on_result(false, false, NOW_MS, 0), opened);
    breaker
}

fn feed(breaker: &mut Breaker, results: &str, now_ms: u64) -> Change {
    let mut last = Change::None;
    for result in results.chars() {
        assert_eq!(last, Change::None, "opened within `{results}`");
        last = breaker.on_result(result == '+', false, now_ms, 0);
    }
    last
}

#[test]
fn it_opens_at_the_ratio_over_the_minimum_of_calls() {
    let table = [
        ("---", false),
        ("----", true),
        ("+++-", false),
        ("++--", true),
        ("+++--", false),
        ("++++----", true),
        ("++++---", false),
    ];
    for (results, opens) in table {
        let change = feed(&mut breaker(), results, NOW_MS);
        assert_eq!(change != Change::None, opens, "{results}");
    }
}

#[test]
fn the_window_slides() {
    let table = [
        (0, true),
        (WINDOW_MS - 100, true),
        (WINDOW_MS, false),
        (WINDOW_MS + 300, false),
        (50 * WINDOW_MS, false),
    ];
    for (later_ms, opens) in table {
        let mut breaker = breaker();
        assert_eq!(feed(&mut breaker, "---", NOW_MS), Change::None);
        assert_eq!(feed(&mut breaker, "-", NOW_MS + later_ms) != Change::None, opens, "after {later_ms} ms");
    }
}

#[test]
fn open_time_is_spread_by_a_quarter() {
    let mut breaker = breaker();
    assert_eq!(feed(&mut breaker, "---", NOW_MS), Change::None);
    let change = breaker.on_result(false, false, NOW_MS, u64::MAX);
    assert_eq!(change, Change::Opened { until_ms: NOW_MS + OPEN_MS + OPEN_MS / 4 });
}

#[test]
fn one_probe_decides() {
    let due_ms = NOW_MS + OPEN_MS;
    let mut breaker = open_breaker();
    assert_eq!(breaker.check(due_ms - 1), Permit::Denied { until_ms: due_ms });
    assert_eq!(breaker.check(due_ms), Permit::Probe);
    assert_eq!(breaker.check(due_ms), Permit::Denied { until_ms: due_ms + CALL_MS });
    let mut failing = breaker.clone();
    let opened = Change::Opened { until_ms: due_ms + 5 + OPEN_MS };
    assert_eq!(failing.on_result(false, true, due_ms + 5, 0), opened);
    assert_eq!(failing.check(due_ms + 6), Permit::Denied { until_ms: due_ms + 5 + OPEN_MS });
    assert_eq!(breaker.on_result(true, true, due_ms + 5, 0), Change::Closed);
    assert_eq!(breaker.check(due_ms + 6), Permit::Allowed);
    // What happened before the probe is forgotten.
    assert_eq!(feed(&mut breaker, "---", due_ms + 7), Change::None);
}

#[test]
fn a_lost_probe_is_written_off() {
    let due_ms = NOW_MS + OPEN_MS;
    let mut breaker = open_breaker();
    assert_eq!(breaker.check(due_ms), Permit::Probe);
    assert_eq!(breaker.check(due_ms + CALL_MS - 1), Permit::Denied { until_ms: due_ms + CALL_MS });
    assert_eq!(breaker.check(due_ms + CALL_MS), Permit::Probe);
}

/// It is waited for as long as a call may take, also after the breaker has closed once; and never less than the open
/// time, so that lost probes do not become a stream of calls.
#[test]
fn a_slow_probe_is_not_a_lost_one() {
    let policy = BreakerPolicy::try_new(0.5, 1, WINDOW_MS, OPEN_MS).unwrap();
    for (call_ms, probe_ms) in [(0, OPEN_MS), (OPEN_MS, OPEN_MS), (60 * OPEN_MS, 60 * OPEN_MS)] {
        let mut breaker = Breaker::new(policy, call_ms);
        breaker.close();
        breaker.open_until(NOW_MS);
        assert_eq!(breaker.check(NOW_MS), Permit::Probe);
        assert_eq!(breaker.check(NOW_MS + probe_ms - 1), Permit::Denied { until_ms: NOW_MS + probe_ms });
    }
}

#[test]
fn stragglers_are_ignored() {
    let mut open = open_breaker();
    for success in [true, false] {
        assert_eq!(open.on_result(success, false, NOW_MS + 1, 0), Change::None);
    }
    assert_eq!(open, open_breaker());
    assert_eq!(open.check(NOW_MS + OPEN_MS), Permit::Probe);
    for success in [true, false] {
        assert_eq!(open.on_result(success, false, NOW_MS + OPEN_MS + 1, 0), Change::None);
    }
    assert_eq!(open.on_result(true, true, NOW_MS + OPEN_MS + 2, 0), Change::Closed);
}

/// A probe tells of the present, also where the fleet's view reopened the breaker meanwhile.
#[test]
fn a_probe_outweighs_what_the_fleet_knew() {
    for (success, expected) in
        [(true, Permit::Allowed), (false, Permit::Denied { until_ms: NOW_MS + 2 * OPEN_MS })]
    {
        let mut breaker = open_breaker();
        assert_eq!(breaker.check(NOW_MS + OPEN_MS), Permit::Probe);
        breaker.open_until(NOW_MS + OPEN_MS + 50);
        assert_ne!(breaker.on_result(success, true, NOW_MS + OPEN_MS, 0), Change::None);
        assert_eq!(breaker.check(NOW_MS + OPEN_MS + 1), expected);
        assert_eq!(breaker.is_closed(), success);
    }
}

#[test]
fn the_fleet_opens_and_closes_it() {
    let mut breaker = breaker();
    breaker.open_until(NOW_MS + 9);
    assert_eq!(breaker.check(NOW_MS + 8), Permit::Denied { until_ms: NOW_MS + 9 });
    breaker.close();
    assert_eq!(breaker.check(NOW_MS + 8), Permit::Allowed);
}

#[test]
fn bounds_are_checked_by_name() {
    let table = [
        ((0.0, 1, 10, 1), "`failure_ratio` is 0, expected 0.01 to 1"),
        ((1.1, 1, 10, 1), "`failure_ratio` is 1.1, expected 0.01 to 1"),
        ((f64::NAN, 1, 10, 1), "`failure_ratio` is NaN, expected 0.01 to 1"),
        ((0.5, 0, 10, 1), "`minimum` is 0, expected 1 to 100000"),
        ((0.5, 1, 9, 1), "`window` is 9, expected 10 to 3600000"),
        ((0.5, 1, 10, 0), "`open` is 0, expected 1 to 43200000"),
    ];
    for ((ratio, min_calls, window_ms, open_ms), expected) in table {
        let error = BreakerPolicy::try_new(ratio, min_calls, window_ms, open_ms).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Ask,
    Answer { success: bool, random: u64 },
    Straggler { success: bool },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..300_u64).prop_map(Step::Wait),
        4 => Just(Step::Ask),
        4 => (any::<bool>(), any::<u64>()).prop_map(|(success, random)| Step::Answer { success, random }),
        1 => any::<bool>().prop_map(|success| Step::Straggler { success }),
    ]
}

proptest! {
    /// Whatever happens, no call starts while the breaker is open, and one at a time while it probes.
    #[test]
    fn no_call_starts_while_it_is_open(steps in prop::collection::vec(any_step(), 1..200)) {
        let (mut breaker, mut now_ms) = (breaker(), NOW_MS);
        let mut out = Vec::new();
        let mut open_until_ms = None;
        let mut probe_until_ms = 0;
        for step in steps {
            let change = match step {
                Step::Wait(ms) => { now_ms += ms; Change::None }
                Step::Ask => {
                    match (breaker.check(now_ms), open_until_ms) {
                        (Permit::Allowed, open) => { prop_assert_eq!(open, None); out.push(false); }
                        (Permit::Probe, open) => {
                            prop_assert!(open.is_some_and(|until_ms| until_ms <= now_ms));
                            prop_assert!(probe_until_ms <= now_ms, "two probes at once");
                            probe_until_ms = now_ms + CALL_MS;
                            out.push(true);
                        }
                        (Permit::Denied { until_ms }, open) => { prop_assert!(open.is_some() && until_ms > now_ms); }
                    }
                    Change::None
                }
                Step::Answer { success, random } => {
                    let Some(probe) = out.pop() else { continue };
                    breaker.on_result(success, probe, now_ms, random)
                }
                Step::Straggler { success } => breaker.on_result(success, false, now_ms, 0),
            };
            match change {
                Change::Opened { until_ms } => {
                    prop_assert!((now_ms + OPEN_MS..=now_ms + OPEN_MS + OPEN_MS / 4).contains(&until_ms));
                    open_until_ms = Some(until_ms);
                    probe_until_ms = 0;
                }
                Change::Closed => { open_until_ms = None; probe_until_ms = 0; }
                Change::None => {}
            }
        }
    }
}
