use std::sync::Arc;

use gantz_core::job::JobStatus;
use gantz_core::lifecycle::{CancelVerdict, FinishVerdict};
use gantz_core::ports::JobStore;

use super::Input;
use crate::builders::{NOW_MS, claim, held, record, succeeded};
use crate::suite::Suite;
use crate::together::together;

/// Longer than any case takes, so that a call that returns at its end has slept through the change.
const LONG_MS: u64 = 20_000;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn JobStore>>) {
    suite.case(a_row_that_changed_before_returns_at_once).await;
    suite.case(an_unchanged_row_returns_after_the_wait).await;
    suite.case(an_unknown_job_is_no_row).await;
    suite.case(a_change_wakes_all_who_wait).await;
    suite.case(every_change_is_one).await;
}

async fn a_row_that_changed_before_returns_at_once(case: Input) {
    let row = case.accepted(record(&case.id("job"))).await;
    let before_ms = case.env.now_ms();
    let seen = case.port.changed(&row.id, row.updated_at_ms - 1, LONG_MS).await.unwrap();
    assert_eq!(seen, Some(row));
    assert!(case.env.now_ms() < before_ms + LONG_MS);
}

async fn an_unchanged_row_returns_after_the_wait(case: Input) {
    let row = case.accepted(record(&case.id("job"))).await;
    let (before_ms, wait_ms) = (case.env.now_ms(), case.env.ticks(1));
    let seen = case.port.changed(&row.id, row.updated_at_ms, wait_ms).await.unwrap();
    assert_eq!(seen, Some(row));
    // Clocks and timers round to milliseconds.
    assert!(case.env.now_ms() + 5 >= before_ms + wait_ms, "answered before the wait was over");
}

async fn an_unknown_job_is_no_row(case: Input) {
    let seen = case.port.changed(&case.id("nobody"), 0, case.env.ticks(1)).await.unwrap();
    assert_eq!(seen, None);
}

async fn a_change_wakes_all_who_wait(case: Input) {
    let row = case.claimed(claim(&record(&case.id("job")), "me", NOW_MS)).await;
    let before_ms = case.env.now_ms();
    let watchers = (0..3).map(|_| {
        let (store, row) = (Arc::clone(&case.port), row.clone());
        async move { store.changed(&row.id, row.updated_at_ms, LONG_MS).await.unwrap() }
    });
    let worker = async {
        case.env.advance(case.env.ticks(1)).await;
        let end = case.port.finish(&held(&row), succeeded(), NOW_MS + 1).await.unwrap();
        assert!(matches!(end, FinishVerdict::Committed(_)), "{end:?}");
    };
    let (seen, ()) = tokio::join!(together(watchers), worker);
    let finished = case.row(&row.id).await;
    assert_eq!(finished.status, JobStatus::Succeeded);
    assert_eq!(seen, vec![Some(finished); 3]);
    assert!(case.env.now_ms() < before_ms + LONG_MS, "somebody slept on");
}

/// Two changes in one millisecond are two.
async fn every_change_is_one(case: Input) {
    let row = case.accepted(record(&case.id("job"))).await;
    let claimed = case.claimed(claim(&row, "me", row.updated_at_ms)).await;
    let seen = case.port.changed(&row.id, row.updated_at_ms, LONG_MS).await.unwrap();
    assert_eq!(seen, Some(claimed.clone()));
    let asked = case.port.cancel(&row.id, row.updated_at_ms).await.unwrap();
    assert!(matches!(asked, CancelVerdict::Requested(_)), "{asked:?}");
    let seen = case.port.changed(&row.id, claimed.updated_at_ms, LONG_MS).await.unwrap().unwrap();
    assert!(seen.cancel_requested_at_ms.is_some());
}
