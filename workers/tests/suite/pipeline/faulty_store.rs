//! A store of jobs that fails as a test wants it to, and otherwise does what the one behind it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use gantz_core::envelope::Parameters;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{
    AcceptVerdict, CancelVerdict, Claim, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict,
    HeartbeatVerdict, Held, KeepVerdict, Release, ReleaseVerdict,
};
use gantz_core::ports::{JobFilter, JobPage, JobStore, PortError, PortResult};

use crate::fleet::Fleet;

pub(crate) struct FaultyStore {
    /// So many releases fail for the moment.
    pub(crate) release_faults: AtomicU32,
    /// No heartbeat is answered.
    pub(crate) heartbeats_hang: AtomicBool,
    store: Arc<dyn JobStore>,
}

impl FaultyStore {
    /// Puts itself before the fleet's store. Faultless at first.
    pub(crate) fn before(fleet: &mut Fleet) -> Arc<Self> {
        let this = Arc::new(Self {
            release_faults: AtomicU32::default(),
            heartbeats_hang: AtomicBool::default(),
            store: fleet.ports.jobs.clone(),
        });
        fleet.ports.jobs = this.clone();
        this
    }
}

#[async_trait]
impl JobStore for FaultyStore {
    async fn accept(&self, jobs: Vec<JobRecord>) -> PortResult<Vec<AcceptVerdict>> {
        self.store.accept(jobs).await
    }

    async fn get(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        self.store.get(id).await
    }

    async fn claim(&self, claim: Claim) -> PortResult<ClaimVerdict> {
        self.store.claim(claim).await
    }

    async fn heartbeat(&self, held: &Held, lease_until_ms: u64, now_ms: u64) -> PortResult<HeartbeatVerdict> {
        if self.heartbeats_hang.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.store.heartbeat(held, lease_until_ms, now_ms).await
    }

    async fn finish(&self, held: &Held, ending: Ending, now_ms: u64) -> PortResult<FinishVerdict> {
        self.store.finish(held, ending, now_ms).await
    }

    async fn release(&self, held: &Held, release: Release, now_ms: u64) -> PortResult<ReleaseVerdict> {
        let (order, faults) = (Ordering::Relaxed, &self.release_faults);
        match faults.fetch_update(order, order, |left| left.checked_sub(1)) {
            Ok(_) => Err(PortError::Transient("the store is busy".into())),
            Err(_) => self.store.release(held, release, now_ms).await,
        }
    }

    async fn cancel(&self, id: &JobId, now_ms: u64) -> PortResult<CancelVerdict> {
        self.store.cancel(id, now_ms).await
    }

    async fn give_up(
        &self,
        first_seen: JobRecord,
        attempt_seen: u32,
        ending: Ending,
        now_ms: u64,
    ) -> PortResult<GiveUpVerdict> {
        self.store.give_up(first_seen, attempt_seen, ending, now_ms).await
    }

    async fn keep(&self, id: &JobId, parameters: Parameters, now_ms: u64) -> PortResult<KeepVerdict> {
        self.store.keep(id, parameters, now_ms).await
    }

    async fn list(&self, filter: &JobFilter, limit: usize, cursor: Option<&str>) -> PortResult<JobPage> {
        self.store.list(filter, limit, cursor).await
    }

    async fn changed(
        &self,
        id: &JobId,
        seen_updated_at_ms: u64,
        wait_ms: u64,
    ) -> PortResult<Option<JobRecord>> {
        self.store.changed(id, seen_updated_at_ms, wait_ms).await
    }
}
