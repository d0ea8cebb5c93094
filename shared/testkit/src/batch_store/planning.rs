use std::sync::Arc;

use gantz_core::batch::{BatchRecord, Counts, PlannedShard, PlanningEnd, Tolerance};
use gantz_core::ids::Tenant;
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use gantz_core::ports::BatchStore;

use super::Input;
use crate::builders::{NOW_MS, batch, shards_of};
use crate::suite::Suite;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn BatchStore>>) {
    suite.case(opening_records_the_batch_once).await;
    suite.case(an_unknown_batch_is_none_everywhere).await;
    suite.case(planning_opens_shards_and_keeps_the_cursor).await;
    suite.case(repeated_planning_changes_nothing).await;
    suite.case(a_shard_that_ended_early_is_not_planned_again).await;
    suite.case(an_empty_batch_succeeds_when_planning_ends).await;
    suite.case(planning_that_failed_fails_the_batch).await;
    suite.case(ending_the_planning_again_changes_nothing).await;
    suite.case(what_the_source_had_and_the_batch_has_not_is_counted).await;
    suite.case(a_shard_tells_who_did_not_succeed_and_where_they_are_written).await;
    suite.case(cancelling_is_noted_once).await;
    suite.case(a_finished_batch_is_not_cancelled).await;
    suite.case(batches_are_listed_newest_first).await;
}

async fn opening_records_the_batch_once(case: Input) {
    let mut record = batch(&case.id("batch"));
    record.tolerate = Tolerance::Percent(2.5);
    record.deadline_ms = Some(NOW_MS + 60_000);
    let id = case.opened(record.clone()).await;
    let other = BatchRecord { tool: "another".into(), ..record.clone() };
    assert_eq!(case.port.open(other).await.unwrap(), Some(record.clone()));
    let progress = case.progress(&id).await;
    assert_eq!((progress.batch, progress.totals), (record, Counts::default()));
}

async fn an_unknown_batch_is_none_everywhere(case: Input) {
    let id = case.id("nobody");
    let shard = PlannedShard::new(0, 1);
    assert_eq!(case.port.progress(&id).await.unwrap(), None);
    assert_eq!(case.port.open_shard(&id, shard).await.unwrap(), None);
    assert_eq!(case.port.end_planning(&id, PlanningEnd::default(), NOW_MS).await.unwrap(), None);
    assert_eq!(case.mark(&id, 0, JobStatus::Succeeded).await, None);
    assert_eq!(case.port.cancel_batch(&id, NOW_MS).await.unwrap(), None);
    assert_eq!(case.port.progress(&id).await.unwrap(), None);
}

