//! [`JobQueue`] over SQS's queues: standard ones, and those that are first in, first out, where somebody made one.
//!
//! A queue's URL follows from its name, so that no call is needed to learn it. Whole seconds are SQS's unit: waits are
//! rounded down, delays and visibility up.

mod batch;
mod delete;
mod depth;
mod receive;
mod send;
mod visibility;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use gantz_core::ids::QueueName;
use gantz_core::limits;
use gantz_core::ports::{
    Depth, EntryError, JobQueue, Message, NewMessage, PortError, PortResult, Postponed, QueueLimits, Receipt,
    Receive,
};

use crate::{Session, Settings};
use batch::{seconds_up, within_batch};
use delete::Deletes;
use depth::Depths;
use visibility::{Change, change};

/// A call for ten messages costs what one for a single message does, and workers of short jobs have room for ten again
/// within this time.
const GATHER_MS: u64 = 50;

/// A message that is being set aside stays with whoever does it for so long: three calls, and what they may be repeated.
const SET_ASIDE_SECONDS: i32 = 120;

/// The queues of a stack.
#[derive(Debug)]
pub struct Queue {
    session: Arc<Session>,
    settings: Arc<Settings>,
    deletes: Deletes,
    depths: Depths,
}

impl Queue {
    /// The queues that `settings` name.
    pub fn new(session: Arc<Session>, settings: Arc<Settings>) -> Self {
        Self { deletes: Deletes::new(Arc::clone(&session)), session, settings, depths: Depths::default() }
    }

    fn client(&self) -> &Client {
        self.session.sqs()
    }

    fn url(&self, queue: &QueueName) -> String {
        self.settings.queue_url(queue)
    }
}

#[async_trait]
impl JobQueue for Queue {
    fn limits(&self) -> QueueLimits {
        QueueLimits {
            batch: batch::ENTRIES_MAX,
            body_bytes: batch::BODY_MAX_BYTES,
            delay_ms: limits::SEND_DELAY_MAX_MS,
            visibility_ms: limits::POSTPONE_MAX_MS,
            delay_step_ms: 1_000,
            gather_ms: GATHER_MS,
        }
    }

    async fn send(
        &self,
        queue: &QueueName,
        messages: Vec<NewMessage>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        within_batch(messages.len())?;
        send::send(self.client(), &self.url(queue), messages, queue.is_fifo()).await
    }

    async fn receive(&self, queue: &QueueName, ask: Receive) -> PortResult<Vec<Message>> {
        within_batch(ask.max)?;
        receive::receive(self.client(), self.url(queue), ask).await
    }

    async fn delete(
        &self,
        queue: &QueueName,
        receipts: Vec<Receipt>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        within_batch(receipts.len())?;
        self.deletes.delete(&self.url(queue), receipts).await
    }

    async fn postpone(
        &self,
        queue: &QueueName,
        receipt: &Receipt,
        delay_ms: u64,
        why: Postponed,
    ) -> PortResult<()> {
        tracing::debug!(%queue, delay_ms, ?why, "postpone");
        let url = self.url(queue);
        let seconds = seconds_up(delay_ms.min(limits::POSTPONE_MAX_MS));
        match change(self.client(), &url, receipt, seconds).await? {
            Change::Done | Change::Stale => Ok(()),
            // Received anew, it may be invisible for 12 hours again; whoever receives it postpones it by what is left.
            Change::TooLong => change(self.client(), &url, receipt, 0).await.map(|_| ()),
        }
    }

    async fn extend(&self, queue: &QueueName, receipt: &Receipt, visibility_ms: u64) -> PortResult<bool> {
        let seconds = seconds_up(visibility_ms.min(limits::POSTPONE_MAX_MS));
        match change(self.client(), &self.url(queue), receipt, seconds).await? {
            Change::Done => Ok(true),
            Change::Stale => Ok(false),
            Change::TooLong => Err(PortError::Permanent(
                "ChangeMessageVisibility: the message would be invisible for more than 12 hours".to_owned(),
            )),
        }
    }

    async fn quarantine(&self, queue: &QueueName, message: &Message, reason: &str) -> PortResult<()> {
        let none = || PortError::Permanent(format!("`{queue}` has no dead-letter queue"));
        let aside = queue.aside().ok_or_else(none)?;
        let (url, dead) = (self.url(queue), self.url(&aside));
        // First make sure that it is ours: a copy of what somebody else works on helps nobody.
        if change(self.client(), &url, &message.receipt, SET_ASIDE_SECONDS).await? == Change::Stale {
            return Ok(());
        }
        send::bury(self.client(), &dead, message, reason, aside.is_fifo()).await?;
        let answers = self.deletes.delete(&url, vec![message.receipt.clone()]).await?;
        let failed = answers.into_iter().find_map(Result::err);
        // It will be received and set aside once more, so that it is twice among the dead letters, but not lost.
        failed.map_or(Ok(()), |error| Err(PortError::Transient(error.to_string())))
    }

    async fn put_back(&self, dead: &QueueName, message: &Message, group: Option<&str>) -> PortResult<()> {
        let none = || PortError::Permanent(format!("`{dead}` has no dead letters"));
        let home = dead.home().ok_or_else(none)?;
        send::put_back(self.client(), &self.url(&home), message, home.is_fifo(), group).await
    }

    async fn depth(&self, queue: &QueueName) -> PortResult<Depth> {
        self.depths.depth(self.client(), &self.url(queue)).await
    }
}
