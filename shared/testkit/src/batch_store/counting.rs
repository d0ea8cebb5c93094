use std::sync::Arc;

use gantz_core::batch::{BatchRecord, Counts, PlannedShard, Tolerance};
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use gantz_core::ports::BatchStore;

use super::Input;
use crate::builders::{NOW_MS, batch, shards_of};
use crate::suite::Suite;

const ENDINGS: [JobStatus; 5] =
    [JobStatus::Succeeded, JobStatus::Failed, JobStatus::Cancelled, JobStatus::Expired, JobStatus::InDoubt];

pub(super) async fn cases(suite: &mut Suite<Arc<dyn BatchStore>>) {
    suite.case(the_last_mark_ends_the_batch).await;
    suite.case(every_ending_is_counted_in_its_place).await;
    suite.case(a_repeated_mark_counts_once).await;
    suite.case(the_mark_that_ended_the_batch_says_so_again).await;
    suite.case(a_mark_that_is_no_ending_changes_nothing).await;
    suite.case(a_mark_of_no_child_changes_nothing).await;
    suite.case(children_may_end_before_their_shard_is_advanced).await;
    suite.case(a_batch_lives_while_planning_does).await;
    suite.case(failures_within_tolerance_are_success).await;
}

async fn the_last_mark_ends_the_batch(case: Input) {
    let children = BATCH_SHARD_CHILDREN + 3;
    let id = case.planned("batch", children).await;
    assert_eq!(case.end_planning(&id).await.status, JobStatus::Running);
    // From the last to the first: no order is promised.
    for index in (1..children).rev() {
        assert_eq!(case.mark(&id, index, JobStatus::Succeeded).await, None, "child {index}");
    }
    let ended = case.port.mark(&id, 0, JobStatus::Succeeded, NOW_MS + 77).await.unwrap().unwrap();
    assert_eq!((ended.status, ended.finished_at_ms), (JobStatus::Succeeded, Some(NOW_MS + 77)));
    assert_eq!(ended.counts, Counts { succeeded: children, ..Counts::default() });
    assert!(ended.open_shards.is_empty());
    let progress = case.progress(&id).await;
    assert_eq!((progress.totals, progress.batch), (ended.counts, ended));
}

async fn every_ending_is_counted_in_its_place(case: Input) {
    let id = case.planned("batch", 20).await;
    for (n, status) in ENDINGS.into_iter().enumerate() {
        for child in 0..=n as u32 {
            assert_eq!(case.mark(&id, n as u32 * 4 + child.min(3), status).await, None);
        }
    }
    let totals = Counts { succeeded: 1, failed: 2, cancelled: 3, expired: 4, in_doubt: 4 };
    let progress = case.progress(&id).await;
    assert_eq!(progress.totals, totals, "those of open shards included");
    assert_eq!(progress.batch.finished_at_ms, None);
}

async fn a_repeated_mark_counts_once(case: Input) {
    let id = case.planned("batch", 3).await;
    for status in ENDINGS {
        assert_eq!(case.mark(&id, 1, status).await, None, "the first one stands");
    }
    assert_eq!(case.progress(&id).await.totals, Counts { succeeded: 1, ..Counts::default() });
}

/// Its worker may have crashed before the batch's event was accepted.
async fn the_mark_that_ended_the_batch_says_so_again(case: Input) {
    let id = case.planned("batch", 2).await;
    case.end_planning(&id).await;
    assert_eq!(case.mark(&id, 1, JobStatus::Failed).await, None);
    let ended = case.mark(&id, 0, JobStatus::Succeeded).await;
    assert!(ended.is_some());
    for now_ms in [NOW_MS + 50, NOW_MS + 60] {
        assert_eq!(case.port.mark(&id, 0, JobStatus::Succeeded, now_ms).await.unwrap(), ended);
    }
}

async fn a_mark_that_is_no_ending_changes_nothing(case: Input) {
    let id = case.planned("batch", 1).await;
    let before = case.progress(&id).await;
    for status in [JobStatus::Queued, JobStatus::Running, JobStatus::Waiting] {
        assert_eq!(case.mark(&id, 0, status).await, None);
    }
    assert_eq!(case.progress(&id).await, before);
}

async fn a_mark_of_no_child_changes_nothing(case: Input) {
    let id = case.planned("batch", 3).await;
    let before = case.progress(&id).await;
    for index in [3, BATCH_SHARD_CHILDREN - 1, BATCH_SHARD_CHILDREN, 999_999] {
        assert_eq!(case.mark(&id, index, JobStatus::Succeeded).await, None, "child {index}");
    }
    assert_eq!(case.progress(&id).await, before);
}

async fn children_may_end_before_their_shard_is_advanced(case: Input) {
    let id = case.opened(batch(&case.id("batch"))).await;
    let shard = PlannedShard::new(0, 2);
    assert!(case.port.open_shard(&id, shard.clone()).await.unwrap().is_some());
    assert_eq!(case.mark(&id, 0, JobStatus::Succeeded).await, None);
    assert_eq!(case.mark(&id, 1, JobStatus::Succeeded).await, None);
    assert_eq!(case.progress(&id).await.totals.succeeded, 2);
    case.port.advance(&id, shard, Some("end".into())).await.unwrap();
    let batch = case.progress(&id).await.batch;
    assert_eq!((batch.planned, batch.cursor.as_deref()), (2, Some("end")));
    assert_eq!(case.end_planning(&id).await.status, JobStatus::Succeeded);
}

async fn a_batch_lives_while_planning_does(case: Input) {
    let id = case.planned("batch", 1).await;
    assert_eq!(case.mark(&id, 0, JobStatus::Succeeded).await, None);
    assert_eq!(case.progress(&id).await.batch.status, JobStatus::Running);
    assert_eq!(case.end_planning(&id).await.status, JobStatus::Succeeded);
}

async fn failures_within_tolerance_are_success(case: Input) {
    let table = [
        (Tolerance::NONE, 1, JobStatus::Failed),
        (Tolerance::Count(2), 2, JobStatus::Succeeded),
        (Tolerance::Count(2), 3, JobStatus::Failed),
        (Tolerance::Percent(25.0), 1, JobStatus::Succeeded),
        (Tolerance::Percent(25.0), 2, JobStatus::Failed),
        (Tolerance::Percent(100.0), 4, JobStatus::Succeeded),
    ];
    for (n, (tolerate, failures, expected)) in table.into_iter().enumerate() {
        let record = BatchRecord { tolerate, ..batch(&case.id(&format!("batch-{n}"))) };
        let id = case.opened(record).await;
        for shard in shards_of(4) {
            case.plan(&id, &shard).await;
        }
        case.end_planning(&id).await;
        let mut ended = None;
        for index in 0..4 {
            let status = if index < failures { JobStatus::InDoubt } else { JobStatus::Succeeded };
            ended = case.mark(&id, index, status).await;
        }
        assert_eq!(ended.unwrap().status, expected, "{failures} of 4 with {tolerate}");
    }
}
