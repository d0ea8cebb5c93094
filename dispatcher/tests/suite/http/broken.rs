//! Ports that fail.

use async_trait::async_trait;
use gantz_core::envelope::Parameters;
use gantz_core::ids::{JobId, QueueName};
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{
    AcceptVerdict, CancelVerdict, Claim, ClaimVerdict, Ending, FinishVerdict, GiveUpVerdict,
    HeartbeatVerdict, Held, KeepVerdict, Release, ReleaseVerdict,
};
use gantz_core::ports::{
    Depth, EntryError, JobFilter, JobPage, JobQueue, JobStore, Message, NewMessage, PortError, PortResult,
    Postponed, QueueLimits, Receipt, Receive,
};

/// A store or queue whose every call ends in this error.
pub(crate) struct Broken(pub(crate) PortError);

impl Broken {
    fn fail<T>(&self) -> PortResult<T> {
        Err(self.0.clone())
    }
}

#[async_trait]
impl JobStore for Broken {
    async fn accept(&self, _: Vec<JobRecord>) -> PortResult<Vec<AcceptVerdict>> {
        self.fail()
    }

    async fn get(&self, _: &JobId) -> PortResult<Option<JobRecord>> {
        self.fail()
    }

    async fn claim(&self, _: Claim) -> PortResult<ClaimVerdict> {
        self.fail()
    }

    async fn heartbeat(&self, _: &Held, _: u64, _: u64) -> PortResult<HeartbeatVerdict> {
        self.fail()
    }

    async fn finish(&self, _: &Held, _: Ending, _: u64) -> PortResult<FinishVerdict> {
        self.fail()
    }

    async fn release(&self, _: &Held, _: Release, _: u64) -> PortResult<ReleaseVerdict> {
        self.fail()
    }

    async fn cancel(&self, _: &JobId, _: u64) -> PortResult<CancelVerdict> {
        self.fail()
    }

    async fn give_up(&self, _: JobRecord, _: u32, _: Ending, _: u64) -> PortResult<GiveUpVerdict> {
        self.fail()
    }

    async fn keep(&self, _: &JobId, _: Parameters, _: u64) -> PortResult<KeepVerdict> {
        self.fail()
    }

    async fn list(&self, _: &JobFilter, _: usize, _: Option<&str>) -> PortResult<JobPage> {
        self.fail()
    }

    async fn changed(&self, _: &JobId, _: u64, _: u64) -> PortResult<Option<JobRecord>> {
        self.fail()
    }
}

#[async_trait]
impl JobQueue for Broken {
    fn limits(&self) -> QueueLimits {
        QueueLimits {
            batch: 10,
            body_bytes: 1 << 20,
            delay_ms: 900_000,
            visibility_ms: 43_200_000,
            delay_step_ms: 1,
            gather_ms: 0,
        }
    }

    async fn send(&self, _: &QueueName, _: Vec<NewMessage>) -> PortResult<Vec<Result<(), EntryError>>> {
        self.fail()
    }

    async fn receive(&self, _: &QueueName, _: Receive) -> PortResult<Vec<Message>> {
        self.fail()
    }

    async fn delete(&self, _: &QueueName, _: Vec<Receipt>) -> PortResult<Vec<Result<(), EntryError>>> {
        self.fail()
    }

    async fn postpone(&self, _: &QueueName, _: &Receipt, _: u64, _: Postponed) -> PortResult<()> {
        self.fail()
    }

    async fn extend(&self, _: &QueueName, _: &Receipt, _: u64) -> PortResult<bool> {
        self.fail()
    }

    async fn quarantine(&self, _: &QueueName, _: &Message, _: &str) -> PortResult<()> {
        self.fail()
    }

    async fn depth(&self, _: &QueueName) -> PortResult<Depth> {
        self.fail()
    }
}
