use async_trait::async_trait;

use super::PortResult;
use crate::envelope::Parameters;
use crate::ids::{JobId, Tenant};
use crate::job::{JobRecord, JobStatus};
use crate::lifecycle::{
    AcceptVerdict, CancelVerdict, Claim, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict,
    HeartbeatVerdict, Held, KeepVerdict, Release, ReleaseVerdict,
};

/// The rows of jobs. Every write is conditional, decided by [`crate::lifecycle`], atomic, and durable on return; that of
/// [`JobStore::accept`] may be durable only with the next write that is, such as the sending of the job's message.
///
/// An error leaves it open whether the write happened. Repeating the call is always right: the protocol recognises its
/// own writes.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Records new jobs, each for itself; the answers come in the order of `jobs`.
    async fn accept(&self, jobs: Vec<JobRecord>) -> PortResult<Vec<AcceptVerdict>>;

    /// The row as it is now.
    async fn get(&self, id: &JobId) -> PortResult<Option<JobRecord>>;

    /// Claims a job, recording it first if need be.
    async fn claim(&self, claim: Claim) -> PortResult<ClaimVerdict>;

    /// Renews a lease.
    async fn heartbeat(&self, held: &Held, lease_until_ms: u64, now_ms: u64) -> PortResult<HeartbeatVerdict>;

    /// Ends a claimed job.
    async fn finish(&self, held: &Held, ending: Ending, now_ms: u64) -> PortResult<FinishVerdict>;

    /// Hands a claimed job back for another attempt.
    async fn release(&self, held: &Held, release: Release, now_ms: u64) -> PortResult<ReleaseVerdict>;

    /// Cancels a job, or asks its worker to.
    async fn cancel(&self, id: &JobId, now_ms: u64) -> PortResult<CancelVerdict>;

    /// Ends a job that nobody runs, recording it first if need be.
    async fn give_up(
        &self,
        first_seen: JobRecord,
        attempt_seen: u32,
        ending: Ending,
        now_ms: u64,
    ) -> PortResult<GiveUpVerdict>;

    /// Keeps the parameters of a job that ended without success, where its row has none.
    async fn keep(&self, id: &JobId, parameters: Parameters, now_ms: u64) -> PortResult<KeepVerdict>;

    /// Jobs, newest first. A page may be short, even empty, while `next` says that there is more.
    async fn list(&self, filter: &JobFilter, limit: usize, cursor: Option<&str>) -> PortResult<JobPage>;

    /// Returns the row once it is no longer as it was at `seen_updated_at_ms`, or after `wait_ms`, whichever comes
    /// first. A store without a feed of changes polls.
    async fn changed(
        &self,
        id: &JobId,
        seen_updated_at_ms: u64,
        wait_ms: u64,
    ) -> PortResult<Option<JobRecord>>;
}

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only jobs with this status.
    pub status: Option<JobStatus>,
    /// Only jobs of this tool.
    pub tool: Option<String>,
    /// Only jobs of this tenant.
    pub tenant: Option<Tenant>,
    /// Only children of this batch.
    pub parent: Option<JobId>,
}

impl JobFilter {
    /// Whether a row is asked for.
    pub fn matches(&self, row: &JobRecord) -> bool {
        self.status.is_none_or(|status| status == row.status)
            && self.tool.as_ref().is_none_or(|tool| *tool == row.tool)
            && self.tenant.as_ref().is_none_or(|tenant| *tenant == row.tenant)
            && self.parent.as_ref().is_none_or(|parent| row.parent.as_ref() == Some(parent))
    }
}

/// One page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// The jobs, newest first.
    pub jobs: Vec<JobRecord>,
    /// Where the next page begins, if there may be more.
    pub next: Option<String>,
}
