use std::sync::Arc;

use gantz_core::job::{JobRecord, JobResult, JobStatus};
use gantz_core::lifecycle::{
    AcceptVerdict, CancelVerdict, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict, HeartbeatVerdict, Held,
    ReleaseVerdict,
};
use gantz_core::limits;
use gantz_core::outcome::ErrorKind;
use gantz_core::ports::JobStore;
use serde_json::json;

use super::Input;
use crate::builders::{NOW_MS, claim, failed, held, job_error, record, release, succeeded};
use crate::suite::Suite;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn JobStore>>) {
    suite.case(a_claim_takes_the_job).await;
    suite.case(a_claim_records_a_job_that_has_no_row).await;
    suite.case(a_repeated_claim_is_granted_without_a_new_attempt).await;
    suite.case(a_claim_under_a_live_lease_waits_for_its_end).await;
    suite.case(a_claim_after_a_crash_remembers_it).await;
    suite.case(a_claim_of_something_else_is_foreign).await;
    suite.case(a_heartbeat_renews_the_lease).await;
    suite.case(results_survive).await;
    suite.case(a_repeated_finish_recognises_itself).await;
    suite.case(a_released_job_waits_and_remembers).await;
    suite.case(a_repeated_release_counts_once).await;
    suite.case(an_old_attempt_can_write_nothing).await;
    suite.case(an_unknown_job_can_be_written_by_nobody).await;
    suite.case(cancelling_an_idle_job_ends_it).await;
    suite.case(cancelling_a_running_job_asks_its_worker).await;
    suite.case(giving_up_ends_a_job_even_without_a_row).await;
    suite.case(giving_up_spares_a_job_that_moved_on).await;
    suite.case(a_finished_job_never_changes).await;
}

async fn a_claim_takes_the_job(case: Input) {
    let row = case.accepted(record(&case.id("job"))).await;
    let granted = case.claimed(claim(&row, "me", NOW_MS + 1)).await;
    assert_eq!((granted.status, granted.attempt), (JobStatus::Running, 1));
    assert_eq!(granted.lease_until_ms, Some(NOW_MS + 1 + limits::LEASE_MS));
    assert_eq!(case.row(&row.id).await, granted);
}

async fn a_claim_records_a_job_that_has_no_row(case: Input) {
    let row = record(&case.id("job"));
    let granted = case.claimed(claim(&row, "me", NOW_MS)).await;
    assert_eq!(granted.accepted(), row.accepted());
    assert_eq!(case.row(&row.id).await, granted);
}

async fn a_repeated_claim_is_granted_without_a_new_attempt(case: Input) {
    let row = record(&case.id("job"));
    let first = case.claimed(claim(&row, "me", NOW_MS)).await;
    let second = case.claimed(claim(&row, "me", NOW_MS + 5)).await;
    assert_eq!(second.attempt, 1);
    assert_eq!(case.row(&row.id).await, first);
}

async fn a_claim_under_a_live_lease_waits_for_its_end(case: Input) {
    let row = record(&case.id("job"));
    let first = case.claimed(claim(&row, "me", NOW_MS)).await;
    let lease_until_ms = NOW_MS + limits::LEASE_MS;
    let verdict = case.port.claim(claim(&row, "you", lease_until_ms - 1)).await.unwrap();
    assert_eq!(verdict, ClaimVerdict::HeldUntil { lease_until_ms });
    assert_eq!(case.row(&row.id).await, first);
    assert_eq!(case.claimed(claim(&row, "you", lease_until_ms)).await.attempt, 2);
}

async fn a_claim_after_a_crash_remembers_it(case: Input) {
    let row = record(&case.id("job"));
    let first = case.claimed(claim(&row, "dead", NOW_MS)).await;
    let again = case.claimed(claim(&row, "me", NOW_MS + limits::LEASE_MS)).await;
    assert_eq!(again.attempt, 2);
    let crashes: Vec<_> =
        again.attempts.iter().map(|entry| (entry.attempt, entry.error.kind, entry.started_at_ms)).collect();
    assert_eq!(crashes, [(1, ErrorKind::WorkerLost, first.started_at_ms)]);
    assert_eq!(case.row(&row.id).await, again);
}

