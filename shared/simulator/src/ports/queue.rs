//! Queues with SQS's semantics: standard ones in no order, with duplicates; first in, first out where a test wants that.
//! Here is what waits and travels, in `queues.rs` what is held.

use std::time::Duration;

use async_trait::async_trait;
use gantz_core::ids::QueueName;
use gantz_core::ports::{
    Depth, EntryError, JobQueue, Message, NewMessage, PortError, PortResult, Postponed, QueueLimits, Receipt,
    Receive,
};
use tokio::time::Instant;

use crate::faults::Fault;
use crate::process::Process;
use crate::world::{State, World};

pub(super) const LIMITS: QueueLimits = QueueLimits {
    batch: 10,
    body_bytes: 1024 * 1024,
    delay_ms: 15 * 60 * 1000,
    visibility_ms: 12 * 60 * 60 * 1000,
    delay_step_ms: 1,
    gather_ms: 0,
};
#[async_trait]
impl JobQueue for Process {
    fn limits(&self) -> QueueLimits {
        LIMITS
    }

    async fn send(
        &self,
        queue: &QueueName,
        messages: Vec<NewMessage>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        check("messages", messages.len(), LIMITS.batch)?;
        let bodies =
            messages.iter().map(|message| message.body.len()).filter(|len| *len <= LIMITS.body_bytes);
        check("bytes", bodies.sum(), LIMITS.body_bytes)?;
        let (queue, about) = (plain(queue), queue.to_string());
        let send =
            move |state: &mut State| messages.iter().map(|message| state.send(&queue, message)).collect();
        self.call("send", &about, send).await
    }

    async fn receive(&self, queue: &QueueName, ask: Receive) -> PortResult<Vec<Message>> {
        let queue = &plain(queue);
        self.go_on().await;
        self.travel().await;
        let deadline = Instant::now() + Duration::from_millis(ask.wait_ms);
        while visible(self.world(), queue, deadline).await {
            self.go_on().await;
            let messages = self.take(queue, ask).await?;
            if !messages.is_empty() {
                self.travel().await;
                return Ok(messages);
            }
        }
        self.go_on().await;
        Ok(vec![])
    }

    async fn delete(
        &self,
        queue: &QueueName,
        receipts: Vec<Receipt>,
    ) -> PortResult<Vec<Result<(), EntryError>>> {
        check("receipts", receipts.len(), LIMITS.batch)?;
        let (queue, about) = (plain(queue), queue.to_string());
        let delete =
            move |state: &mut State| receipts.iter().map(|receipt| state.delete(&queue, receipt)).collect();
        self.call("delete", &about, delete).await
    }

    async fn postpone(
        &self,
        queue: &QueueName,
        receipt: &Receipt,
        delay_ms: u64,
        why: Postponed,
    ) -> PortResult<()> {
        let (queue, receipt) = (plain(queue), receipt.clone());
        let about = format!("{queue} by {delay_ms} ms, {}", why.as_str());
        let postpone = move |state: &mut State| {
            state.make_visible_at(&queue, &receipt, state.now_ms + delay_ms);
        };
        self.call("postpone", &about, postpone).await
    }

    async fn extend(&self, queue: &QueueName, receipt: &Receipt, visibility_ms: u64) -> PortResult<bool> {
        let (queue, receipt, about) = (plain(queue), receipt.clone(), queue.to_string());
        let extend =
            move |state: &mut State| state.make_visible_at(&queue, &receipt, state.now_ms + visibility_ms);
        self.call("extend", &about, extend).await
    }

    async fn quarantine(&self, queue: &QueueName, message: &Message, reason: &str) -> PortResult<()> {
        let (queue, receipt, reason) = (plain(queue), message.receipt.clone(), reason.to_owned());
        let about = format!("{queue}: {reason}");
        let bury = move |state: &mut State| state.set_aside(&queue, &receipt, &reason);
        self.call("quarantine", &about, bury).await
    }

    async fn depth(&self, queue: &QueueName) -> PortResult<Depth> {
        let (queue, about) = (plain(queue), queue.to_string());
        self.call("depth", &about, move |state| state.queues.depth(&queue, state.now_ms)).await
    }
}

/// A queue that is first in, first out is one and the same under both of its names.
fn plain(queue: &QueueName) -> QueueName {
    match queue {
        QueueName::Fifo(queue) => plain(queue),
        other => other.clone(),
    }
}

/// Returns once there is a message to receive: true, or when nobody waits any longer: false.
pub(crate) async fn visible(world: &World, queue: &QueueName, deadline: Instant) -> bool {
    let arrived = world.with(|state| state.queues.arrived(queue));
    loop {
        let arrival = arrived.notified();
        tokio::pin!(arrival);
        arrival.as_mut().enable();
        let (next, now_ms) = world.with(|state| (state.queues.next_visible_ms(queue), state.now_ms));
        if next.is_some_and(|at_ms| at_ms <= now_ms) {
            return true;
        }
        let until = next.map(|at_ms| Instant::now() + Duration::from_millis(at_ms - now_ms));
        let wake = until.map_or(deadline, |until| until.min(deadline));
        if tokio::time::timeout_at(wake, arrival).await.is_err() && Instant::now() >= deadline {
            return false;
        }
    }
}

fn check(what: &str, found: usize, bound: usize) -> PortResult<()> {
    if found <= bound {
        return Ok(());
    }
    Err(PortError::Permanent(format!("{found} {what} in one call, at most {bound} are taken")))
}

impl Process {
    /// Takes what is visible. What goes wrong with a receive goes wrong only here: one that brings nothing is none.
    async fn take(&self, queue: &QueueName, ask: Receive) -> PortResult<Vec<Message>> {
        let fault = self.decide("receive", &queue.to_string());
        let world = self.world();
        match fault {
            None => Ok(world.with(|state| state.receive(queue, ask))),
            Some(Fault::Twice) => {
                let first = world.with(|state| state.receive(queue, ask));
                self.travel().await;
                let second = world.with(|state| state.receive(queue, ask));
                // Nothing new: a repeated receive of SQS answers as the first did, if it can.
                Ok(if second.is_empty() { first } else { second })
            }
            Some(fault) => {
                if matches!(fault, Fault::Lost | Fault::CrashAfter | Fault::Stalled) {
                    world.with(|state| state.receive(queue, ask));
                }
                Err(self.fail(fault).await)
            }
        }
    }
}
