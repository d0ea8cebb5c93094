//! What every [`Limits`] must do.

use std::sync::Arc;

use gantz_core::limiter::{self, RateLimit, Taken};
use gantz_core::ports::{BreakerState, Limits};

use crate::Env;
use crate::builders::NOW_MS;
use crate::random::Random;
use crate::suite::{Case, Suite};
use crate::together::together;

const CALLERS: u32 = 8;

type Input = Case<Arc<dyn Limits>>;

/// Runs every case.
///
/// # Panics
/// When a case fails, naming it.
pub async fn run(limits: Arc<dyn Limits>, env: Env) {
    let mut suite = Suite::new("limits", limits, env);
    suite.case(every_answer_is_the_domains).await;
    suite.case(the_burst_is_shared_by_all).await;
    suite.case(keys_are_apart).await;
    suite.case(a_breaker_nobody_tripped_is_closed).await;
    suite.case(tripping_never_shortens).await;
    suite.case(opening_sets_the_time).await;
    suite.case(resetting_closes).await;
    suite.case(a_closed_breaker_needs_no_probe).await;
    suite.case(no_probe_before_its_time).await;
    suite.case(one_of_many_probes).await;
    suite.case(a_lost_probe_is_written_off).await;
    suite.case(a_trip_ends_the_probe).await;
    suite.case(a_limit_and_a_breaker_of_one_key_are_apart).await;
    suite.finish();
}

/// A random walk that this store and the domain's function take together.
async fn every_answer_is_the_domains(case: Input) {
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let key = case.name(&format!("walk-{seed}"));
        let limit = RateLimit::try_new(0.5 + seed as f64 * 37.7, 1 + seed as u32 * 3).unwrap();
        let (mut tat_us, mut now_ms) = (0, NOW_MS);
        for step in 0..30 {
            now_ms += random.below(100);
            let wanted = 1 + random.below(5) as u32;
            let expected = limiter::take(tat_us, &limit, wanted, now_ms);
            let taken = case.port.take(&key, &limit, wanted, now_ms).await.unwrap();
            assert_eq!(taken, expected, "seed {seed}, step {step}");
            if let Taken::Granted { tat_us: moved, .. } = taken {
                tat_us = moved;
            }
        }
    }
}

async fn the_burst_is_shared_by_all(case: Input) {
    let limit = RateLimit::try_new(1.0, 10).unwrap();
    for round in 0..5 {
        let key = case.name(&format!("key-{round}"));
        let callers = (0..CALLERS).map(|_| {
            let (limits, key) = (Arc::clone(&case.port), key.clone());
            async move {
                match limits.take(&key, &limit, 3, NOW_MS).await.unwrap() {
                    Taken::Granted { tokens, .. } => tokens,
                    Taken::Wait { until_ms } => {
                        assert!(until_ms > NOW_MS);
                        0
                    }
                }
            }
        });
        // Eight callers want three each: all ten tokens go, and no more.
        assert_eq!(together(callers).await.iter().sum::<u32>(), 10);
    }
}

async fn keys_are_apart(case: Input) {
    let limit = RateLimit::try_new(1.0, 1).unwrap();
    for key in ["a", "b"] {
        let taken = case.port.take(&case.name(key), &limit, 1, NOW_MS).await.unwrap();
        assert!(matches!(taken, Taken::Granted { tokens: 1, .. }), "{taken:?}");
        case.port.trip(&case.name(key), NOW_MS + 5).await.unwrap();
    }
    case.port.reset(&case.name("a")).await.unwrap();
    assert_state(&case, "a", BreakerState::Closed).await;
    assert_state(&case, "b", BreakerState::OpenUntil { until_ms: NOW_MS + 5 }).await;
}

async fn assert_state(case: &Input, key: &str, expected: BreakerState) {
    assert_eq!(case.port.breaker(&case.name(key)).await.unwrap(), expected, "breaker {key}");
}

async fn trip(case: &Input, until_ms: u64) {
    case.port.trip(&case.name("key"), until_ms).await.unwrap();
}

async fn probe(case: &Input, until_ms: u64, now_ms: u64) -> bool {
    case.port.probe(&case.name("key"), until_ms, now_ms).await.unwrap()
}

async fn a_breaker_nobody_tripped_is_closed(case: Input) {
    assert_state(&case, "key", BreakerState::Closed).await;
}

