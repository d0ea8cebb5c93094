//! `JobQueue` over the table of messages, with SQS's standard semantics.
//!
//! A message, its receive count and who holds it are rows, so that several processes can share a directory. What a
//! process holds when it ends is visible again as soon as another one notices.
//!
//! Only what puts a message somewhere is flushed to disk before it is answered. A power failure may undo the rest, after
//! which messages are delivered once more, as at any other time.

mod fair;
#[cfg(test)]
mod fair_tests;
mod queues;
mod scope;
mod search;
mod table;
mod take;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::limits;
use gantz_core::ports::{
    Depth, EntryError, JobQueue, Message, NewMessage, PortError, PortResult, Postponed, QueueLimits, Receipt,
    Receive,
};
use rusqlite::Connection;
use tokio::time::Instant;

use crate::notes;
use crate::open::Embedded;
use crate::writer::Flush;
use fair::Arrival;
use queues::Queue;
pub(crate) use queues::Queues;
pub(crate) use scope::Scope;
pub use search::QueuedMessage;
pub(crate) use search::of_job;
pub use table::DeadLetter;
use table::{Change, Standing};
pub(crate) use table::{dead_letters, give_back_all};
use take::{Receiver, Taken};

/// A message's body: what SQS allows.
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Messages in one call. SQS's ten are not needed here, but no call shall hold up a commit for long.
const BATCH_MAX: usize = 256;

impl Embedded {
    async fn queue(&self, name: &QueueName) -> PortResult<Arc<Queue>> {
        let queues = &self.shared.queues;
        if let Some(queue) = queues.known(name) {
            return Ok(queue);
        }
        let text = name.to_string();
        let number = self.writer.call(move |connection| table::number(connection, &text)).await?;
        Ok(queues.add(name, number))
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
                Flush::Now,
                move |connection| {
                    let first = table::first(connection, dead.number, limit)?;
                    for &(sequence, standing) in &first {
                        let from = table::key(dead.number, sequence);
                        move_to(connection, from, standing, dead.number, back.number, None)?;
                    }
                    Ok(first.len())
                },
                move |_| arrived.arrived.notify_one(),
            )
            .await
    }

    async fn receive_now(&self, queue: &Arc<Queue>, ask: Receive) -> PortResult<Taken> {
        let to = Receiver { process: self.shared.membership.epoch, now_ms: self.shared.clock.now_ms() };
        let (looked_at, queue, store) = (Arc::clone(queue), Arc::clone(queue), self.clone());
        let scope = self.scope.clone();
        let delivery = self
            .writer
            .call_then(
                Flush::Later,
                move |connection| {
                    let taken = take::take(connection, &looked_at, ask, to, store.scope.as_ref())?;
                    Ok(Delivery { store, queue: looked_at, taken })
                },
                move |delivery| {
                    match scope {
                        Some(scope) => scope.advance(queue.number, delivery.taken.cursor),
                        None => queue.advance(delivery.taken.cursor),
                    }
                    if delivery.taken.messages.len() == ask.max {
                        // There may be more: the next receiver need not wait for the next arrival.
                        queue.arrived.notify_one();
                    }
                },
            )
            .await?;
        if delivery.taken.buried > 0
            && let Some(dead) = delivery.queue.dead_letters().and_then(|name| self.shared.queues.known(&name))
        {
            dead.arrived.notify_one();
        }
        Ok(delivery.arrive())
    }
}

fn arrival(message: &NewMessage) -> Arrival<'_> {
    Arrival { group: message.group.as_deref().unwrap_or_default(), is_delayed: message.delay_ms > 0 }
}

/// Moves a message to the end of another queue, where it starts anew; with a reason if this is where dead letters go.
fn move_to(
    connection: &Connection,
    key: i64,
    standing: Standing,
    from: i64,
    to: i64,
    dead_reason: Option<&str>,
) -> rusqlite::Result<()> {
    table::transfer(connection, key, table::append(connection, to)?, dead_reason)?;
    let mut change = Change::default();
    change.leave(standing);
    table::change(connection, from, change)
}

/// Messages on their way to whoever asked for them. Nobody there any more, they are visible again at once: a worker
/// that shuts down does not wait for what it asked for.
struct Delivery {
    store: Embedded,
    queue: Arc<Queue>,
    taken: Taken,
}

impl Delivery {
    fn arrive(mut self) -> Taken {
        std::mem::take(&mut self.taken)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let messages = std::mem::take(&mut self.taken.messages);
        if messages.is_empty() {
            return;
        }
        let (now_ms, queue, arrived) =
            (self.store.shared.clock.now_ms(), Arc::clone(&self.queue), Arc::clone(&self.queue));
        self.store.writer.post(
            move |connection| {
                for message in &messages {
                    give_back(connection, &queue, &message.receipt, now_ms)?;
                }
                Ok(())
            },
            move |()| arrived.arrived.notify_one(),
        );
    }
}