async fn a_claim_of_something_else_is_foreign(case: Input) {
    let row = case.accepted(record(&case.id("job"))).await;
    let other = JobRecord { params_hash: "f".repeat(64), ..row.clone() };
    assert_eq!(case.port.claim(claim(&other, "me", NOW_MS)).await.unwrap(), ClaimVerdict::Foreign);
    assert_eq!(case.row(&row.id).await, row);
}

async fn a_heartbeat_renews_the_lease(case: Input) {
    let row = case.claimed(claim(&record(&case.id("job")), "me", NOW_MS)).await;
    let verdict = case.port.heartbeat(&held(&row), NOW_MS + 99_000, NOW_MS + 9).await.unwrap();
    let HeartbeatVerdict::Renewed(renewed) = verdict else { panic!("lost") };
    assert_eq!(renewed.lease_until_ms, Some(NOW_MS + 99_000));
    assert_eq!(case.row(&row.id).await, *renewed);
    let stranger = Held { owner: "you".into(), ..held(&row) };
    let verdict = case.port.heartbeat(&stranger, NOW_MS + 200_000, NOW_MS + 10).await.unwrap();
    assert_eq!(verdict, HeartbeatVerdict::Lost);
    assert_eq!(case.row(&row.id).await, *renewed);
}

async fn results_survive(case: Input) {
    let results = [
        JobResult::Inline(json!({"größe": [1, -2.5, null, true, "𝄞"], "deep": {"er": {}}})),
        JobResult::Inline(json!(null)),
        JobResult::Inline(json!("x".repeat(limits::INLINE_RESULT_MAX_BYTES - 2))),
        JobResult::Inline(json!([0.1, 1e300, 5e-324, 18_446_744_073_709_551_615_u64, -0.0])),
        JobResult::Ref("sha256-abc".into()),
    ];
    for (n, result) in results.into_iter().enumerate() {
        let row = case.claimed(claim(&record(&case.id(&format!("job-{n}"))), "me", NOW_MS)).await;
        let ending = Ending::succeeded(result.clone());
        let verdict = case.port.finish(&held(&row), ending, NOW_MS + 5).await.unwrap();
        let FinishVerdict::Committed(finished) = verdict else { panic!("{verdict:?}") };
        let stored = case.row(&row.id).await;
        assert_eq!(stored.result, Some(result));
        assert_eq!(stored, *finished);
        assert_eq!(stored.finished_at_ms, Some(NOW_MS + 5));
        assert!(stored.expires_at_s.is_some());
    }
}

async fn a_repeated_finish_recognises_itself(case: Input) {
    let row = case.claimed(claim(&record(&case.id("job")), "me", NOW_MS)).await;
    let verdict = case.port.finish(&held(&row), failed(), NOW_MS + 1).await.unwrap();
    let FinishVerdict::Committed(finished) = verdict else { panic!("{verdict:?}") };
    assert_eq!(finished.error, Some(job_error()));
    let again = case.port.finish(&held(&row), succeeded(), NOW_MS + 2).await.unwrap();
    assert_eq!(again, FinishVerdict::Already(finished.clone()));
    let stranger = Held { owner: "you".into(), ..held(&row) };
    let otherwise = case.port.finish(&stranger, succeeded(), NOW_MS + 3).await.unwrap();
    assert_eq!(otherwise, FinishVerdict::Otherwise(finished.clone()));
    assert_eq!(case.row(&row.id).await, *finished);
}

