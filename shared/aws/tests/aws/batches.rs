//! Batches in DynamoDB keep the port's contract, and what only this adapter promises.

use std::collections::HashMap;
use std::sync::Arc;

use crate::support::{Fleet, env};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use gantz_aws::Batches;
use gantz_core::batch::{BatchRecord, Counts, PlannedShard, PlanningEnd};
use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::limits::{BATCH_ID_MAX_CHARS, BATCH_SHARD_CHILDREN, DEADLINE_MAX_AHEAD_MS, RETENTION_MS};
use gantz_core::ports::BatchStore;
use gantz_testkit::batch_store;
use gantz_testkit::builders::{NOW_MS, batch, job_id};

fn batches(fleet: &Fleet) -> Arc<Batches> {
    Arc::new(Batches::new(fleet.session(), fleet.settings()))
}

/// A batch of one shard, planned, with planning over.
async fn planned(store: &Batches, id: &str, children: u32) -> JobId {
    let id = job_id(id);
    let shard = PlannedShard::new(0, children);
    assert_eq!(store.open(batch(&id)).await.unwrap(), None);
    assert!(store.open_shard(&id, shard.clone()).await.unwrap().is_some());
    store.advance(&id, shard, Some("end".into())).await.unwrap();
    store.end_planning(&id, PlanningEnd::default(), NOW_MS + 1).await.unwrap();
    id
}

