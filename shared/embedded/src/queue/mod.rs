//! `JobQueue` over the table of messages, with SQS's standard semantics.
//!
//! A message and its receive count are rows; who holds which message is memory, because holders are tasks of this
//! process and die with it. After a restart every message that was in flight is visible at once.

mod queues;
mod search;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod undo;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::limits;
use gantz_core::ports::{
    Depth, EntryError, JobQueue, Message, NewMessage, PortError, PortResult, Postponed, QueueLimits, Receipt,
    Receive,
};
use tokio::time::Instant;

use crate::open::Embedded;
use queues::Queue;
pub(crate) use queues::Queues;
pub use search::QueuedMessage;
pub(crate) use search::of_job;
pub use table::DeadLetter;
pub(crate) use table::dead_letters;

/// A message's body: what SQS allows.
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Messages in one call. SQS's ten are not needed here, but no call shall hold up a commit for long.
const BATCH_MAX: usize = 256;

impl Embedded {
    async fn queue(&self, name: &QueueName) -> PortResult<Arc<Queue>> {
        if let Some(queue) = self.queues.known(name) {
            return Ok(queue);
        }
        let (queues, name) = (Arc::clone(&self.queues), name.clone());
        self.writer.call(move |connection| queues.find_or_create(connection, &name)).await
    }

    /// Sends up to `limit` of a lane's dead letters to the lane again, oldest first; whoever handles them at the moment
    /// holds them in vain. Returns how many went.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn redrive(&self, lane: &Lane, limit: usize) -> PortResult<usize> {
        let dead = self.queue(&QueueName::Dead(lane.clone())).await?;
        let back = self.queue(&QueueName::Lane(lane.clone())).await?;
        let arrived = Arc::clone(&back);
        self.writer
            .call_then(
                move |connection| {
                    let first = table::first(connection, dead.number, limit)?;
                    for &(sequence, delayed) in &first {
                        back.state().adopt(connection, table::key(dead.number, sequence), &back, None)?;
                        dead.state().forget(sequence, delayed);
                    }
                    Ok(first.len())
                },
                move |_| arrived.arrived.notify_one(),
            )
            .await
    }

    async fn receive_now(&self, queue: &Arc<Queue>, ask: Receive) -> PortResult<Vec<Message>> {
        let now_ms = self.clock.now_ms();
        let (queues, queue) = (Arc::clone(&self.queues), Arc::clone(queue));
        let delivery = self
            .writer
            .call(move |connection| {
                let dead = match queue.dead_letters() {
                    Some(name) => Some(queues.find_or_create(connection, &name)?),
                    None => None,
                };
                let mut state = queue.state();
                let taken = state.take(connection, &queue, dead.as_deref(), ask, now_ms)?;
                drop(state);
                if taken.buried > 0
                    && let Some(dead) = dead
                {
                    dead.arrived.notify_one();
                }
                if taken.messages.len() == ask.max {
                    // There may be more: the next receiver need not wait for the next arrival.
                    queue.arrived.notify_one();
                }
                Ok(Delivery { queue, messages: taken.messages })
            })
            .await?;
        Ok(delivery.arrive())
    }
}

/// Messages on their way to whoever asked for them. Nobody there any more, they are visible again at once: a worker
/// that shuts down does not wait for what it asked for.
struct Delivery {
    queue: Arc<Queue>,
    messages: Vec<Message>,
}

impl Delivery {
    fn arrive(mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let mut state = self.queue.state();
        for message in &self.messages {
            state.release(&message.receipt);
        }
        drop(state);
        self.queue.arrived.notify_one();
    }
}

#[async_trait]
impl JobQueue for Embedded {
    fn limits(&self) -> QueueLimits {
        QueueLimits {
            batch: BATCH_MAX,
            body_bytes: BODY_MAX_BYTES,
            delay_ms: limits::SEND_DELAY_MAX_MS,
            visibility_ms: limits::POSTPONE_MAX_MS,
            gather_ms: 0,
        }
    }

    async fn send(
        &self,
        queue: &QueueName,
        messages: Vec<NewMessage>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        within_batch(messages.len())?;
        let checks: Vec<_> = messages.iter().map(check).collect();
        if checks.iter().all(Result::is_err) {
            return Ok(checks);
        }
        let queue = self.queue(queue).await?;
        let (now_ms, arrived) = (self.clock.now_ms(), Arc::clone(&queue));
        self.writer
            .call_then(
                move |connection| {
                    let mut state = queue.state();
                    for (message, _) in messages.iter().zip(&checks).filter(|(_, check)| check.is_ok()) {
                        state.send(connection, &queue, message, now_ms)?;
                    }
                    Ok(checks)
                },
                move |_| arrived.arrived.notify_one(),
            )
            .await
    }

