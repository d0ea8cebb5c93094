use std::sync::Arc;

use gantz_core::job::JobStatus;
use gantz_core::lifecycle::{AcceptVerdict, CancelVerdict, ClaimVerdict, FinishVerdict, GiveUpVerdict};
use gantz_core::limits;
use gantz_core::ports::JobStore;

use super::Input;
use crate::builders::{NOW_MS, claim, failed, held, record, succeeded};
use crate::suite::Suite;
use crate::together::together;

const CALLERS: usize = 8;
/// Races are lost by chance, so each is run more than once.
const ROUNDS: usize = 10;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn JobStore>>) {
    suite.case(one_of_many_acceptances_creates).await;
    suite.case(one_of_many_claims_is_granted).await;
    suite.case(one_of_many_claims_of_an_expired_lease_is_granted).await;
    suite.case(one_of_many_endings_is_committed).await;
}

async fn one_of_many_acceptances_creates(case: Input) {
    for round in 0..ROUNDS {
        let row = record(&case.id(&format!("job-{round}")));
        let callers = (0..CALLERS).map(|_| {
            let (store, row) = (Arc::clone(&case.port), row.clone());
            async move { store.accept(vec![row]).await.unwrap().remove(0) }
        });
        let verdicts = together(callers).await;
        let created = verdicts.iter().filter(|verdict| **verdict == AcceptVerdict::Created).count();
        assert_eq!(created, 1, "{verdicts:?}");
        let exists = AcceptVerdict::Exists(Box::new(row.clone()));
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == exists).count(), CALLERS - 1);
    }
}

async fn claim_at_once(case: &Input, row: &gantz_core::job::JobRecord, now_ms: u64) -> Vec<ClaimVerdict> {
    let callers = (0..CALLERS).map(|n| {
        let (store, claim) = (Arc::clone(&case.port), claim(row, &format!("owner {n} at {now_ms}"), now_ms));
        async move { store.claim(claim).await.unwrap() }
    });
    together(callers).await
}

fn assert_one_granted(verdicts: &[ClaimVerdict], attempt: u32, lease_until_ms: u64) {
    let granted: Vec<_> = verdicts
        .iter()
        .filter_map(|verdict| if let ClaimVerdict::Granted(row) = verdict { Some(row) } else { None })
        .collect();
    assert_eq!(granted.len(), 1, "{verdicts:?}");
    assert_eq!(granted[0].attempt, attempt);
    let held = ClaimVerdict::HeldUntil { lease_until_ms };
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == held).count(), CALLERS - 1, "{verdicts:?}");
}

async fn one_of_many_claims_is_granted(case: Input) {
    for round in 0..ROUNDS {
        // Half of them have a row, half are recorded by the claim.
        let row = record(&case.id(&format!("job-{round}")));
        if round % 2 == 0 {
            case.accepted(row.clone()).await;
        }
        assert_one_granted(&claim_at_once(&case, &row, NOW_MS).await, 1, NOW_MS + limits::LEASE_MS);
    }
}

async fn one_of_many_claims_of_an_expired_lease_is_granted(case: Input) {
    for round in 0..ROUNDS {
        let row = case.claimed(claim(&record(&case.id(&format!("job-{round}"))), "dead", NOW_MS)).await;
        let later_ms = NOW_MS + limits::LEASE_MS;
        assert_one_granted(&claim_at_once(&case, &row, later_ms).await, 2, later_ms + limits::LEASE_MS);
    }
}

/// A worker finishes, its lease having expired, while others cancel and give up: one of them ends the job.
async fn one_of_many_endings_is_committed(case: Input) {
    for round in 0..ROUNDS {
        let row = case.claimed(claim(&record(&case.id(&format!("job-{round}"))), "me", NOW_MS)).await;
        let later_ms = NOW_MS + limits::LEASE_MS;
        let finish = {
            let (store, held) = (Arc::clone(&case.port), held(&row));
            async move {
                let verdict = store.finish(&held, succeeded(), later_ms).await.unwrap();
                matches!(verdict, FinishVerdict::Committed(_)).then_some(JobStatus::Succeeded)
            }
        };
        let cancel = {
            let (store, id) = (Arc::clone(&case.port), row.id.clone());
            async move {
                let verdict = store.cancel(&id, later_ms).await.unwrap();
                matches!(verdict, CancelVerdict::Ended(_)).then_some(JobStatus::Cancelled)
            }
        };
        let give_up = {
            let (store, row) = (Arc::clone(&case.port), row.clone());
            async move {
                let verdict = store.give_up(row, 1, failed(), later_ms).await.unwrap();
                matches!(verdict, GiveUpVerdict::Committed(_)).then_some(JobStatus::Failed)
            }
        };
        let (finish, cancel, give_up) = (tokio::spawn(finish), tokio::spawn(cancel), tokio::spawn(give_up));
        let claimed = [finish.await.unwrap(), cancel.await.unwrap(), give_up.await.unwrap()];
        let winners: Vec<_> = claimed.into_iter().flatten().collect();
        assert_eq!(winners, [case.row(&row.id).await.status]);
    }
}
