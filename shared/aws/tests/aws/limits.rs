//! Rate limits and breakers in DynamoDB keep the port's contract, also between processes.

use std::sync::Arc;

use crate::support::{Fleet, env};
use aws_sdk_dynamodb::types::AttributeValue;
use gantz_aws::FleetLimits;
use gantz_core::limiter::{RateLimit, Taken};
use gantz_core::ports::{BreakerState, Limits};
use gantz_testkit::builders::NOW_MS;
use gantz_testkit::limits;

/// Limits as one process has them.
fn process(fleet: &Fleet) -> FleetLimits {
    FleetLimits::new(fleet.session(), fleet.settings())
}

async fn take(process: &FleetLimits, key: &str, tokens: u32, now_ms: u64) -> u32 {
    let limit = RateLimit::try_new(1.0, 10).unwrap();
    match process.take(key, &limit, tokens, now_ms).await.unwrap() {
        Taken::Granted { tokens, .. } => tokens,
        Taken::Wait { until_ms } => {
            assert!(until_ms > now_ms);
            0
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_keep_their_contract() {
    let fleet = Fleet::start().await;
    limits::run(Arc::new(process(&fleet)), env()).await;
    processes_share_a_limit(&fleet).await;
    a_limit_that_expired_is_new(&fleet).await;
    processes_share_a_breaker(&fleet).await;
    rows_expire_once_they_say_nothing(&fleet).await;
}

/// What one remembers is out of date as soon as the other has taken something.
async fn processes_share_a_limit(fleet: &Fleet) {
    let (a, b) = (process(fleet), process(fleet));
    assert_eq!(take(&a, "shared", 3, NOW_MS).await, 3);
    assert_eq!(take(&b, "shared", 3, NOW_MS).await, 3);
    assert_eq!(take(&a, "shared", 3, NOW_MS).await, 3);
    assert_eq!(take(&b, "shared", 3, NOW_MS).await, 1, "the last of ten");
    assert_eq!(take(&a, "shared", 3, NOW_MS).await, 0);
    assert_eq!(take(&a, "shared", 3, NOW_MS + 2_000).await, 2);
    assert_eq!(take(&b, "shared", 3, NOW_MS + 2_000).await, 0);
}

async fn a_limit_that_expired_is_new(fleet: &Fleet) {
    let process = process(fleet);
    assert_eq!(take(&process, "forgotten", 10, NOW_MS).await, 10);
    let delete = fleet.dynamodb().delete_item().table_name(&fleet.settings().table);
    delete.key("pk", AttributeValue::S("limit#forgotten".into())).send().await.unwrap();
    assert_eq!(take(&process, "forgotten", 4, NOW_MS + 100_000).await, 4);
}

async fn processes_share_a_breaker(fleet: &Fleet) {
    let (a, b) = (process(fleet), process(fleet));
    a.trip("shared", NOW_MS + 5).await.unwrap();
    assert_eq!(b.breaker("shared").await.unwrap(), BreakerState::OpenUntil { until_ms: NOW_MS + 5 });
    assert!(b.probe("shared", NOW_MS + 100, NOW_MS + 5).await.unwrap());
    assert!(!a.probe("shared", NOW_MS + 100, NOW_MS + 5).await.unwrap());
    // Not longer than before, but news: the one who probes has failed.
    a.trip("shared", NOW_MS + 5).await.unwrap();
    assert!(a.probe("shared", NOW_MS + 100, NOW_MS + 6).await.unwrap());
    b.reset("shared").await.unwrap();
    assert_eq!(a.breaker("shared").await.unwrap(), BreakerState::Closed);
}

async fn rows_expire_once_they_say_nothing(fleet: &Fleet) {
    const DAY_S: u64 = 24 * 60 * 60;
    let process = process(fleet);
    assert_eq!(take(&process, "expiring", 10, NOW_MS).await, 10);
    process.trip("expiring", NOW_MS + 60_000).await.unwrap();
    for (key, said_until_s) in [("limit#expiring", 10), ("breaker#expiring", 60)] {
        let get = fleet.dynamodb().get_item().table_name(&fleet.settings().table);
        let output = get.key("pk", AttributeValue::S(key.into())).send().await.unwrap();
        let expected = (NOW_MS / 1_000 + said_until_s + DAY_S).to_string();
        assert_eq!(output.item.unwrap()["expires_at"], AttributeValue::N(expected), "{key}");
    }
}
