//! Jobs in DynamoDB keep the port's contract, and cost what is promised.

mod conditions;
mod costs;
mod recorder;

use std::sync::Arc;

use crate::support::{Fleet, env};
use aws_sdk_dynamodb::types::AttributeValue;
use gantz_aws::{Batches, Jobs, Session};
use gantz_core::batch::PlannedShard;
use gantz_core::host::Clock;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{AcceptVerdict, CancelVerdict, ClaimVerdict, FinishVerdict, ReleaseVerdict};
use gantz_core::limits::RETENTION_MS;
use gantz_core::ports::{BatchStore, JobFilter, JobStore};
use gantz_testkit::builders::{NOW_MS, batch, child_record, claim, held, job_id, record, release, succeeded};
use gantz_testkit::job_store;
use recorder::Recorder;

/// The suite's jobs live around [`NOW_MS`]; by a much later clock they would have expired.
fn jobs_at(fleet: &Fleet, session: Arc<Session>, now_ms: u64) -> Jobs {
    Jobs::new(session, fleet.settings(), Clock::new(move || now_ms))
}

fn jobs(fleet: &Fleet) -> Jobs {
    jobs_at(fleet, fleet.session(), NOW_MS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_keep_their_contract() {
    let fleet = Fleet::start().await;
    job_store::run(Arc::new(jobs(&fleet)), env()).await;
    conditions::a_claim_is_granted_as_the_domain_says(&jobs(&fleet)).await;
    costs::a_job_costs_three_write_units(&fleet).await;
    costs::a_job_that_a_claim_records_costs_two(&fleet).await;
    costs::a_retry_costs_two_more(&fleet).await;
    rows_are_as_documented(&fleet).await;
    what_a_newer_version_noted_stays(&fleet).await;
    expired_rows_are_no_more(&fleet).await;
    children_are_read_by_key(&fleet).await;
}

async fn claimed(store: &Jobs, row: &JobRecord, now_ms: u64) -> JobRecord {
    match store.claim(claim(row, &format!("owner at {now_ms}"), now_ms)).await.unwrap() {
        ClaimVerdict::Granted(row) => *row,
        other => panic!("expected a grant, got {other:?}"),
    }
}

async fn finished(store: &Jobs, row: &JobRecord, now_ms: u64) {
    let end = store.finish(&held(row), succeeded(), now_ms).await.unwrap();
    assert!(matches!(end, FinishVerdict::Committed(_)), "{end:?}");
}

/// While a fleet is updated, two versions write the same rows.
async fn what_a_newer_version_noted_stays(fleet: &Fleet) {
    let (store, row) = (jobs(fleet), record(&job_id("of-two-versions")));
    store.accept(vec![row.clone()]).await.unwrap();
    let update = fleet.dynamodb().update_item().table_name(&fleet.settings().table);
    let update =
        update.key("pk", AttributeValue::S(row.id.to_string())).update_expression("SET newer = :newer");
    update.expression_attribute_values(":newer", AttributeValue::Bool(true)).send().await.unwrap();
    let granted = claimed(&store, &row, NOW_MS + 10).await;
    let back = store.release(&held(&granted), release(NOW_MS), NOW_MS + 20).await.unwrap();
    assert!(matches!(back, ReleaseVerdict::Released(_)), "{back:?}");
    let again = claimed(&store, &row, NOW_MS + 30).await;
    finished(&store, &again, NOW_MS + 40).await;
    let get = fleet.dynamodb().get_item().table_name(&fleet.settings().table);
    let item = get.key("pk", AttributeValue::S(row.id.to_string())).send().await.unwrap().item.unwrap();
    assert_eq!(item.get("newer"), Some(&AttributeValue::Bool(true)));
    assert_eq!((item.get("retry_at"), item.get("owner")), (None, None), "what is over is gone");
}

/// What `aws dynamodb get-item` prints.
async fn rows_are_as_documented(fleet: &Fleet) {
    let (store, row) = (jobs(fleet), record(&job_id("documented-job")));
    let granted = claimed(&store, &row, NOW_MS + 1).await;
    finished(&store, &granted, NOW_MS + 2).await;
    let key = aws_sdk_dynamodb::types::AttributeValue::S("documented-job".into());
    let get = fleet.dynamodb().get_item().table_name(&fleet.settings().table).key("pk", key);
    let item = get.send().await.unwrap().item.unwrap();
    assert_eq!(item["status"].as_s().unwrap(), "SUCCEEDED");
    assert_eq!(item["result"].as_s().unwrap(), r#"{"ok":true}"#);
    assert_eq!(item["attempt"].as_n().unwrap(), "1");
    assert_eq!(item["created_at"].as_n().unwrap(), &NOW_MS.to_string());
    assert_eq!(item["finished_by"].as_s().unwrap(), &format!("owner at {}", NOW_MS + 1));
    assert!(!item.contains_key("owner") && !item.contains_key("lease_until"), "{item:?}");
}

/// DynamoDB deletes rows days after their time is up; until then they are in nobody's way.
async fn expired_rows_are_no_more(fleet: &Fleet) {
    let (now, row) = (jobs(fleet), JobRecord { tool: "expiring".into(), ..record(&job_id("expiring-job")) });
    let granted = claimed(&now, &row, NOW_MS + 1).await;
    finished(&now, &granted, NOW_MS + 2).await;
    let of_tool = JobFilter { tool: Some("expiring".into()), ..JobFilter::default() };
    assert_eq!(now.list(&of_tool, 10, None).await.unwrap().jobs.len(), 1);

    let later_ms = NOW_MS + RETENTION_MS + 1_000;
    let later = jobs_at(fleet, fleet.session(), later_ms);
    assert_eq!(later.get(&row.id).await.unwrap(), None);
    assert_eq!(later.list(&of_tool, 10, None).await.unwrap().jobs, []);
    let late = later.claim(claim(&row, "late", later_ms)).await.unwrap();
    assert!(matches!(late, ClaimVerdict::Finished(_)), "a late message finds its job's end: {late:?}");
    let again = JobRecord { created_at_ms: later_ms, updated_at_ms: later_ms, ..row.clone() };
    assert_eq!(later.accept(vec![again.clone()]).await.unwrap(), [AcceptVerdict::Created]);
    assert_eq!(later.get(&row.id).await.unwrap(), Some(again));
}

/// Pages of children end, hold each child once, last one first, and never read the rest of the table.
async fn children_are_read_by_key(fleet: &Fleet) {
    let (parent, children) = (job_id("listed-batch"), 230);
    let batches = Batches::new(fleet.session(), fleet.settings());
    assert_eq!(batches.open(batch(&parent)).await.unwrap(), None);
    batches.advance(&parent, PlannedShard::new(0, 200), None).await.unwrap();
    let recorder = Recorder::before(fleet.endpoint());
    let store = jobs_at(fleet, Arc::new(Session::emulated(recorder.endpoint.clone()).await), NOW_MS);
    // Thirty of them belong to a shard that is still being planned.
    let rows: Vec<_> = (0..children).map(|index| child_record(&parent, index)).collect();
    assert_eq!(store.accept(rows.clone()).await.unwrap().len(), rows.len());
    assert!(matches!(store.cancel(&rows[7].id, NOW_MS).await.unwrap(), CancelVerdict::Ended(_)));
    let all = JobFilter { parent: Some(parent), ..JobFilter::default() };
    let queued = JobFilter { status: Some(JobStatus::Queued), ..all.clone() };
    for (filter, without, limit) in [(&all, None, 1_000), (&all, None, 50), (&queued, Some(7), 33)] {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = store.list(filter, limit, cursor.as_deref()).await.unwrap();
            assert!(page.jobs.len() <= limit);
            found.extend(page.jobs.into_iter().map(|job| job.index.unwrap()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<_> = (0..children).rev().filter(|index| Some(*index) != without).collect();
        assert_eq!(found, expected);
    }
    let (calls, _) = recorder.take();
    assert!(calls.iter().all(|call| call != "Scan"), "{calls:?}");
}
