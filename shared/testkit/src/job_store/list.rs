use std::collections::BTreeSet;
use std::sync::Arc;

use gantz_core::ids::{JobId, Tenant};
use gantz_core::job::{JobRecord, JobStatus, NewJob};
use gantz_core::ports::{JobFilter, JobStore};

use super::Input;
use crate::builders::{NOW_MS, child_record, record};
use crate::suite::Suite;

/// Pages of one listing: far more than any case needs, so that a cursor that never ends fails.
const PAGES_MAX: usize = 10_000;

pub(super) async fn cases(suite: &mut Suite<Arc<dyn JobStore>>) {
    suite.case(pages_hold_every_job_once_and_newest_first).await;
    suite.case(filters_select).await;
    suite.case(filters_see_changes).await;
    suite.case(a_filter_that_nothing_matches_ends).await;
    suite.case(a_listing_without_a_filter_has_every_job).await;
    suite.case(a_listing_survives_jobs_that_come_meanwhile).await;
}

/// Follows the cursors to the end.
async fn list_all(case: &Input, filter: &JobFilter, limit: usize) -> Vec<JobRecord> {
    let (mut jobs, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..PAGES_MAX {
        let page = case.port.list(filter, limit, cursor.as_deref()).await.unwrap();
        assert!(page.jobs.len() <= limit, "{} jobs on a page of {limit}", page.jobs.len());
        jobs.extend(page.jobs);
        cursor = page.next;
        if cursor.is_none() {
            return jobs;
        }
    }
    panic!("the listing has no end");
}

fn ids(jobs: &[JobRecord]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id.clone()).collect()
}

fn of_tool(tool: &str) -> JobFilter {
    JobFilter { tool: Some(tool.into()), ..JobFilter::default() }
}

/// Accepts so many jobs of a tool of this case's own, oldest first, one millisecond apart.
async fn accept_many(case: &Input, tool: &str, count: u64) -> Vec<JobRecord> {
    let mut jobs = Vec::new();
    for n in 0..count {
        let new = NewJob {
            tool: case.name(tool),
            created_at_ms: NOW_MS + n,
            ..record(&case.id(&format!("{tool}-{n}"))).accepted()
        };
        jobs.push(case.accepted(JobRecord::queued(new)).await);
    }
    jobs
}

async fn pages_hold_every_job_once_and_newest_first(case: Input) {
    let mut jobs = accept_many(&case, "tool", 25).await;
    jobs.reverse();
    for limit in [1, 7, 25, 26, 1_000] {
        assert_eq!(list_all(&case, &of_tool(&case.name("tool")), limit).await, jobs, "pages of {limit}");
    }
}

async fn filters_select(case: Input) {
    let a = accept_many(&case, "a", 3).await;
    let b = accept_many(&case, "b", 2).await;
    let parent = case.id("batch");
    let mut children = Vec::new();
    for index in 0..3 {
        let child = JobRecord { tool: case.name("a"), ..child_record(&parent, index) };
        children.push(case.accepted(child).await.id);
    }
    case.cancelled(&a[1]).await;
    let of_parent = JobFilter { parent: Some(parent.clone()), ..JobFilter::default() };
    let tenant = Tenant::try_new(case.name("tenant")).unwrap();
    let theirs = JobRecord { tenant: tenant.clone(), ..record(&case.id("theirs")) };
    let theirs = case.accepted(theirs).await.id;
    let table: [(JobFilter, Vec<&JobId>); 6] = [
        (JobFilter { tenant: Some(tenant), ..JobFilter::default() }, vec![&theirs]),
        (of_tool(&case.name("b")), b.iter().map(|job| &job.id).collect()),
        (of_parent.clone(), children.iter().collect()),
        (JobFilter { tool: Some(case.name("b")), ..of_parent.clone() }, vec![]),
        (JobFilter { status: Some(JobStatus::Cancelled), ..of_tool(&case.name("a")) }, vec![&a[1].id]),
        (
            JobFilter { status: Some(JobStatus::Queued), ..of_tool(&case.name("a")) },
            [&a[0].id, &a[2].id].into_iter().chain(&children).collect(),
        ),
    ];
    for (filter, expected) in table {
        for limit in [2, 100] {
            let found = list_all(&case, &filter, limit).await;
            assert!(found.iter().all(|job| filter.matches(job)));
            let found: BTreeSet<_> = ids(&found).into_iter().collect();
            assert_eq!(found, expected.iter().copied().cloned().collect(), "{filter:?}, pages of {limit}");
        }
    }
}

async fn filters_see_changes(case: Input) {
    let jobs = accept_many(&case, "tool", 1).await;
    let queued = JobFilter { status: Some(JobStatus::Queued), ..of_tool(&case.name("tool")) };
    let cancelled = JobFilter { status: Some(JobStatus::Cancelled), ..queued.clone() };
    assert_eq!(ids(&list_all(&case, &queued, 10).await), ids(&jobs));
    case.cancelled(&jobs[0]).await;
    assert_eq!(list_all(&case, &queued, 10).await, []);
    assert_eq!(list_all(&case, &cancelled, 10).await, [case.row(&jobs[0].id).await]);
}

async fn a_filter_that_nothing_matches_ends(case: Input) {
    assert_eq!(list_all(&case, &of_tool(&case.name("unheard-of")), 10).await, []);
}

/// The backend may hold other jobs too.
async fn a_listing_without_a_filter_has_every_job(case: Input) {
    let mine: BTreeSet<_> = ids(&accept_many(&case, "tool", 5).await).into_iter().collect();
    let found = ids(&list_all(&case, &JobFilter::default(), 100).await);
    let distinct: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(distinct.len(), found.len(), "a job was listed twice");
    assert!(distinct.is_superset(&mine));
}

async fn a_listing_survives_jobs_that_come_meanwhile(case: Input) {
    let old: BTreeSet<_> = ids(&accept_many(&case, "tool", 9).await).into_iter().collect();
    let filter = of_tool(&case.name("tool"));
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    for n in 0..PAGES_MAX {
        let page = case.port.list(&filter, 2, cursor.as_deref()).await.unwrap();
        found.extend(ids(&page.jobs));
        let mut late = record(&case.id(&format!("late-{n}")));
        late.tool = case.name("tool");
        (late.created_at_ms, late.updated_at_ms) = (NOW_MS + 1_000 + n as u64, NOW_MS + 1_000 + n as u64);
        case.accepted(late).await;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let distinct: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(distinct.len(), found.len(), "a job was listed twice");
    assert!(distinct.is_superset(&old), "a job was passed over");
}