/// Makes a held message visible at that time. False if the receipt is no longer current.
fn give_back(
    connection: &Connection,
    queue: &Queue,
    receipt: &Receipt,
    until_ms: u64,
) -> rusqlite::Result<bool> {
    let Ok(held) = take::parse(receipt) else { return Ok(false) };
    let key = table::key(queue.number, held.sequence);
    let given_back = table::give_back(connection, key, held.receives, until_ms)?;
    if given_back {
        table::change(connection, queue.number, Change { held: -1, delayed: 1, ..Change::default() })?;
    }
    Ok(given_back)
}

#[async_trait]
impl JobQueue for Embedded {
    fn limits(&self) -> QueueLimits {
        QueueLimits {
            batch: BATCH_MAX,
            body_bytes: BODY_MAX_BYTES,
            delay_ms: limits::DELAY_MAX_MS,
            visibility_ms: limits::POSTPONE_MAX_MS,
            delay_step_ms: 1,
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
        let (now_ms, arrived) = (self.shared.clock.now_ms(), Arc::clone(&queue));
        self.writer
            .call_then(
                Flush::Now,
                move |connection| {
                    let good = messages.iter().zip(&checks).filter(|(_, check)| check.is_ok());
                    let good: Vec<_> = good.map(|(message, _)| message).collect();
                    let arrivals: Vec<_> = good.iter().map(|message| arrival(message)).collect();
                    let places = fair::places(connection, queue.number, &arrivals)?;
                    for (message, place) in good.into_iter().zip(places) {
                        let visible_at_ms = if message.delay_ms == 0 { 0 } else { now_ms + message.delay_ms };
                        table::insert(connection, queue.number, place, &message.body, now_ms, visible_at_ms)?;
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
            let taken = self.receive_now(&queue, ask).await?;
            if !taken.messages.is_empty() || Instant::now() >= deadline {
                return Ok(taken.messages);
            }
            let now_ms = self.shared.clock.now_ms();
            let due = taken.next_due_ms.map(|due_ms| due_ms.saturating_sub(now_ms).max(1));
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
        let parsed: Vec<_> = receipts.iter().map(take::parse).collect();
        self.writer
            .call_unflushed(move |connection| {
                let mut change = Change::default();
                for held in parsed.iter().flatten() {
                    let key = table::key(queue.number, held.sequence);
                    if table::delete(connection, key, held.receives)? {
                        change.leave(Standing::Held);
                    }
                }
                table::change(connection, queue.number, change)?;
                Ok(parsed.into_iter().map(|held| held.map(|_| ())).collect())
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
        let (now_ms, receipt, arrived) = (self.shared.clock.now_ms(), receipt.clone(), Arc::clone(&queue));
        let until_ms = now_ms + delay_ms.min(limits::POSTPONE_MAX_MS);
        self.writer
            .call_then(
                Flush::Later,
                move |connection| {
                    let given_back = give_back(connection, &queue, &receipt, until_ms)?;
                    // A retry is told by the job's row.
                    if given_back
                        && why != Postponed::Retry
                        && let Ok(held) = take::parse(&receipt)
                    {
                        let key = table::key(queue.number, held.sequence);
                        notes::add(connection, key, now_ms, until_ms, &why)?;
                    }
                    Ok(())
                },
                // Whoever waits for the next due message may have to wake earlier than planned.
                move |()| arrived.arrived.notify_one(),
            )
            .await
    }

    async fn extend(&self, queue: &QueueName, receipt: &Receipt, visibility_ms: u64) -> PortResult<bool> {
        let Ok(held) = take::parse(receipt) else { return Ok(false) };
        let queue = self.queue(queue).await?;
        let until_ms = self.shared.clock.now_ms() + visibility_ms.min(limits::POSTPONE_MAX_MS);
        self.writer
            .call_unflushed(move |connection| {
                table::extend(connection, table::key(queue.number, held.sequence), held.receives, until_ms)
            })
            .await
    }

    async fn quarantine(&self, queue: &QueueName, message: &Message, reason: &str) -> PortResult<()> {
        let queue = self.queue(queue).await?;
        let (Ok(held), Some(aside)) = (take::parse(&message.receipt), queue.aside()) else { return Ok(()) };
        let aside = self.queue(&aside).await?;
        let (reason, arrived) = (reason.to_owned(), Arc::clone(&aside));
        self.writer
            .call_then(
                Flush::Now,
                move |connection| {
                    let key = table::key(queue.number, held.sequence);
                    if table::is_held(connection, key, held.receives)? {
                        let (from, to) = (queue.number, aside.number);
                        move_to(connection, key, Standing::Held, from, to, Some(&reason))?;
                    }
                    Ok(())
                },
                move |()| arrived.arrived.notify_one(),
            )
            .await
    }

    async fn depth(&self, queue: &QueueName) -> PortResult<Depth> {
        let (name, now_ms) = (queue.to_string(), self.shared.clock.now_ms());
        self.view.readers().call(move |connection| table::depth(connection, &name, now_ms)).await
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
    if message.delay_ms > limits::DELAY_MAX_MS {
        return error(format!("the delay is {} ms, at most {}", message.delay_ms, limits::DELAY_MAX_MS));
    }
    Ok(())
}
