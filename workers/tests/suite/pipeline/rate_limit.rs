//! A rate limit holds, and costs nothing but time.

use gantz_core::job::JobStatus;
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::Fleet;

const JOBS: usize = 1_000;
const PER_SECOND: usize = 200;

#[tokio::test(start_paused = true)]
async fn a_thousand_jobs_at_two_hundred_a_second_take_five_seconds() {
    let fleet = Fleet::new(&[("limited", "rate_limit: 200/s, retry: {max_attempts: 1}")]);
    fleet.submit_many(JOBS, "limited", &json!({"mode": "succeed"})).await;
    let team = fleet.start("worker", 64);
    fleet.all_is_settled().await;

    for row in fleet.rows().await {
        assert_eq!((row.status, row.attempt, row.deferrals), (JobStatus::Succeeded, 1, 0));
        let waits = fleet.store.view().notes(&row.id).await.unwrap();
        assert!(
            waits.len() <= 3,
            "each is told a time of its own, so that none asks again and again: {waits:?}"
        );
        assert!(waits.iter().all(|note| note.why == "rate_limited"));
    }
    let starts = fleet.journal.starts();
    assert_eq!(starts.len(), JOBS);
    let took_ms = starts[JOBS - 1].at_ms - starts[0].at_ms;
    assert!((4_500..=5_500).contains(&took_ms), "{took_ms} ms");
    // Any second has its calls, and the burst that may precede them.
    let burst = PER_SECOND / 20;
    for window in starts.windows(PER_SECOND + burst + 1) {
        assert!(window[PER_SECOND + burst].at_ms - window[0].at_ms >= 999, "too many calls within a second");
    }
    team.stop(Phase::Drain).await;
}
