//! `JobStore` over DynamoDB: one row per job.
//!
//! A job's ordinary way is one conditional write per step (accept, claim, heartbeat, finish), whose condition is the
//! protocol's. When a condition fails, DynamoDB returns the row, and the domain's function for the step says what that
//! means; it alone decides. The rare steps read the row, decide, and replace it if it has not changed.
//!
//! There is no secondary index: it would cost each job as many writes again, for listings that people ask for now and
//! then. Listings read the table instead; see `list`.

mod children;
mod claim;
mod held;
mod list;
mod row;
mod watch;
mod write;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use gantz_core::envelope::Parameters;
use gantz_core::host::Clock;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{
    self, AcceptVerdict, CancelVerdict, Claim, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict,
    HeartbeatVerdict, Held, KeepVerdict, Release, ReleaseVerdict,
};
use gantz_core::ports::{JobFilter, JobPage, JobStore, PortResult};

use crate::error::port_error;
use crate::item::{PK, text};
use crate::{Session, Settings};
use write::Written;

/// Rows of one call that are written at the same time: enough to hide the network's round trips, few enough not to
/// be throttled by a table that just woke up.
const ACCEPTED_AT_ONCE: usize = 32;

/// The rows of jobs in a table.
pub struct Jobs {
    session: Arc<Session>,
    settings: Arc<Settings>,
    clock: Clock,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("table", &self.settings.table).finish_non_exhaustive()
    }
}

impl Jobs {
    /// Jobs in the table of `settings`. The clock tells which rows have expired: DynamoDB may delete them days later.
    pub fn new(session: Arc<Session>, settings: Arc<Settings>, clock: Clock) -> Self {
        Self { session, settings, clock }
    }

    fn client(&self) -> &aws_sdk_dynamodb::Client {
        self.session.dynamodb()
    }

    /// The row as the protocol sees it. A row whose time is up still counts, so that a late message finds its job's
    /// end as long as there is one.
    async fn read(&self, id: &JobId, consistent: bool) -> PortResult<Option<Box<JobRecord>>> {
        let call = self.client().get_item().table_name(&self.settings.table);
        let answer = call.key(PK, text(id.as_str())).consistent_read(consistent).send().await;
        let answer = answer.map_err(|error| port_error("GetItem", &error))?;
        Ok(answer.item.map(row::read).transpose()?.map(Box::new))
    }

    /// The row as those who poll see it.
    async fn view(&self, id: &JobId, consistent: bool) -> PortResult<Option<JobRecord>> {
        let now_s = self.clock.now_ms() / 1_000;
        let row = self.read(id, consistent).await?;
        let row = row.filter(|row| row.expires_at_s.is_none_or(|expires_at_s| now_s < expires_at_s));
        Ok(row.map(|row| *row))
    }
}

#[async_trait]
impl JobStore for Jobs {
    async fn accept(&self, jobs: Vec<JobRecord>) -> PortResult<Vec<AcceptVerdict>> {
        let mut ids = HashSet::new();
        let (first, again): (Vec<_>, Vec<_>) =
            jobs.into_iter().enumerate().partition(|(_, job)| ids.insert(job.id.clone()));
        let accept = |(place, job): (usize, JobRecord)| async move {
            PortResult::Ok((place, self.accept_one(&job).await?))
        };
        let at_once = stream::iter(first).map(accept).buffer_unordered(ACCEPTED_AT_ONCE);
        // What a call names twice is accepted in the order of the call.
        let in_turn = stream::iter(again).then(accept);
        let mut verdicts: Vec<_> = at_once.chain(in_turn).try_collect().await?;
        verdicts.sort_unstable_by_key(|(place, _)| *place);
        Ok(verdicts.into_iter().map(|(_, verdict)| verdict).collect())
    }

    async fn get(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        self.view(id, true).await
    }

    async fn claim(&self, claim: Claim) -> PortResult<ClaimVerdict> {
        let id = &claim.first_seen.id;
        let seen = match claim::update(&claim)? {
            Some(update) => match self.update(id, update).await? {
                Written::Done(row) => return Ok(ClaimVerdict::Granted(row)),
                Written::Refused(row) => row,
            },
            None => self.read(id, true).await?,
        };
        self.settle(seen, |row| lifecycle::claim(row, &claim)).await
    }

    async fn heartbeat(&self, held: &Held, lease_until_ms: u64, now_ms: u64) -> PortResult<HeartbeatVerdict> {
        match self.update(&held.id, held::heartbeat(held, lease_until_ms, now_ms)).await? {
            Written::Done(row) => Ok(HeartbeatVerdict::Renewed(row)),
            Written::Refused(row) => {
                self.settle(row, |row| lifecycle::heartbeat(row, held, lease_until_ms, now_ms)).await
            }
        }
    }

    async fn finish(&self, held: &Held, ending: Ending, now_ms: u64) -> PortResult<FinishVerdict> {
        match self.update(&held.id, held::finish(held, &ending, now_ms)?).await? {
            Written::Done(row) => Ok(FinishVerdict::Committed(row)),
            Written::Refused(row) => {
                self.settle(row, |row| lifecycle::finish(row, held, &ending, now_ms)).await
            }
        }
    }

    async fn release(&self, held: &Held, release: Release, now_ms: u64) -> PortResult<ReleaseVerdict> {
        let seen = self.read(&held.id, true).await?;
        self.settle(seen, |row| lifecycle::release(row, held, &release, now_ms)).await
    }

    async fn cancel(&self, id: &JobId, now_ms: u64) -> PortResult<CancelVerdict> {
        let seen = self.read(id, true).await?;
        self.settle(seen, |row| lifecycle::cancel(row, now_ms)).await
    }

    async fn give_up(
        &self,
        first_seen: JobRecord,
        attempt_seen: u32,
        ending: Ending,
        now_ms: u64,
    ) -> PortResult<GiveUpVerdict> {
        let seen = self.read(&first_seen.id, true).await?;
        let decide =
            |row: Option<&JobRecord>| lifecycle::give_up(row, &first_seen, attempt_seen, &ending, now_ms);
        self.settle(seen, decide).await
    }

    async fn keep(&self, id: &JobId, parameters: Parameters, now_ms: u64) -> PortResult<KeepVerdict> {
        let seen = self.read(id, true).await?;
        self.settle(seen, |row| lifecycle::keep(row, &parameters, now_ms)).await
    }

    async fn list(&self, filter: &JobFilter, limit: usize, cursor: Option<&str>) -> PortResult<JobPage> {
        self.page(filter, limit, cursor).await
    }

    async fn changed(
        &self,
        id: &JobId,
        seen_updated_at_ms: u64,
        wait_ms: u64,
    ) -> PortResult<Option<JobRecord>> {
        self.watch(id, seen_updated_at_ms, wait_ms).await
    }
}
