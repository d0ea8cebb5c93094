//! The claim's condition, compared with the domain's decision on rows and claims that differ from an ordinary one in
//! each way, and in each two ways, that matters.

use gantz_aws::Jobs;
use gantz_core::job::{JobRecord, JobStatus, NewJob};
use gantz_core::lifecycle::{self, AcceptVerdict, Claim, ClaimVerdict, Verdict};
use gantz_core::policy::Effects;
use gantz_core::ports::JobStore;
use gantz_testkit::builders::{NOW_MS, claim, job_error, job_id, new_job};

/// Long after the rows were last written.
const CLAIMED_AT_MS: u64 = NOW_MS + 10_000;

struct Case {
    row: JobRecord,
    claim: Claim,
}

impl Case {
    /// A job of five attempts that failed once and waits for its second attempt.
    fn ordinary(name: &str) -> Self {
        let first_seen = JobRecord::queued(NewJob { max_attempts: 5, ..new_job(&job_id(name)) });
        let row = JobRecord {
            status: JobStatus::Waiting,
            attempt: 1,
            clean_attempt: 1,
            error: Some(job_error()),
            retry_at_ms: Some(NOW_MS + 9),
            started_at_ms: Some(NOW_MS + 1),
            updated_at_ms: NOW_MS + 2,
            ..first_seen.clone()
        };
        Self { row, claim: claim(&first_seen, "me", CLAIMED_AT_MS) }
    }

    fn leased(&mut self, owner: &str, lease_until_ms: u64) {
        self.row.owner = Some(owner.into());
        self.row.lease_until_ms = Some(lease_until_ms);
        self.row.status = JobStatus::Running;
    }

    /// As the message remembers the job.
    fn first_seen(&mut self, change: impl Fn(&mut NewJob)) {
        let mut job = self.claim.first_seen.accepted();
        change(&mut job);
        self.claim.first_seen = JobRecord::queued(job);
    }
}

type Deviation = (&'static str, fn(&mut Case));

const DEVIATIONS: [Deviation; 24] = [
    ("never claimed", |case| (case.row.attempt, case.row.clean_attempt) = (0, 0)),
    ("crashed", |case| case.row.clean_attempt = 0),
    ("second attempt crashed", |case| case.row.attempt = 2),
    ("attempts spent", |case| (case.row.attempt, case.row.clean_attempt) = (5, 5)),
    ("more attempts than there are", |case| case.row.attempt = 7),
    ("two deferrals", |case| case.row.deferrals = 2),
    ("more deferrals than attempts", |case| case.row.deferrals = 9),
    ("no attempts at all", |case| case.row.max_attempts = 0),
    ("held by another", |case| case.leased("another", CLAIMED_AT_MS + 1)),
    ("held by me", |case| case.leased("me", CLAIMED_AT_MS + 1)),
    ("lease just over", |case| case.leased("another", CLAIMED_AT_MS)),
    ("owned without a lease", |case| case.row.owner = Some("another".into())),
    ("lease without an owner", |case| case.row.lease_until_ms = Some(CLAIMED_AT_MS + 1)),
    ("cancel asked", |case| case.row.cancel_requested_at_ms = Some(NOW_MS + 1)),
    ("deadline ahead", |case| case.row.deadline_ms = Some(CLAIMED_AT_MS + 1)),
    ("deadline now", |case| case.row.deadline_ms = Some(CLAIMED_AT_MS)),
    ("finished", |case| {
        case.row.status = JobStatus::Cancelled;
        case.row.finished_at_ms = Some(NOW_MS + 2);
    }),
    ("ahead of the clock", |case| case.row.updated_at_ms = CLAIMED_AT_MS + 5),
    ("as new as the clock", |case| case.row.updated_at_ms = CLAIMED_AT_MS),
    ("at most once", |case| case.row.effects = Effects::AtMostOnce),
    ("other parameters", |case| case.first_seen(|job| job.params_hash = "f".repeat(64))),
    ("another tool", |case| case.first_seen(|job| job.tool = "another".into())),
    ("a message with more", |case| {
        case.first_seen(|job| {
            job.deadline_ms = Some(CLAIMED_AT_MS + 9);
            job.label = Some("more".into());
        });
    }),
    ("a message that is past its deadline", |case| {
        case.first_seen(|job| job.deadline_ms = Some(CLAIMED_AT_MS));
    }),
];

pub(super) async fn a_claim_is_granted_as_the_domain_says(store: &Jobs) {
    let (mut granted, mut denied) = (0, 0);
    for (n, first) in DEVIATIONS.iter().enumerate() {
        for (m, second) in DEVIATIONS.iter().enumerate().skip(n) {
            let mut case = Case::ordinary(&format!("deviation-{n}-{m}"));
            (first.1)(&mut case);
            (second.1)(&mut case);
            if check(store, case, &format!("{} and {}", first.0, second.0)).await {
                granted += 1;
            } else {
                denied += 1;
            }
        }
    }
    // Neither way is the exception, or little would be compared.
    assert!(granted > 50 && denied > 50, "{granted} granted, {denied} denied");
}

async fn check(store: &Jobs, Case { row, claim }: Case, named: &str) -> bool {
    assert_eq!(store.accept(vec![row.clone()]).await.unwrap(), [AcceptVerdict::Created]);
    let expected = lifecycle::claim(Some(&row), &claim);
    let verdict = store.claim(claim).await.unwrap();
    assert_eq!(verdict, expected, "{named}: the store's verdict (left) is not the domain's (right)");
    let then = expected.row_to_write().unwrap_or(&row);
    assert_eq!(store.get(&row.id).await.unwrap().as_ref(), Some(then), "{named}");
    matches!(expected, ClaimVerdict::Granted(_))
}