async fn a_released_job_waits_and_remembers(case: Input) {
    let mut row = case.accepted(record(&case.id("job"))).await;
    for attempt in 1..=2_u64 {
        let now_ms = NOW_MS + attempt * 10_000;
        row = case.claimed(claim(&row, &format!("owner {attempt}"), now_ms)).await;
        let verdict = case.port.release(&held(&row), release(now_ms), now_ms + 5).await.unwrap();
        let ReleaseVerdict::Released(waiting) = verdict else { panic!("{verdict:?}") };
        assert_eq!((waiting.status, waiting.retry_at_ms), (JobStatus::Waiting, Some(now_ms + 1_000)));
        assert_eq!(case.row(&row.id).await, *waiting);
        row = *waiting;
    }
    assert_eq!(row.attempts.iter().map(|entry| entry.attempt).collect::<Vec<_>>(), [1, 2]);
}

async fn a_repeated_release_counts_once(case: Input) {
    let row = case.claimed(claim(&record(&case.id("job")), "me", NOW_MS)).await;
    let handed_back = gantz_core::lifecycle::Release { counted: false, ..release(NOW_MS) };
    let first = case.port.release(&held(&row), handed_back.clone(), NOW_MS + 1).await.unwrap();
    let second = case.port.release(&held(&row), handed_back, NOW_MS + 2).await.unwrap();
    assert_eq!(first, second);
    let stored = case.row(&row.id).await;
    assert_eq!((stored.deferrals, stored.attempts_used(), stored.attempts.len()), (1, 0, 1));
}

async fn an_old_attempt_can_write_nothing(case: Input) {
    let first = case.claimed(claim(&record(&case.id("job")), "first", NOW_MS)).await;
    let later_ms = NOW_MS + limits::LEASE_MS;
    let second = case.claimed(claim(&first, "second", later_ms)).await;
    let old = held(&first);
    let beat = case.port.heartbeat(&old, later_ms + 60_000, later_ms).await.unwrap();
    assert_eq!(beat, HeartbeatVerdict::Lost);
    let end = case.port.finish(&old, succeeded(), later_ms).await.unwrap();
    assert_eq!(end, FinishVerdict::FencedOut);
    let back = case.port.release(&old, release(later_ms), later_ms).await.unwrap();
    assert_eq!(back, ReleaseVerdict::FencedOut);
    assert_eq!(case.row(&first.id).await, second);
}

async fn an_unknown_job_can_be_written_by_nobody(case: Input) {
    let id = case.id("nobody");
    let held = Held { id: id.clone(), attempt: 1, owner: "me".into() };
    let beat = case.port.heartbeat(&held, NOW_MS + 9, NOW_MS).await.unwrap();
    assert_eq!(beat, HeartbeatVerdict::Lost);
    let end = case.port.finish(&held, succeeded(), NOW_MS).await.unwrap();
    assert_eq!(end, FinishVerdict::FencedOut);
    let back = case.port.release(&held, release(NOW_MS), NOW_MS).await.unwrap();
    assert_eq!(back, ReleaseVerdict::FencedOut);
    assert_eq!(case.port.cancel(&id, NOW_MS).await.unwrap(), CancelVerdict::Unknown);
    assert_eq!(case.port.get(&id).await.unwrap(), None);
}

async fn cancelling_an_idle_job_ends_it(case: Input) {
    let row = case.accepted(record(&case.id("job"))).await;
    let verdict = case.port.cancel(&row.id, NOW_MS + 1).await.unwrap();
    let CancelVerdict::Ended(cancelled) = verdict else { panic!("{verdict:?}") };
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    assert_eq!(case.row(&row.id).await, *cancelled);
    let claim = case.port.claim(claim(&row, "me", NOW_MS + 2)).await.unwrap();
    assert_eq!(claim, ClaimVerdict::Finished(cancelled.clone()));
    let again = case.port.cancel(&row.id, NOW_MS + 3).await.unwrap();
    assert_eq!(again, CancelVerdict::Finished(cancelled));
}

