use std::sync::Arc;

use gantz_core::job::JobRecord;
use gantz_core::lifecycle::AcceptVerdict;
use gantz_core::ports::JobStore;

use super::Input;
use crate::builders::{NOW_MS, child_record, record};
use crate::suite::Suite;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn JobStore>>) {
    suite.case(an_unknown_job_has_no_row).await;
    suite.case(accepting_records_the_row_as_given).await;
    suite.case(accepting_nothing_answers_nothing).await;
    suite.case(answers_come_in_the_order_of_the_jobs).await;
    suite.case(accepting_again_returns_the_row_as_it_is).await;
    suite.case(a_repeated_write_is_no_duplicate).await;
    suite.case(another_job_under_the_same_id_leaves_the_row_alone).await;
    suite.case(one_call_may_name_a_job_twice).await;
    suite.case(many_jobs_fit_one_call).await;
}

async fn an_unknown_job_has_no_row(case: Input) {
    assert_eq!(case.port.get(&case.id("nobody")).await.unwrap(), None);
}

async fn accepting_records_the_row_as_given(case: Input) {
    let plain = case.accepted(record(&case.id("plain"))).await;
    assert_eq!(case.row(&plain.id).await, plain);
    let mut full = child_record(&case.id("batch"), 7);
    full.child_events = true;
    full.deadline_ms = Some(NOW_MS + 60_000);
    full.label = Some("reports/Ärger & \"Söhne\" 𝄞\n.pdf".into());
    let full = case.accepted(full).await;
    assert_eq!(case.row(&full.id).await, full);
}

async fn accepting_nothing_answers_nothing(case: Input) {
    assert_eq!(case.port.accept(vec![]).await.unwrap(), []);
}

async fn answers_come_in_the_order_of_the_jobs(case: Input) {
    let known = case.accepted(record(&case.id("known"))).await;
    let taken = case.accepted(record(&case.id("taken"))).await;
    let other = JobRecord { params_hash: "f".repeat(64), ..taken.clone() };
    let jobs = vec![record(&case.id("new-a")), known.clone(), other, record(&case.id("new-b"))];
    let expected = [
        AcceptVerdict::Created,
        AcceptVerdict::Exists(Box::new(known)),
        AcceptVerdict::Conflict(Box::new(taken)),
        AcceptVerdict::Created,
    ];
    assert_eq!(case.port.accept(jobs).await.unwrap(), expected);
}

async fn accepting_again_returns_the_row_as_it_is(case: Input) {
    let new = case.accepted(record(&case.id("job"))).await;
    let later = JobRecord { created_at_ms: NOW_MS + 5, updated_at_ms: NOW_MS + 5, ..new.clone() };
    let answers = case.port.accept(vec![later.clone()]).await.unwrap();
    assert_eq!(answers, [AcceptVerdict::Exists(Box::new(new.clone()))]);
    let claimed = case.claimed(crate::builders::claim(&new, "owner", NOW_MS + 9)).await;
    let answers = case.port.accept(vec![later]).await.unwrap();
    assert_eq!(answers, [AcceptVerdict::Exists(Box::new(claimed))]);
}

/// The answer to an accept got lost: asked again, it is the same write.
async fn a_repeated_write_is_no_duplicate(case: Input) {
    let new = JobRecord { token: Some("0123456789abcdef".into()), ..record(&case.id("job")) };
    for _ in 0..2 {
        assert_eq!(case.port.accept(vec![new.clone()]).await.unwrap(), [AcceptVerdict::Created]);
        assert_eq!(case.row(&new.id).await, new);
    }
    let other = JobRecord { token: Some("fedcba9876543210".into()), ..new.clone() };
    let answers = case.port.accept(vec![other]).await.unwrap();
    assert_eq!(answers, [AcceptVerdict::Exists(Box::new(new))]);
}

async fn another_job_under_the_same_id_leaves_the_row_alone(case: Input) {
    let first = case.accepted(record(&case.id("job"))).await;
    let other = JobRecord { params_hash: "f".repeat(64), ..first.clone() };
    let answers = case.port.accept(vec![other]).await.unwrap();
    assert_eq!(answers, [AcceptVerdict::Conflict(Box::new(first.clone()))]);
    assert_eq!(case.row(&first.id).await, first);
}

async fn one_call_may_name_a_job_twice(case: Input) {
    let row = record(&case.id("twice"));
    let answers = case.port.accept(vec![row.clone(), row.clone()]).await.unwrap();
    assert_eq!(answers, [AcceptVerdict::Created, AcceptVerdict::Exists(Box::new(row))]);
}

/// More than any service takes in one request: splitting is the store's business.
async fn many_jobs_fit_one_call(case: Input) {
    let jobs: Vec<_> = (0..200).map(|n| record(&case.id(&format!("job-{n}")))).collect();
    let answers = case.port.accept(jobs.clone()).await.unwrap();
    assert_eq!(answers, vec![AcceptVerdict::Created; jobs.len()]);
    for job in [&jobs[0], &jobs[99], &jobs[199]] {
        assert_eq!(case.row(&job.id).await, *job);
    }
}
