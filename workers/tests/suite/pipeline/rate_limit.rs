//! A rate limit holds, and costs nothing but time.

use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::ids::QueueName;
use gantz_core::job::JobStatus;
use gantz_core::ports::{
    Depth, EntryError, JobQueue, Message, NewMessage, PortResult, Postponed, QueueLimits, Receipt, Receive,
};
use gantz_workers::Phase;
use serde_json::json;

use crate::fleet::Fleet;

const JOBS: usize = 1_000;
const PER_SECOND: usize = 200;

#[tokio::test(start_paused = true)]
async fn a_thousand_jobs_at_two_hundred_a_second_take_five_seconds() {
    let fleet = Fleet::new(&[("limited", "rate_limit: 200/s, retry: {max_attempts: 1}")]);
    fleet.submit_many(JOBS, "limited", &json!({"mode": "succeed"})).await;
    take_five_seconds(&fleet).await;
    for row in fleet.rows().await {
        let waits = fleet.store.view().notes(&row.id).await.unwrap();
        assert!(
            waits.len() <= 3,
            "each is told a time of its own, so that none asks again and again: {waits:?}"
        );
        assert!(waits.iter().all(|note| note.why == "rate_limited"));
    }
}

/// SQS knows seconds, and a message that comes back late leaves its turn unused.
#[tokio::test(start_paused = true)]
async fn they_do_on_a_queue_of_whole_seconds_too() {
    let mut fleet = Fleet::new(&[("limited", "rate_limit: 200/s, retry: {max_attempts: 1}")]);
    fleet.ports.queue = Arc::new(WholeSeconds(Arc::clone(&fleet.ports.queue)));
    fleet.submit_many(JOBS, "limited", &json!({"mode": "succeed"})).await;
    take_five_seconds(&fleet).await;
}

async fn take_five_seconds(fleet: &Fleet) {
    let team = fleet.start("worker", 64);
    fleet.all_is_settled().await;
    for row in fleet.rows().await {
        assert_eq!((row.status, row.attempt, row.deferrals), (JobStatus::Succeeded, 1, 0));
    }
    let starts = fleet.journal.starts();
    assert_eq!(starts.len(), JOBS);
    let took_ms = starts[JOBS - 1].at_ms - starts[0].at_ms;
    assert!((4_500..=5_500).contains(&took_ms), "{took_ms} ms");
    // Any second has its calls, and the burst that may precede them.
    let burst = PER_SECOND / 20;
    for window in starts.windows(PER_SECOND + burst + 1) {
        assert!(window[PER_SECOND + burst].at_ms - window[0].at_ms >= 999, "too many calls within a second");
    }
    team.stop(Phase::Drain).await;
}

/// A queue that rounds delays up to whole seconds.
struct WholeSeconds(Arc<dyn JobQueue>);

const STEP_MS: u64 = 1_000;

#[async_trait]
impl JobQueue for WholeSeconds {
    fn limits(&self) -> QueueLimits {
        QueueLimits { delay_step_ms: STEP_MS, ..self.0.limits() }
    }

    async fn send(
        &self,
        queue: &QueueName,
        messages: Vec<NewMessage>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        self.0.send(queue, messages).await
    }

    async fn receive(&self, queue: &QueueName, ask: Receive) -> PortResult<Vec<Message>> {
        self.0.receive(queue, ask).await
    }

    async fn delete(
        &self,
        queue: &QueueName,
        receipts: Vec<Receipt>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        self.0.delete(queue, receipts).await
    }

    async fn postpone(
        &self,
        queue: &QueueName,
        receipt: &Receipt,
        delay_ms: u64,
        why: Postponed,
    ) -> PortResult<()> {
        self.0.postpone(queue, receipt, delay_ms.next_multiple_of(STEP_MS), why).await
    }

    async fn extend(&self, queue: &QueueName, receipt: &Receipt, visibility_ms: u64) -> PortResult<bool> {
        self.0.extend(queue, receipt, visibility_ms).await
    }

    async fn quarantine(&self, queue: &QueueName, message: &Message, reason: &str) -> PortResult<()> {
        self.0.quarantine(queue, message, reason).await
    }

    async fn depth(&self, queue: &QueueName) -> PortResult<Depth> {
        self.0.depth(queue).await
    }
}
