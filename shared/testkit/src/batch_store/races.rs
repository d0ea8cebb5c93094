use std::sync::Arc;

use gantz_core::batch::{BatchRecord, Counts, PlanningEnd};
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use gantz_core::ports::BatchStore;

use super::Input;
use crate::builders::{NOW_MS, batch, shards_of};
use crate::suite::Suite;
use crate::together::together;

const CALLERS: usize = 4;
/// Races are lost by chance, so the short ones are run more than once.
const ROUNDS: u32 = 10;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn BatchStore>>) {
    suite.case(a_mark_repeated_at_once_counts_once).await;
    suite.case(all_children_at_once_are_counted_exactly).await;
    suite.case(the_last_mark_and_the_end_of_planning_end_it_once).await;
    suite.case(planning_and_marking_at_once_lose_nothing).await;
}

async fn a_mark_repeated_at_once_counts_once(case: Input) {
    let id = case.planned("batch", 2).await;
    let callers = (0..CALLERS).map(|_| {
        let (store, id) = (Arc::clone(&case.port), id.clone());
        async move { store.mark(&id, 0, JobStatus::Failed, NOW_MS).await.unwrap() }
    });
    assert_eq!(together(callers).await, vec![None; CALLERS]);
    assert_eq!(case.progress(&id).await.totals, Counts { failed: 1, ..Counts::default() });
}

/// Every child is marked by several at once, in different orders; one ending, exact totals.
async fn all_children_at_once_are_counted_exactly(case: Input) {
    let children = 2 * BATCH_SHARD_CHILDREN + 10;
    let id = case.planned("batch", children).await;
    case.end_planning(&id).await;
    let callers = (0..CALLERS as u32).map(|caller| {
        let (store, id) = (Arc::clone(&case.port), id.clone());
        async move {
            let mut endings = Vec::new();
            for n in 0..children {
                let index = (n + caller * 101) % children;
                endings.extend(store.mark(&id, index, status_of(index), NOW_MS + 3).await.unwrap());
            }
            endings
        }
    });
    let endings: Vec<BatchRecord> = together(callers).await.concat();
    let ended = case.progress(&id).await.batch;
    let failed = children.div_ceil(10);
    assert_eq!(ended.counts, Counts { succeeded: children - failed, failed, ..Counts::default() });
    assert_eq!((ended.status, ended.finished_at_ms), (JobStatus::Failed, Some(NOW_MS + 3)));
    assert!(!endings.is_empty(), "nobody was told");
    assert!(endings.iter().all(|ending| *ending == ended), "{endings:?}");
}

fn status_of(index: u32) -> JobStatus {
    if index.is_multiple_of(10) { JobStatus::Failed } else { JobStatus::Succeeded }
}

async fn the_last_mark_and_the_end_of_planning_end_it_once(case: Input) {
    for round in 0..ROUNDS {
        let id = case.planned(&format!("batch-{round}"), 1).await;
        let mark = {
            let (store, id) = (Arc::clone(&case.port), id.clone());
            async move { store.mark(&id, 0, JobStatus::Succeeded, NOW_MS + 3).await.unwrap() }
        };
        let end = {
            let (store, id) = (Arc::clone(&case.port), id.clone());
            async move { store.end_planning(&id, PlanningEnd::default(), NOW_MS + 4).await.unwrap() }
        };
        let (mark, end) = (tokio::spawn(mark), tokio::spawn(end));
        let marked = mark.await.unwrap();
        let ended = end.await.unwrap().filter(BatchRecord::is_finished);
        let batch = case.progress(&id).await.batch;
        assert_eq!(batch.status, JobStatus::Succeeded);
        assert_eq!(batch.counts, Counts { succeeded: 1, ..Counts::default() });
        let told: Vec<_> = marked.into_iter().chain(ended).collect();
        assert!(!told.is_empty(), "nobody was told");
        assert!(told.iter().all(|told| *told == batch), "{told:?}");
    }
}

/// Children end while later shards are still planned, by a planner that repeats every step.
async fn planning_and_marking_at_once_lose_nothing(case: Input) {
    let children = 3 * BATCH_SHARD_CHILDREN;
    let id = case.opened(batch(&case.id("batch"))).await;
    let mut workers = Vec::new();
    for shard in shards_of(children) {
        assert!(case.port.open_shard(&id, shard.clone()).await.unwrap().is_some());
        let (store, batch, shard_of_worker) = (Arc::clone(&case.port), id.clone(), shard.clone());
        workers.push(tokio::spawn(async move {
            let first = shard_of_worker.first_index();
            for index in first..first + shard_of_worker.children {
                let marked = store.mark(&batch, index, JobStatus::Succeeded, NOW_MS + 3).await.unwrap();
                assert!(marked.is_none_or(|batch| batch.is_finished()));
            }
        }));
        case.plan(&id, &shard).await;
        case.plan(&id, &shard).await;
    }
    case.end_planning(&id).await;
    for worker in workers {
        worker.await.unwrap();
    }
    let ended = case.progress(&id).await.batch;
    assert_eq!((ended.status, ended.planned), (JobStatus::Succeeded, children));
    assert_eq!(ended.counts, Counts { succeeded: children, ..Counts::default() });
}
