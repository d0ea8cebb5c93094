//! What a job costs in DynamoDB, as it is charged.

use std::sync::Arc;

use gantz_aws::{Jobs, Session};
use gantz_core::lifecycle::{Claim, ClaimVerdict, FinishVerdict, ReleaseVerdict};
use gantz_core::ports::JobStore;
use gantz_testkit::builders::{NOW_MS, claim, held, job_id, record, release, succeeded};

use super::recorder::Recorder;
use super::{claimed, jobs_at};
use crate::support::Fleet;

async fn recorded(fleet: &Fleet) -> (Jobs, Recorder) {
    let recorder = Recorder::before(fleet.endpoint());
    let session = Session::emulated(recorder.endpoint.clone()).await;
    (jobs_at(fleet, Arc::new(session), NOW_MS), recorder)
}

#[track_caller]
fn assert_cost(recorder: &Recorder, calls: &[&str], write_units: f64) {
    let (called, charged) = recorder.take();
    assert_eq!(called, calls);
    assert!((charged - write_units).abs() < 0.01, "charged {charged} units instead of {write_units}");
}

pub(super) async fn a_job_costs_three_write_units(fleet: &Fleet) {
    let ((store, recorder), row) = (recorded(fleet).await, record(&job_id("job-by-three-writes")));
    assert!(store.accept(vec![row.clone()]).await.unwrap()[0].needs_sending());
    let granted = claimed(&store, &row, NOW_MS + 10).await;
    let end = store.finish(&held(&granted), succeeded(), NOW_MS + 20).await.unwrap();
    assert!(matches!(end, FinishVerdict::Committed(_)), "{end:?}");
    assert_cost(&recorder, &["PutItem", "UpdateItem", "UpdateItem"], 3.0);
}

/// A job whose message came straight to the queue, or within the millisecond.
pub(super) async fn a_job_that_a_claim_records_costs_two(fleet: &Fleet) {
    let ((store, recorder), row) = (recorded(fleet).await, record(&job_id("job-by-two-writes")));
    let granted = claimed(&store, &row, NOW_MS).await;
    let end = store.finish(&held(&granted), succeeded(), NOW_MS + 20).await.unwrap();
    assert!(matches!(end, FinishVerdict::Committed(_)), "{end:?}");
    assert_cost(&recorder, &["UpdateItem", "UpdateItem"], 2.0);
}

pub(super) async fn a_retry_costs_two_more(fleet: &Fleet) {
    let ((store, recorder), row) = (recorded(fleet).await, record(&job_id("job-with-a-retry")));
    let granted = claimed(&store, &row, NOW_MS + 10).await;
    recorder.take();
    let back = store.release(&held(&granted), release(NOW_MS), NOW_MS + 20).await.unwrap();
    assert!(matches!(back, ReleaseVerdict::Released(_)), "{back:?}");
    let again = store.claim(Claim { redelivered: true, ..claim(&row, "again", NOW_MS + 30) }).await.unwrap();
    assert!(matches!(&again, ClaimVerdict::Granted(row) if row.attempt == 2), "{again:?}");
    assert_cost(&recorder, &["GetItem", "UpdateItem", "GetItem", "UpdateItem"], 2.0);
}