async fn tripping_never_shortens(case: Input) {
    for (until_ms, expected_ms) in
        [(NOW_MS + 10, NOW_MS + 10), (NOW_MS + 5, NOW_MS + 10), (NOW_MS + 20, NOW_MS + 20)]
    {
        trip(&case, until_ms).await;
        assert_state(&case, "key", BreakerState::OpenUntil { until_ms: expected_ms }).await;
    }
}

async fn opening_sets_the_time(case: Input) {
    for until_ms in [NOW_MS + 20, NOW_MS + 10, NOW_MS + 30] {
        case.port.open(&case.name("key"), until_ms).await.unwrap();
        assert_state(&case, "key", BreakerState::OpenUntil { until_ms }).await;
    }
    // It ends a probe that is out, and tripping it goes on from there.
    assert!(probe(&case, NOW_MS + 50, NOW_MS + 30).await);
    case.port.open(&case.name("key"), NOW_MS + 40).await.unwrap();
    assert!(probe(&case, NOW_MS + 60, NOW_MS + 40).await);
    trip(&case, NOW_MS + 35).await;
    assert_state(&case, "key", BreakerState::OpenUntil { until_ms: NOW_MS + 40 }).await;
}

async fn resetting_closes(case: Input) {
    trip(&case, NOW_MS + 10).await;
    case.port.reset(&case.name("key")).await.unwrap();
    assert_state(&case, "key", BreakerState::Closed).await;
    case.port.reset(&case.name("key")).await.unwrap();
    trip(&case, NOW_MS + 5).await;
    assert_state(&case, "key", BreakerState::OpenUntil { until_ms: NOW_MS + 5 }).await;
}

async fn a_closed_breaker_needs_no_probe(case: Input) {
    assert!(!probe(&case, NOW_MS + 10, NOW_MS).await);
    trip(&case, NOW_MS + 5).await;
    case.port.reset(&case.name("key")).await.unwrap();
    assert!(!probe(&case, NOW_MS + 10, NOW_MS + 5).await);
}

async fn no_probe_before_its_time(case: Input) {
    trip(&case, NOW_MS + 10).await;
    assert!(!probe(&case, NOW_MS + 20, NOW_MS + 9).await);
    assert!(probe(&case, NOW_MS + 20, NOW_MS + 10).await);
}

async fn one_of_many_probes(case: Input) {
    for round in 1..=5_u64 {
        let now_ms = NOW_MS + round * 1_000;
        trip(&case, now_ms).await;
        let callers = (0..CALLERS).map(|_| {
            let (limits, key) = (Arc::clone(&case.port), case.name("key"));
            async move { limits.probe(&key, now_ms + 500, now_ms).await.unwrap() }
        });
        assert_eq!(together(callers).await.into_iter().filter(|won| *won).count(), 1);
    }
}

async fn a_lost_probe_is_written_off(case: Input) {
    trip(&case, NOW_MS).await;
    assert!(probe(&case, NOW_MS + 10, NOW_MS).await);
    assert!(!probe(&case, NOW_MS + 19, NOW_MS + 9).await);
    assert!(probe(&case, NOW_MS + 20, NOW_MS + 10).await);
}

async fn a_trip_ends_the_probe(case: Input) {
    trip(&case, NOW_MS).await;
    assert!(probe(&case, NOW_MS + 100, NOW_MS).await);
    trip(&case, NOW_MS + 10).await;
    assert!(!probe(&case, NOW_MS + 100, NOW_MS + 9).await, "open again");
    assert!(probe(&case, NOW_MS + 100, NOW_MS + 10).await, "the old probe is no longer out");
}

async fn a_limit_and_a_breaker_of_one_key_are_apart(case: Input) {
    let limit = RateLimit::try_new(1.0, 1).unwrap();
    let first = case.port.take(&case.name("key"), &limit, 1, NOW_MS).await.unwrap();
    assert!(matches!(first, Taken::Granted { tokens: 1, .. }), "{first:?}");
    trip(&case, NOW_MS + 10).await;
    case.port.reset(&case.name("key")).await.unwrap();
    let second = case.port.take(&case.name("key"), &limit, 1, NOW_MS).await.unwrap();
    assert_eq!(second, Taken::Wait { until_ms: NOW_MS + 1_000 });
    trip(&case, NOW_MS + 10).await;
    let third = case.port.take(&case.name("key"), &limit, 1, NOW_MS + 2_000).await.unwrap();
    assert!(matches!(third, Taken::Granted { tokens: 1, .. }), "{third:?}");
    assert_state(&case, "key", BreakerState::OpenUntil { until_ms: NOW_MS + 10 }).await;
}
