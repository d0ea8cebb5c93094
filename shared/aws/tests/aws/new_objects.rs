//! Marks of objects in DynamoDB: each is one batch's, and how far a schedule has looked never goes back.

use futures_util::future::try_join_all;
use gantz_aws::NewObjects;
use gantz_core::ports::NewObjects as _;
use gantz_testkit::builders::job_id;

use crate::support::Fleet;

const EXPIRES_AT_S: u64 = 1_700_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_taken_once_and_time_goes_on() {
    let fleet = Fleet::start().await;
    let port = NewObjects::new(fleet.session(), fleet.settings());
    let marks = |numbers: std::ops::Range<u32>| numbers.map(|n| format!("mark {n}")).collect::<Vec<_>>();
    let take = async |schedule: &str, batch: &str, numbers| {
        port.take(schedule, &job_id(batch), marks(numbers), EXPIRES_AT_S).await.unwrap()
    };
    assert_eq!(take("nightly", "first-run", 0..120).await, [true; 120]);
    assert_eq!(
        take("nightly", "first-run", 110..130).await,
        [true; 20],
        "a run that is repeated has them again"
    );
    assert_eq!(take("nightly", "second-run", 129..131).await, [false, true]);
    assert_eq!(take("weekly", "third-run", 0..1).await, [true], "schedules do not share");

    let batches: Vec<_> = (0..8).map(|n| job_id(&format!("contender-{n}"))).collect();
    let all = batches.iter().map(|batch| port.take("nightly", batch, marks(200..220), EXPIRES_AT_S));
    let taken: Vec<Vec<bool>> = try_join_all(all).await.unwrap();
    for n in 0..20 {
        assert_eq!(taken.iter().filter(|taken| taken[n]).count(), 1, "mark {n}");
    }

    let looked_at = async || port.looked_at_until_ms("nightly").await.unwrap();
    assert_eq!(looked_at().await, 0);
    for (until_ms, expected) in [(5_000, 5_000), (7_000, 7_000), (6_000, 7_000), (7_000, 7_000)] {
        port.looked_at("nightly", until_ms).await.unwrap();
        assert_eq!(looked_at().await, expected);
    }
    assert_eq!(port.looked_at_until_ms("weekly").await.unwrap(), 0);
}