async fn row(fleet: &Fleet, key: &str) -> HashMap<String, AttributeValue> {
    let get = fleet.dynamodb().get_item().table_name(&fleet.settings().table);
    let output = get.key("pk", AttributeValue::S(key.into())).consistent_read(true).send().await.unwrap();
    output.item.unwrap_or_else(|| panic!("no row {key}"))
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_keep_their_contract() {
    let fleet = Fleet::start().await;
    batch_store::run(batches(&fleet), env()).await;
    rows_are_readable_and_expire(&fleet).await;
    an_id_is_free_once_its_row_expired(&fleet).await;
    a_mark_costs_one_write_unit(&fleet).await;
    repetition_heals_a_crash_between_the_rows(&fleet).await;
    another_child_may_heal_it_too(&fleet).await;
    planners_that_differ_open_a_shard_once(&fleet).await;
    progress_reads_more_shards_than_one_call_takes(&fleet).await;
}

async fn rows_are_readable_and_expire(fleet: &Fleet) {
    let store = batches(fleet);
    let id = planned(&store, "readable-batch", 2).await;
    let open = row(fleet, "batch#readable-batch").await;
    assert_eq!(open["status"], AttributeValue::S("RUNNING".into()));
    assert_eq!(open["open_shards"], AttributeValue::Ns(vec!["0".into()]));
    assert!(!open.contains_key("expires_at"), "nothing that is needed may expire");
    assert!(store.mark(&id, 1, JobStatus::InDoubt, NOW_MS + 4_000).await.unwrap().is_none());
    let shard = row(fleet, "batch#readable-batch#0").await;
    assert_eq!(shard["pending"], AttributeValue::Ns(vec!["0".into()]));
    assert_eq!(shard["in_doubt"], AttributeValue::Ns(vec!["1".into()]));
    assert!(store.mark(&id, 0, JobStatus::Succeeded, NOW_MS + 5_000).await.unwrap().is_some());
    let ended = row(fleet, "batch#readable-batch").await;
    assert!(!ended.contains_key("open_shards"), "{:?}", ended["open_shards"]);
    assert_eq!(ended["counts"].as_m().unwrap()["in_doubt"], number(1));
    assert_eq!(ended["expires_at"], number((NOW_MS + 5_000 + RETENTION_MS) / 1_000));
    let shard = row(fleet, "batch#readable-batch#0").await;
    let expires_at_s: u64 = shard["expires_at"].as_n().unwrap().parse().unwrap();
    assert!(expires_at_s > (NOW_MS + DEADLINE_MAX_AHEAD_MS) / 1_000, "a child may live until its deadline");
}

/// DynamoDB may take days to delete it.
async fn an_id_is_free_once_its_row_expired(fleet: &Fleet) {
    let store = batches(fleet);
    let id = job_id("expired-batch");
    assert_eq!(store.open(batch(&id)).await.unwrap(), None);
    assert!(store.end_planning(&id, PlanningEnd::default(), NOW_MS + 1).await.unwrap().is_some());
    let again = |created_at_ms| BatchRecord { created_at_ms, ..batch(&id) };
    let ended = store.open(again(NOW_MS + RETENTION_MS - 1_000)).await.unwrap();
    assert!(ended.is_some_and(|batch| batch.is_finished()), "there until its time is up");
    let anew = again(NOW_MS + RETENTION_MS + 2_000);
    assert_eq!(store.open(anew.clone()).await.unwrap(), None);
    assert_eq!(store.progress(&id).await.unwrap().unwrap().batch, anew);
}

/// The largest shard of the longest id, its children ended in every way.
async fn a_mark_costs_one_write_unit(fleet: &Fleet) {
    let (store, id) = (batches(fleet), job_id(&"x".repeat(BATCH_ID_MAX_CHARS)));
    let shard = PlannedShard::new(4_999, BATCH_SHARD_CHILDREN);
    assert_eq!(store.open(batch(&id)).await.unwrap(), None);
    assert!(store.open_shard(&id, shard.clone()).await.unwrap().is_some());
    let endings = [
        JobStatus::Succeeded,
        JobStatus::Failed,
        JobStatus::Cancelled,
        JobStatus::Expired,
        JobStatus::InDoubt,
    ];
    for (index, status) in (shard.first_index() + 1..).zip(endings) {
        assert!(store.mark(&id, index, status, NOW_MS).await.unwrap().is_none());
    }
    let touched = fleet
        .dynamodb()
        .update_item()
        .table_name(&fleet.settings().table)
        .key("pk", AttributeValue::S(format!("batch#{id}#4999")))
        .update_expression("DELETE pending :child ADD succeeded :child")
        .expression_attribute_values(":child", AttributeValue::Ns(vec!["0".into()]))
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send();
    let capacity = touched.await.unwrap().consumed_capacity.unwrap();
    assert_eq!(capacity.capacity_units, Some(1.0));
}

/// What a worker leaves behind that dies after the shard's write: every child has ended, and the batch does not know.
async fn ended_behind_its_back(fleet: &Fleet, id: &JobId, offsets: &[&str]) {
    let offsets = AttributeValue::Ns(offsets.iter().map(|offset| (*offset).to_owned()).collect());
    let update = fleet
        .dynamodb()
        .update_item()
        .table_name(&fleet.settings().table)
        .key("pk", AttributeValue::S(format!("batch#{id}#0")))
        .update_expression("DELETE pending :children ADD succeeded :children")
        .expression_attribute_values(":children", offsets);
    update.send().await.unwrap();
}

async fn repetition_heals_a_crash_between_the_rows(fleet: &Fleet) {
    let store = batches(fleet);
    let id = planned(&store, "crashed-batch", 2).await;
    assert_eq!(store.mark(&id, 0, JobStatus::Failed, NOW_MS + 2).await.unwrap(), None);
    ended_behind_its_back(fleet, &id, &["1"]).await;
    let progress = store.progress(&id).await.unwrap().unwrap();
    assert_eq!((progress.totals.finished(), progress.batch.status), (2, JobStatus::Running));
    let ended = store.mark(&id, 1, JobStatus::Succeeded, NOW_MS + 3).await.unwrap();
    let counts = Counts { succeeded: 1, failed: 1, ..Counts::default() };
    assert_eq!(ended.as_ref().map(|batch| (batch.status, batch.counts)), Some((JobStatus::Failed, counts)));
    assert_eq!(
        store.mark(&id, 1, JobStatus::Succeeded, NOW_MS + 9).await.unwrap(),
        ended,
        "and says so again"
    );
    assert_eq!(
        store.mark(&id, 0, JobStatus::Failed, NOW_MS + 9).await.unwrap(),
        ended,
        "a neighbour in the shard may be the last that can tell"
    );
}

/// The message of the child whose worker died may be the last to come back.
async fn another_child_may_heal_it_too(fleet: &Fleet) {
    let store = batches(fleet);
    let id = planned(&store, "healed-batch", 2).await;
    ended_behind_its_back(fleet, &id, &["0", "1"]).await;
    assert_eq!(
        store.mark(&id, 2, JobStatus::Succeeded, NOW_MS).await.unwrap(),
        None,
        "no child of this batch"
    );
    let ended = store.mark(&id, 0, JobStatus::Succeeded, NOW_MS + 3).await.unwrap();
    assert!(ended.as_ref().is_some_and(BatchRecord::is_finished), "{ended:?}");
    assert_eq!(
        store.mark(&id, 1, JobStatus::Succeeded, NOW_MS + 4).await.unwrap(),
        ended,
        "and says so again"
    );
}

/// Two planners of one batch may see different sources. Whoever is first, all that it plans can end.
async fn planners_that_differ_open_a_shard_once(fleet: &Fleet) {
    for round in 0..5 {
        let id = job_id(&format!("contested-{round}"));
        let store = batches(fleet);
        assert_eq!(store.open(batch(&id)).await.unwrap(), None);
        let planner = |children| {
            let (store, id) = (Arc::clone(&store), id.clone());
            async move {
                let opened = store.open_shard(&id, PlannedShard::new(0, children)).await.unwrap().unwrap();
                assert!(opened.open_shards.contains(&0));
                store.mark(&id, 0, JobStatus::Succeeded, NOW_MS).await.unwrap();
            }
        };
        let planners = [tokio::spawn(planner(2)), tokio::spawn(planner(3))];
        for planner in planners {
            planner.await.unwrap();
        }
        let totals = store.progress(&id).await.unwrap().unwrap().totals;
        assert_eq!(
            totals,
            Counts { succeeded: 1, ..Counts::default() },
            "no mark is lost to the second planner"
        );
    }
}

async fn progress_reads_more_shards_than_one_call_takes(fleet: &Fleet) {
    const SHARDS: u32 = 230;
    let (store, id) = (batches(fleet), job_id("wide-batch"));
    assert_eq!(store.open(batch(&id)).await.unwrap(), None);
    for number in 0..SHARDS {
        let shard = PlannedShard::new(number, BATCH_SHARD_CHILDREN);
        assert!(store.open_shard(&id, shard.clone()).await.unwrap().is_some());
        assert_eq!(store.mark(&id, shard.first_index() + 7, JobStatus::Expired, NOW_MS).await.unwrap(), None);
    }
    let totals = store.progress(&id).await.unwrap().unwrap().totals;
    assert_eq!(totals, Counts { expired: SHARDS, ..Counts::default() });
}