async fn cancelling_a_running_job_asks_its_worker(case: Input) {
    let row = case.claimed(claim(&record(&case.id("job")), "me", NOW_MS)).await;
    let verdict = case.port.cancel(&row.id, NOW_MS + 1).await.unwrap();
    let CancelVerdict::Requested(asked) = verdict else { panic!("{verdict:?}") };
    assert_eq!(case.row(&row.id).await, *asked);
    let beat = case.port.heartbeat(&held(&row), NOW_MS + 50_000, NOW_MS + 2).await.unwrap();
    let HeartbeatVerdict::Renewed(seen) = beat else { panic!("lost") };
    assert_eq!(seen.cancel_requested_at_ms, Some(NOW_MS + 1));
    let back = case.port.release(&held(&row), release(NOW_MS), NOW_MS + 3).await.unwrap();
    assert_eq!(back, ReleaseVerdict::CancelAsked);
    let ending = Ending::cancelled("as asked");
    let end = case.port.finish(&held(&row), ending, NOW_MS + 4).await.unwrap();
    assert!(matches!(end, FinishVerdict::Committed(_)), "{end:?}");
    assert_eq!(case.row(&row.id).await.status, JobStatus::Cancelled);
}

async fn giving_up_ends_a_job_even_without_a_row(case: Input) {
    let row = record(&case.id("job"));
    let ending = Ending::expired("the deadline passed");
    let verdict = case.port.give_up(row.clone(), 0, ending.clone(), NOW_MS + 1).await.unwrap();
    let GiveUpVerdict::Committed(ended) = verdict else { panic!("{verdict:?}") };
    assert_eq!(ended.status, JobStatus::Expired);
    assert_eq!(case.row(&row.id).await, *ended);
    let again = case.port.give_up(row.clone(), 0, ending, NOW_MS + 2).await.unwrap();
    assert_eq!(again, GiveUpVerdict::Finished(ended));
}

async fn giving_up_spares_a_job_that_moved_on(case: Input) {
    let row = case.claimed(claim(&record(&case.id("job")), "me", NOW_MS)).await;
    let later_ms = NOW_MS + limits::LEASE_MS;
    for (seen, now_ms) in [(1, later_ms - 1), (0, later_ms)] {
        let verdict = case.port.give_up(row.clone(), seen, failed(), now_ms).await.unwrap();
        assert_eq!(verdict, GiveUpVerdict::MovedOn);
    }
    assert_eq!(case.row(&row.id).await, row);
}

async fn a_finished_job_never_changes(case: Input) {
    let row = case.claimed(claim(&record(&case.id("job")), "me", NOW_MS)).await;
    let end = case.port.finish(&held(&row), succeeded(), NOW_MS + 1).await.unwrap();
    let FinishVerdict::Committed(finished) = end else { panic!("{end:?}") };
    let (held, now_ms) = (held(&row), NOW_MS + 1_000_000);
    let accept = case.port.accept(vec![record(&row.id)]).await.unwrap();
    assert_eq!(accept, [AcceptVerdict::Exists(finished.clone())]);
    let claim = case.port.claim(claim(&row, "you", now_ms)).await.unwrap();
    assert_eq!(claim, ClaimVerdict::Finished(finished.clone()));
    let beat = case.port.heartbeat(&held, now_ms + 9, now_ms).await.unwrap();
    assert_eq!(beat, HeartbeatVerdict::Lost);
    let end = case.port.finish(&held, failed(), now_ms).await.unwrap();
    assert_eq!(end, FinishVerdict::Already(finished.clone()));
    let back = case.port.release(&held, release(now_ms), now_ms).await.unwrap();
    assert_eq!(back, ReleaseVerdict::Finished(finished.clone()));
    let cancel = case.port.cancel(&row.id, now_ms).await.unwrap();
    assert_eq!(cancel, CancelVerdict::Finished(finished.clone()));
    let give_up = case.port.give_up(row.clone(), 1, failed(), now_ms).await.unwrap();
    assert_eq!(give_up, GiveUpVerdict::Finished(finished.clone()));
    assert_eq!(case.row(&row.id).await, *finished);
}
