use gantz_core::limiter::{RateLimit, Taken, take};
use proptest::prelude::*;

const NOW_MS: u64 = 1_700_000_000_000;

fn limit(per_second: f64, burst: u32) -> RateLimit {
    RateLimit::try_new(per_second, burst).unwrap()
}

fn any_limit() -> impl Strategy<Value = RateLimit> {
    let rate = prop_oneof![0.0001..1.0, 1.0..1_000.0, 1_000.0..1_000_000.0];
    (rate, prop_oneof![1..20_u32, 1..=1_000_000_u32]).prop_map(|(rate, burst)| limit(rate, burst))
}

#[test]
fn a_new_limit_grants_its_burst_and_then_its_rate() {
    let (limit, mut tat_us) = (limit(10.0, 3), 0);
    let table = [
        (0, 2, Ok(2)),
        (0, 2, Ok(1)),
        (0, 1, Err(100)),
        (99, 1, Err(100)),
        (100, 1, Ok(1)),
        (100, 1, Err(200)),
        (350, 5, Ok(2)),
        (10_000, 5, Ok(3)),
    ];
    for (at_ms, wanted, expected) in table {
        match (take(tat_us, &limit, wanted, NOW_MS + at_ms), expected) {
            (Taken::Granted { tokens, tat_us: moved }, Ok(expected)) => {
                assert_eq!(tokens, expected, "at {at_ms} ms");
                tat_us = moved;
            }
            (Taken::Wait { until_ms }, Err(expected)) => {
                assert_eq!(until_ms, NOW_MS + expected, "at {at_ms} ms");
            }
            (taken, expected) => panic!("at {at_ms} ms: {taken:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn the_interval_never_exceeds_the_rate() {
    let table = [
        (1.0, 1_000_000),
        (3.0, 333_334),
        (1_000_000.0, 1),
        (600_000.0, 2),
        (0.0001, 10_000_000_000),
        (0.3, 3_333_334),
    ];
    for (per_second, expected_us) in table {
        assert_eq!(limit(per_second, 1).interval_us(), expected_us, "{per_second} per second");
    }
}

#[test]
fn bounds_are_checked_by_name() {
    let table = [
        ((0.0, 1), "`rate_limit` is 0, expected 0.0001 to 1000000"),
        ((f64::INFINITY, 1), "`rate_limit` is inf, expected 0.0001 to 1000000"),
        ((1.0, 0), "`burst` is 0, expected 1 to 1000000"),
        ((1.0, 1_000_001), "`burst` is 1000001, expected 1 to 1000000"),
    ];
    for ((per_second, burst), expected) in table {
        assert_eq!(RateLimit::try_new(per_second, burst).unwrap_err().to_string(), expected);
    }
    assert_eq!([0.1, 20.0, 100.0, 1e9].map(RateLimit::default_burst), [1, 1, 5, 1_000_000]);
}

proptest! {
    /// In no stretch of time, from any take to any later one, are there more tokens than the burst and the rate allow.
    #[test]
    fn never_more_than_the_burst_and_the_rate(
        limit in any_limit(),
        takes in prop::collection::vec((0..3_000_u64, 1..1_000_u32), 1..60),
    ) {
        let (mut tat_us, mut now_ms) = (0, NOW_MS);
        let mut granted: Vec<(u64, u64)> = Vec::new();
        for (wait_ms, wanted) in takes {
            now_ms += wait_ms;
            match take(tat_us, &limit, wanted, now_ms) {
                Taken::Granted { tokens, tat_us: moved } => {
                    prop_assert!((1..=wanted.min(limit.burst())).contains(&tokens));
                    tat_us = moved;
                    granted.push((now_ms, u64::from(tokens)));
                }
                Taken::Wait { until_ms } => {
                    prop_assert!(until_ms > now_ms);
                    let then = take(tat_us, &limit, 1, until_ms);
                    prop_assert!(matches!(then, Taken::Granted { tokens: 1, .. }), "at {}: {:?}", until_ms, then);
                    let before = take(tat_us, &limit, 1, until_ms - 1);
                    prop_assert!(until_ms - 1 == now_ms || matches!(before, Taken::Wait { .. }), "{:?}", before);
                }
            }
        }
        for (first, (start_ms, _)) in granted.iter().enumerate() {
            let mut sum = 0;
            for (at_ms, tokens) in &granted[first..] {
                sum += tokens;
                let elapsed_us = (at_ms - start_ms) * 1_000;
                prop_assert!(sum <= u64::from(limit.burst()) + elapsed_us / limit.interval_us());
                let by_rate = f64::from(limit.burst()) + elapsed_us as f64 * limit.per_second() / 1e6;
                prop_assert!(sum as f64 <= by_rate + 1e-3, "{} tokens, at most {}", sum, by_rate);
            }
        }
    }

    /// Workers' clocks differ: a caller who is behind gets nothing that one ahead has had, and does no harm.
    #[test]
    fn a_clock_that_goes_backwards_is_harmless(
        limit in any_limit(),
        takes in prop::collection::vec((-3_000..3_000_i64, 1..100_u32), 1..60),
    ) {
        let (mut tat_us, mut now_ms, mut latest_ms) = (0, NOW_MS, NOW_MS);
        let mut sum = 0;
        for (jump_ms, wanted) in takes {
            now_ms = now_ms.saturating_add_signed(jump_ms);
            latest_ms = latest_ms.max(now_ms);
            if let Taken::Granted { tokens, tat_us: moved } = take(tat_us, &limit, wanted, now_ms) {
                prop_assert!(moved >= tat_us, "tokens came back");
                (tat_us, sum) = (moved, sum + u64::from(tokens));
            }
        }
        // The stretch begins no earlier than the earliest clock.
        let elapsed_us = (latest_ms - (NOW_MS - 60 * 3_000)) * 1_000;
        prop_assert!(sum <= u64::from(limit.burst()) + elapsed_us / limit.interval_us());
    }

    #[test]
    fn nothing_overflows(limit in any_limit(), tat_us in any::<u64>(), wanted in any::<u32>(), now_ms in any::<u64>()) {
        match take(tat_us, &limit, wanted, now_ms) {
            Taken::Granted { tokens, .. } => prop_assert!(tokens <= limit.burst()),
            Taken::Wait { until_ms } => prop_assert!(until_ms > now_ms || now_ms == u64::MAX),
        }
    }
}
