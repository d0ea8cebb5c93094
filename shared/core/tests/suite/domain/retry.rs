use gantz_core::host::uniform;
use gantz_core::limits::{ATTEMPTS_MAX, POSTPONE_MAX_MS};
use gantz_core::policy::RetryPolicy;
use proptest::prelude::*;

fn policy(initial_ms: u64, max_ms: u64) -> RetryPolicy {
    RetryPolicy::try_new(3, initial_ms, 2.0, max_ms).unwrap()
}

#[test]
fn the_ceiling_doubles_and_is_capped() {
    let ceilings: Vec<_> = (0..=8).map(|attempt| policy(1_000, 60_000).ceiling_ms(attempt)).collect();
    assert_eq!(ceilings, [1_000, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
}

#[test]
fn the_ceiling_grows_by_the_factor() {
    let grown = |factor| RetryPolicy::try_new(9, 1_000, factor, 60_000).unwrap();
    let ceilings = |factor| (1..=5).map(|attempt| grown(factor).ceiling_ms(attempt)).collect::<Vec<_>>();
    assert_eq!(ceilings(1.0), [1_000; 5]);
    assert_eq!(ceilings(1.5), [1_000, 1_500, 2_250, 3_375, 5_062]);
    assert_eq!(ceilings(10.0), [1_000, 10_000, 60_000, 60_000, 60_000]);
    let error = RetryPolicy::try_new(9, 1_000, 0.5, 60_000).unwrap_err();
    assert_eq!(error.to_string(), "`factor` is 0.5, expected 1 to 10");
}

#[test]
fn extreme_values_do_not_overflow() {
    let largest = policy(POSTPONE_MAX_MS, POSTPONE_MAX_MS);
    for attempt in [0, 1, 63, 64, 65, u32::MAX] {
        assert_eq!(largest.ceiling_ms(attempt), POSTPONE_MAX_MS);
        assert_eq!(policy(1, POSTPONE_MAX_MS).ceiling_ms(attempt).max(POSTPONE_MAX_MS), POSTPONE_MAX_MS);
        for retry_after_ms in [None, Some(0), Some(u64::MAX)] {
            assert!(largest.delay_ms(attempt, retry_after_ms, u64::MAX) <= POSTPONE_MAX_MS);
        }
    }
}

#[test]
fn bounds_are_checked_by_name() {
    let table = [
        ((0, 1_000, 1_000), "`max_attempts` is 0, expected 1 to 100"),
        ((ATTEMPTS_MAX + 1, 1_000, 1_000), "`max_attempts` is 101, expected 1 to 100"),
        ((3, 0, 1_000), "`first` is 0, expected 1 to 1000"),
        ((3, 1_001, 1_000), "`first` is 1001, expected 1 to 1000"),
        ((3, 1, 0), "`max` is 0, expected 1 to 43200000"),
        ((3, 1, POSTPONE_MAX_MS + 1), "`max` is 43200001, expected 1 to 43200000"),
    ];
    for ((attempts, initial_ms, max_ms), expected) in table {
        let error = RetryPolicy::try_new(attempts, initial_ms, 2.0, max_ms).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn uniform_covers_its_range_evenly() {
    assert_eq!((uniform(0, 9), uniform(u64::MAX, 9)), (0, 9));
    assert_eq!((uniform(0, u64::MAX), uniform(u64::MAX, u64::MAX)), (0, u64::MAX));
    assert_eq!(uniform(u64::MAX, 0), 0);
    let mut hits = [0; 10];
    for n in 0..1_000_u64 {
        hits[usize::try_from(uniform(n * (u64::MAX / 1_000), 9)).unwrap()] += 1;
    }
    assert!(hits.iter().all(|hits| (99..=101).contains(hits)), "{hits:?}");
}

/// Callers who were told the same moment must not all come back at another same moment.
#[test]
fn callers_told_the_same_moment_are_spread() {
    let delays: std::collections::BTreeSet<_> = (0..100_u64)
        .map(|n| policy(1_000, 300_000).delay_ms(20, Some(4_000), n * (u64::MAX / 100)))
        .collect();
    assert!(delays.len() > 90, "only {} different delays", delays.len());
    assert!(delays.iter().all(|ms| (4_000..=5_000).contains(ms)));
}

proptest! {
    #[test]
    fn jitter_is_between_nothing_and_the_ceiling(
        initial_ms in 1..10_000_u64,
        more_ms in 0..1_000_000_u64,
        attempt in 1..200_u32,
        random in any::<u64>(),
    ) {
        let policy = policy(initial_ms, initial_ms + more_ms);
        prop_assert!(policy.ceiling_ms(attempt) <= policy.ceiling_ms(attempt + 1));
        prop_assert!(policy.delay_ms(attempt, None, random) <= policy.ceiling_ms(attempt));
        prop_assert_eq!(policy.delay_ms(attempt, None, 0), 0);
        prop_assert_eq!(policy.delay_ms(attempt, None, u64::MAX), policy.ceiling_ms(attempt));
    }

    #[test]
    fn retry_after_is_honoured(after_ms in 0..=POSTPONE_MAX_MS, attempt in 1..200_u32, random in any::<u64>()) {
        let delay_ms = RetryPolicy::DEFAULT.delay_ms(attempt, Some(after_ms), random);
        prop_assert!((after_ms..=POSTPONE_MAX_MS.min(after_ms + after_ms / 4)).contains(&delay_ms));
    }
}