async fn planning_opens_shards_and_keeps_the_cursor(case: Input) {
    let id = case.opened(batch(&case.id("batch"))).await;
    for shard in shards_of(2 * BATCH_SHARD_CHILDREN + 50) {
        let opened = case.port.open_shard(&id, shard.clone()).await.unwrap().unwrap();
        assert!(opened.open_shards.contains(&shard.number));
        assert_eq!(opened.planned, shard.first_index(), "not yet advanced");
        let cursor = Some(format!("after {}", shard.number));
        case.port.advance(&id, shard.clone(), cursor.clone()).await.unwrap();
        let batch = case.progress(&id).await.batch;
        assert_eq!((batch.planned, batch.cursor), (shard.first_index() + shard.children, cursor));
    }
    let batch = case.progress(&id).await.batch;
    assert_eq!(batch.open_shards.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((batch.planning_done, batch.finished_at_ms), (false, None));
}

/// A planner that crashed, or whose answer got lost, repeats itself.
async fn repeated_planning_changes_nothing(case: Input) {
    let id = case.planned("batch", 2 * BATCH_SHARD_CHILDREN).await;
    assert_eq!(case.mark(&id, 3, JobStatus::Failed).await, None);
    for index in BATCH_SHARD_CHILDREN..2 * BATCH_SHARD_CHILDREN {
        assert_eq!(case.mark(&id, index, JobStatus::Succeeded).await, None);
    }
    let before = case.progress(&id).await;
    for shard in shards_of(2 * BATCH_SHARD_CHILDREN) {
        case.plan(&id, &shard).await;
    }
    assert_eq!(case.progress(&id).await, before);
}

/// The children of a shard may all end before the planner has noted that it sent them, and the planner may crash there.
async fn a_shard_that_ended_early_is_not_planned_again(case: Input) {
    let id = case.opened(batch(&case.id("batch"))).await;
    let shard = PlannedShard::new(0, 2);
    for _ in 0..2 {
        let opened = case.port.open_shard(&id, shard.clone()).await.unwrap();
        assert!(opened.is_some());
        assert_eq!(case.mark(&id, 0, JobStatus::Succeeded).await, None);
        assert_eq!(case.mark(&id, 1, JobStatus::Failed).await, None);
    }
    case.port.advance(&id, shard, None).await.unwrap();
    let ended = case.end_planning(&id).await;
    assert_eq!((ended.status, ended.planned), (JobStatus::Failed, 2));
    assert_eq!(ended.counts, Counts { succeeded: 1, failed: 1, ..Counts::default() });
}

async fn an_empty_batch_succeeds_when_planning_ends(case: Input) {
    let id = case.opened(batch(&case.id("batch"))).await;
    let ended = case.end_planning(&id).await;
    assert_eq!((ended.status, ended.planned), (JobStatus::Succeeded, 0));
    assert_eq!(ended.finished_at_ms, Some(NOW_MS + 1));
    assert_eq!(case.progress(&id).await.batch, ended);
}

async fn planning_that_failed_fails_the_batch(case: Input) {
    let id = case.planned("batch", 2).await;
    let error = Some("row 17 is no JSON object".to_owned());
    let ending = case.port.end_planning(&id, early(error.clone()), NOW_MS + 1).await.unwrap().unwrap();
    assert_eq!((ending.status, &ending.planning_error), (JobStatus::Running, &error));
    assert_eq!(case.mark(&id, 0, JobStatus::Succeeded).await, None);
    let ended = case.mark(&id, 1, JobStatus::Succeeded).await.unwrap();
    assert_eq!((ended.status, ended.planning_error), (JobStatus::Failed, error));
}

async fn ending_the_planning_again_changes_nothing(case: Input) {
    let id = case.opened(batch(&case.id("batch"))).await;
    let ended = case.end_planning(&id).await;
    let error = Some("too late".to_owned());
    let again = case.port.end_planning(&id, early(error), NOW_MS + 9).await.unwrap();
    assert_eq!(again, Some(ended));
}

async fn cancelling_is_noted_once(case: Input) {
    let id = case.planned("batch", 1).await;
    for now_ms in [NOW_MS + 5, NOW_MS + 6] {
        let asked = case.port.cancel_batch(&id, now_ms).await.unwrap().unwrap();
        assert_eq!((asked.status, asked.cancel_requested_at_ms), (JobStatus::Running, Some(NOW_MS + 5)));
    }
    case.end_planning(&id).await;
    let ended = case.mark(&id, 0, JobStatus::Cancelled).await.unwrap();
    assert_eq!(ended.status, JobStatus::Cancelled);
}

async fn a_finished_batch_is_not_cancelled(case: Input) {
    let id = case.opened(batch(&case.id("batch"))).await;
    let ended = case.end_planning(&id).await;
    assert_eq!(case.port.cancel_batch(&id, NOW_MS + 9).await.unwrap(), Some(ended.clone()));
    assert_eq!(case.progress(&id).await.batch, ended);
}

/// The backend may hold other batches, of any time.
async fn batches_are_listed_newest_first(case: Input) {
    let now_ms = case.env.now_ms();
    let mut mine = Vec::new();
    for n in 0..3 {
        let record = BatchRecord { created_at_ms: now_ms + n, ..batch(&case.id(&format!("batch-{n}"))) };
        mine.insert(0, case.opened(record).await);
    }
    let anothers = Tenant::try_new(case.id("tenant").as_str()).unwrap();
    let theirs =
        BatchRecord { created_at_ms: now_ms, tenant: anothers.clone(), ..batch(&case.id("anothers")) };
    let theirs = case.opened(theirs).await;
    let listed = case.port.list_batches(None, 1_000).await.unwrap();
    let found: Vec<_> = listed.iter().map(|batch| &batch.id).filter(|id| mine.contains(id)).collect();
    assert_eq!(found, mine.iter().collect::<Vec<_>>());
    assert!(listed.iter().any(|batch| batch.id == theirs));
    assert_eq!(case.port.list_batches(None, 2).await.unwrap().len(), 2);
    // Whatever is newer of others takes none of their places.
    let listed = case.port.list_batches(Some(&anothers), 1).await.unwrap();
    assert_eq!(listed.iter().map(|batch| &batch.id).collect::<Vec<_>>(), [&theirs]);
}

async fn what_the_source_had_and_the_batch_has_not_is_counted(case: Input) {
    let before = case.id("before");
    let record = BatchRecord { retry_of: Some(before.clone()), ..batch(&case.id("batch")) };
    let id = case.opened(record).await;
    let end = PlanningEnd { error: None, left_out: 3 };
    let ended = case.port.end_planning(&id, end, NOW_MS + 1).await.unwrap().unwrap();
    assert_eq!((ended.left_out, ended.status), (3, JobStatus::Succeeded));
    let read = case.progress(&id).await.batch;
    assert_eq!((read.left_out, read.retry_of), (3, Some(before)));
}

async fn a_shard_tells_who_did_not_succeed_and_where_they_are_written(case: Input) {
    let id = case.opened(batch(&case.id("batch"))).await;
    assert_eq!(case.port.shard(&id, 0).await.unwrap(), None);
    let shard = PlannedShard { page: Some("page-of-5".into()), ..PlannedShard::new(0, 6) };
    case.plan(&id, &shard).await;
    let endings = [
        JobStatus::Failed,
        JobStatus::Succeeded,
        JobStatus::Cancelled,
        JobStatus::Expired,
        JobStatus::InDoubt,
    ];
    for (index, status) in (0..).zip(endings) {
        case.mark(&id, index, status).await;
    }
    let record = case.port.shard(&id, 0).await.unwrap().unwrap();
    assert_eq!(record.page.as_deref(), Some("page-of-5"));
    assert_eq!(record.shard.unsuccessful().collect::<Vec<_>>(), [0, 2, 3, 4], "the sixth has not ended");
    assert_eq!(record.shard.counts().finished(), 5);
}

fn early(error: Option<String>) -> PlanningEnd {
    PlanningEnd { error, left_out: 0 }
}
