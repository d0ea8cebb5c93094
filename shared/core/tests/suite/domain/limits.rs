use gantz_core::ahead::{Ahead, Step};
use gantz_core::ids::Tenant;
use gantz_core::limit_key::LimitKey;
use gantz_core::limiter::{RateLimit, Taken, take};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::common::*;

/// A hundred a second, five at once.
fn limit() -> RateLimit {
    RateLimit::try_new(100.0, 5).unwrap()
}

/// Has it ask a limit whose theoretical arrival time is `tat_us`, until it has a token or waits. Says how many it was
/// granted.
fn ask(ahead: &mut Ahead, tat_us: &mut u64, now_ms: u64) -> (Option<u64>, u32) {
    let mut granted = 0;
    loop {
        match ahead.step(now_ms) {
            Step::Start { at_us } => return (Some(at_us), granted),
            Step::Wait { until_us } => {
                assert!(until_us > now_ms * 1_000);
                return (None, granted);
            }
            Step::Ask { tokens } => {
                let taken = take(*tat_us, ahead.limit(), tokens, now_ms);
                if let Taken::Granted { tokens, tat_us: moved_us } = taken {
                    (granted, *tat_us) = (granted + tokens, moved_us);
                }
                ahead.answered(tokens, taken, now_ms);
            }
        }
    }
}

#[test]
fn a_process_alone_asks_for_twice_as_many_until_it_has_what_there_is() {
    let (mut ahead, mut tat_us) = (Ahead::new(&limit()), 0);
    assert_eq!(ahead.limit().burst(), 55, "the burst, and half a second");
    let (mut due, mut grants) = (Vec::new(), Vec::new());
    while let (Some(at_us), granted) = ask(&mut ahead, &mut tat_us, NOW_MS) {
        due.push(at_us);
        grants.extend((granted > 0).then_some(granted));
    }
    assert_eq!(grants, [1, 2, 4, 8, 16, 24], "and then there is nothing left");
    let now_us = NOW_MS * 1_000;
    assert_eq!(due.iter().filter(|due_us| **due_us <= now_us).count(), 5, "{due:?}");
    assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 10_000), "{due:?}");
    let (next, granted) = ask(&mut ahead, &mut tat_us, NOW_MS + 220);
    assert_eq!((next, granted), (due.last().map(|last_us| last_us + 10_000), 22));
}

#[test]
fn tokens_that_were_not_used_in_time_are_gone() {
    let (mut ahead, mut tat_us) = (Ahead::new(&limit()), 0);
    ahead.answered(55, Taken::Granted { tokens: 55, tat_us: NOW_MS * 1_000 + 550_000 }, NOW_MS);
    assert!(matches!(ahead.step(NOW_MS), Step::Start { .. }));
    // The last is due after half a second, and good for a quarter more.
    for _ in 0..2 {
        assert!(matches!(ahead.step(NOW_MS + 740), Step::Start { .. }));
    }
    let (_, granted) = ask(&mut ahead, &mut tat_us, NOW_MS + 3_600_000);
    assert_eq!(
        granted, 3,
        "an hour later there is no burst of saved tokens, and it asks for as many as it used"
    );
}

#[test]
fn a_process_among_others_waits_until_its_share_is_worth_a_write() {
    let mut ahead = Ahead::new(&limit());
    let grant = |tokens, now_ms: u64| Taken::Granted { tokens, tat_us: now_ms * 1_000 + 550_000 };
    ahead.answered(22, grant(22, NOW_MS), NOW_MS);
    while matches!(ahead.step(NOW_MS), Step::Start { .. }) {}
    assert_eq!(ahead.step(NOW_MS), Step::Wait { until_us: NOW_MS * 1_000 + 220_000 });
    // It had expected twenty-two, and has eleven.
    let now_ms = NOW_MS + 220;
    assert_eq!(ahead.step(now_ms), Step::Ask { tokens: 44 });
    ahead.answered(44, grant(11, now_ms), now_ms);
    while matches!(ahead.step(now_ms), Step::Start { .. }) {}
    assert_eq!(ahead.step(now_ms), Step::Wait { until_us: now_ms * 1_000 + 440_000 });
    // Longer than there can be tokens for, it does not wait.
    let now_ms = now_ms + 440;
    ahead.answered(22, grant(1, now_ms), now_ms);
    while matches!(ahead.step(now_ms), Step::Start { .. }) {}
    assert_eq!(ahead.step(now_ms), Step::Wait { until_us: now_ms * 1_000 + 550_000 });
}

proptest! {
    /// Whatever its workers do, and whenever, the fleet starts no more calls within any time than the rate allows, the
    /// burst, and what may be late.
    #[test]
    fn the_fleet_keeps_the_rate(
        per_second in 1.0_f64..500.0,
        burst in 1_u32..20,
        steps in prop::collection::vec((0_usize..4, 0_u64..60), 1..400),
    ) {
        let limit = RateLimit::try_new(per_second, burst).unwrap();
        let mut workers = vec![Ahead::new(&limit); 4];
        let (mut tat_us, mut now_ms) = (0, NOW_MS);
        let mut starts_ms = Vec::new();
        for (worker, pause_ms) in steps {
            now_ms += pause_ms;
            let (due, _) = ask(&mut workers[worker], &mut tat_us, now_ms);
            starts_ms.extend(due.map(|due_us| now_ms.max(due_us.div_ceil(1_000))));
        }
        starts_ms.sort_unstable();
        let interval_ms = limit.interval_us() as f64 / 1_000.0;
        for (first, start_ms) in starts_ms.iter().enumerate() {
            for (last, end_ms) in starts_ms.iter().enumerate().skip(first) {
                let within_ms = (end_ms - start_ms) as f64 + 250.0 + 1.0;
                let most = within_ms / interval_ms + f64::from(burst) + 1.0;
                prop_assert!((last - first + 1) as f64 <= most, "{} calls within {within_ms} ms", last - first + 1);
            }
        }
    }

    #[test]
    fn keys_tell_values_apart_and_are_short(a in any::<String>(), b in any::<String>()) {
        let key = LimitKey::Parameter("host".into());
        let of = |value: Value| key.of("fetch", &Tenant::default_tenant(), &json!({"host": value}));
        prop_assert_eq!(of(json!(a)) == of(json!(b)), a == b);
        prop_assert!(of(json!(a)).len() <= "fetch/host/".len() + 64);
    }
}

#[test]
fn what_is_counted_together() {
    let acme = Tenant::try_new("acme").unwrap();
    let long = "x".repeat(200);
    let table = [
        (LimitKey::Tool, json!({}), "fetch"),
        (LimitKey::Tenant, json!({}), "fetch/tenant/acme"),
        (LimitKey::Parameter("host".into()), json!({"host": "a.example"}), "fetch/host/=a.example"),
        (LimitKey::Parameter("n".into()), json!({"n": 7}), "fetch/n/7"),
        (LimitKey::Parameter("n".into()), json!({"n": "7"}), "fetch/n/=7"),
        (LimitKey::Parameter("n".into()), json!({}), "fetch/n/null"),
        (LimitKey::Parameter("n".into()), json!({"n": [1, "a"]}), r#"fetch/n/[1,"a"]"#),
    ];
    for (key, parameters, expected) in table {
        assert_eq!(key.of("fetch", &acme, &parameters), expected);
    }
    let key = LimitKey::Parameter("n".into()).of("fetch", &acme, &json!({"n": long}));
    assert_eq!(key.len(), "fetch/n/".len() + 32);
}