    async fn receive(&self, queue: &QueueName, ask: Receive) -> PortResult<Vec<Message>> {
        within_batch(ask.max)?;
        let queue = self.queue(queue).await?;
        let deadline = Instant::now() + Duration::from_millis(ask.wait_ms);
        loop {
            let messages = self.receive_now(&queue, ask).await?;
            if !messages.is_empty() || Instant::now() >= deadline {
                return Ok(messages);
            }
            let now_ms = self.clock.now_ms();
            let due = queue.state().next_due_ms().map(|due_ms| due_ms.saturating_sub(now_ms).max(1));
            let wake = due.map_or(deadline, |ms| deadline.min(Instant::now() + Duration::from_millis(ms)));
            // Either way there is something to look for; the loop decides what.
            tokio::time::timeout_at(wake, queue.arrived.notified()).await.ok();
        }
    }

    async fn delete(
        &self,
        queue: &QueueName,
        receipts: Vec<Receipt>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        within_batch(receipts.len())?;
        let queue = self.queue(queue).await?;
        let answers = receipts.iter().map(|receipt| state::parse(receipt).map(|_| ())).collect();
        self.writer
            .call(move |connection| {
                let mut state = queue.state();
                for receipt in &receipts {
                    if let Some(held) = state.held(receipt) {
                        table::delete(connection, table::key(queue.number, held))?;
                        state.forget(held, false);
                    }
                }
                Ok(answers)
            })
            .await
    }

    async fn postpone(
        &self,
        queue: &QueueName,
        receipt: &Receipt,
        delay_ms: u64,
        why: Postponed,
    ) -> PortResult<()> {
        let queue = self.queue(queue).await?;
        let (now_ms, receipt) = (self.clock.now_ms(), receipt.clone());
        let delay_ms = delay_ms.min(limits::POSTPONE_MAX_MS);
        self.writer
            .call(move |connection| {
                let mut state = queue.state();
                let returned =
                    state.postpone(connection, &queue, &receipt, now_ms, now_ms + delay_ms, &why)?;
                drop(state);
                if returned {
                    queue.arrived.notify_one();
                }
                Ok(())
            })
            .await
    }

    async fn extend(&self, queue: &QueueName, receipt: &Receipt, visibility_ms: u64) -> PortResult<bool> {
        let queue = self.queue(queue).await?;
        let until_ms = self.clock.now_ms() + visibility_ms.min(limits::POSTPONE_MAX_MS);
        let extended = queue.state().extend(receipt, until_ms);
        Ok(extended)
    }

    async fn quarantine(&self, queue: &QueueName, message: &Message, reason: &str) -> PortResult<()> {
        let queue = self.queue(queue).await?;
        let (queues, receipt) = (Arc::clone(&self.queues), message.receipt.clone());
        let reason = reason.to_owned();
        self.writer
            .call(move |connection| {
                let Some(name) = queue.aside() else { return Ok(()) };
                let dead = queues.find_or_create(connection, &name)?;
                let mut state = queue.state();
                if let Some(held) = state.held(&receipt) {
                    dead.state().adopt(connection, table::key(queue.number, held), &dead, Some(&reason))?;
                    state.forget(held, false);
                    dead.arrived.notify_one();
                }
                Ok(())
            })
            .await
    }

    async fn depth(&self, queue: &QueueName) -> PortResult<Depth> {
        let queue = self.queue(queue).await?;
        let depth = queue.state().depth();
        Ok(depth)
    }
}

fn within_batch(entries: usize) -> PortResult<()> {
    if (1..=BATCH_MAX).contains(&entries) {
        return Ok(());
    }
    Err(PortError::Permanent(format!("{entries} entries in one call, expected 1 to {BATCH_MAX}")))
}

fn check(message: &NewMessage) -> Result<(), EntryError> {
    let error =
        |message| Err(EntryError { code: "InvalidParameterValue".into(), message, sender_fault: true });
    if message.body.is_empty() || message.body.len() > BODY_MAX_BYTES {
        return error(format!("the body has {} bytes, expected 1 to {BODY_MAX_BYTES}", message.body.len()));
    }
    if message.delay_ms > limits::SEND_DELAY_MAX_MS {
        return error(format!("the delay is {} ms, at most {}", message.delay_ms, limits::SEND_DELAY_MAX_MS));
    }
    Ok(())
}
