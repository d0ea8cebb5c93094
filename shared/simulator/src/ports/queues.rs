//! What queues hold, and how it changes: everything about messages that needs no waiting.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gantz_core::envelope::Envelope;
use gantz_core::ids::{JobId, QueueName};
use gantz_core::ports::{Depth, EntryError, Message, NewMessage, Receipt, Receive};
use gantz_testkit::random::Random;
use tokio::sync::Notify;

use super::events;
use super::queue::LIMITS;
use crate::world::{Mutation, State};

/// A deleted message that comes back does so within this time.
const COMES_BACK_WITHIN_MS: u64 = 60_000;

/// All queues, by name.
#[derive(Default)]
pub(crate) struct Queues {
    by_name: HashMap<QueueName, Queue>,
    /// Messages of each job, in all queues.
    copies: HashMap<JobId, u64>,
    last: u64,
}

#[derive(Default)]
struct Queue {
    messages: BTreeMap<u64, Stored>,
    arrived: Arc<Notify>,
    /// Where messages have groups, and those of one come in order.
    is_fifo: bool,
}

/// A message as the queue keeps it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The body.
    pub body: String,
    /// The job that it is about, if it is a job's.
    pub job: Option<JobId>,
    /// How often it was received.
    pub receives: u32,
    /// When it can next be received, milliseconds since the epoch.
    pub visible_at_ms: u64,
    /// Whose turn it waits for, in a queue that is first in, first out.
    pub group: Option<String>,
    id: String,
    sent_at_ms: u64,
    receipt: u64,
    dead_reason: Option<String>,
}

impl Queues {
    pub(super) fn arrived(&mut self, queue: &QueueName) -> Arc<Notify> {
        Arc::clone(&self.by_name.entry(queue.clone()).or_default().arrived)
    }

    /// When the next message can be received that can be received at all.
    pub(super) fn next_visible_ms(&self, queue: &QueueName) -> Option<u64> {
        let queue = self.by_name.get(queue)?;
        let free = queue.messages.iter().filter(|(number, _)| queue.is_its_turn(**number));
        free.map(|(_, message)| message.visible_at_ms).min()
    }

    pub(crate) fn depth(&self, queue: &QueueName, now_ms: u64) -> Depth {
        let mut depth = Depth::default();
        for message in self.by_name.get(queue).into_iter().flat_map(|queue| queue.messages.values()) {
            if message.visible_at_ms <= now_ms {
                depth.visible += 1;
            } else if message.receipt > 0 {
                depth.in_flight += 1;
            } else {
                depth.delayed += 1;
            }
        }
        depth
    }

    /// The messages of a queue.
    pub(crate) fn messages(&self, queue: &QueueName) -> impl Iterator<Item = &Stored> {
        self.by_name.get(queue).into_iter().flat_map(|queue| queue.messages.values())
    }

    /// The group of a message that was received.
    pub(crate) fn group(&self, queue: &QueueName, receipt: &Receipt) -> Option<String> {
        let number = self.current(queue, receipt)?;
        self.by_name.get(queue)?.messages.get(&number)?.group.clone()
    }

    pub(crate) fn make_fifo(&mut self, queue: &QueueName) {
        self.by_name.entry(queue.clone()).or_default().is_fifo = true;
    }

    fn insert(&mut self, queue: &QueueName, message: Stored) {
        self.last += 1;
        if let Some(job) = &message.job {
            *self.copies.entry(job.clone()).or_default() += 1;
        }
        let queue = self.by_name.entry(queue.clone()).or_default();
        queue.messages.insert(self.last, message);
        queue.arrived.notify_waiters();
    }

    fn remove(&mut self, queue: &QueueName, number: u64) -> Option<Stored> {
        let message = self.by_name.get_mut(queue)?.messages.remove(&number)?;
        if let Some(copies) = message.job.as_ref().and_then(|job| self.copies.get_mut(job)) {
            *copies -= 1;
        }
        Some(message)
    }

    fn copies(&self, job: &JobId) -> u64 {
        self.copies.get(job).copied().unwrap_or(0)
    }

    /// The number of the message, if the receipt is its last one.
    fn current(&self, queue: &QueueName, receipt: &Receipt) -> Option<u64> {
        let (number, receipt) = receipt.0.split_once('.')?;
        let number = number.parse().ok()?;
        let message = self.by_name.get(queue)?.messages.get(&number)?;
        (message.receipt == receipt.parse::<u64>().ok()?).then_some(number)
    }
}

impl Queue {
    /// In a queue that is first in, first out, nobody overtakes his own group.
    fn is_its_turn(&self, number: u64) -> bool {
        if !self.is_fifo {
            return true;
        }
        let Some(message) = self.messages.get(&number) else { return false };
        !self.messages.range(..number).any(|(_, earlier)| earlier.group == message.group)
    }
}

impl State {
    /// Sends a message, in a group of its tenant's if the queue has groups.
    pub(crate) fn send(&mut self, queue: &QueueName, message: &NewMessage) -> Result<(), EntryError> {
        let too = |code: &str, bound: u64| {
            let message = format!("more than {bound}");
            Err(EntryError { code: code.into(), message, sender_fault: true })
        };
        if message.body.len() > LIMITS.body_bytes {
            return too("BodyTooLong", LIMITS.body_bytes as u64);
        }
        if message.delay_ms > LIMITS.delay_ms {
            return too("DelayTooLong", LIMITS.delay_ms);
        }
        if self.faults.refuses_entry(&mut self.random) {
            return Err(events::refused());
        }
        let is_lane = matches!(queue, QueueName::Lane(_));
        if is_lane && self.settings.mutation == Some(Mutation::LostMessage) && self.random.one_in(4) {
            return Ok(());
        }
        let job = Envelope::parse(&message.body).ok().map(|envelope| envelope.job);
        let has_groups = self.queues.by_name.get(queue).is_some_and(|queue| queue.is_fifo);
        let group = job.as_ref().filter(|_| has_groups).map(|job| job.tenant.to_string());
        let job = job.map(|job| job.id);
        self.queues.insert(
            queue,
            Stored {
                body: message.body.clone(),
                job,
                receives: 0,
                visible_at_ms: self.now_ms + message.delay_ms,
                group,
                id: format!("m{}", self.queues.last + 1),
                sent_at_ms: self.now_ms,
                receipt: 0,
                dead_reason: None,
            },
        );
        Ok(())
    }

    pub(crate) fn receive(&mut self, queue: &QueueName, ask: Receive) -> Vec<Message> {
        let now_ms = self.now_ms;
        let Some(found) = self.queues.by_name.get(queue) else { return vec![] };
        let is_fifo = found.is_fifo;
        let mut visible: Vec<u64> = found
            .messages
            .iter()
            .filter(|(_, message)| message.visible_at_ms <= now_ms)
            .map(|(number, _)| *number)
            .collect();
        let mut received = Vec::new();
        while received.len() < ask.max && !visible.is_empty() {
            let place = if is_fifo { 0 } else { usize_below(&mut self.random, visible.len()) };
            let number = if is_fifo { visible.remove(place) } else { visible.swap_remove(place) };
            if is_fifo && !self.is_first_or_follows(queue, number, &received) {
                continue;
            }
            if self.is_worn_out(queue, number) {
                self.bury(queue, number, None);
                continue;
            }
            let is_shared = self.faults.duplicates(&mut self.random);
            let Some(message) =
                self.queues.by_name.get_mut(queue).and_then(|queue| queue.messages.get_mut(&number))
            else {
                continue;
            };
            message.receives += 1;
            message.receipt += 1;
            if !is_shared {
                message.visible_at_ms = now_ms + ask.visibility_ms;
            }
            received.push((
                number,
                Message {
                    id: message.id.clone(),
                    receipt: Receipt(format!("{number}.{}", message.receipt)),
                    body: message.body.clone(),
                    receives: message.receives,
                    sent_at_ms: message.sent_at_ms,
                    dead_reason: message.dead_reason.clone(),
                },
            ));
        }
        received.into_iter().map(|(_, message)| message).collect()
    }

    /// Whether everything before it in its group is in the same batch.
    fn is_first_or_follows(&self, queue: &QueueName, number: u64, received: &[(u64, Message)]) -> bool {
        let Some(queue) = self.queues.by_name.get(queue) else { return false };
        let Some(message) = queue.messages.get(&number) else { return false };
        let mut earlier = queue.messages.range(..number).filter(|(_, other)| other.group == message.group);
        earlier.all(|(number, _)| received.iter().any(|(taken, _)| taken == number))
    }

    fn is_worn_out(&self, queue: &QueueName, number: u64) -> bool {
        let message = self.queues.by_name.get(queue).and_then(|queue| queue.messages.get(&number));
        matches!(queue, QueueName::Lane(_))
            && message.is_some_and(|message| message.receives >= self.settings.max_receives)
    }

    pub(super) fn delete(&mut self, queue: &QueueName, receipt: &Receipt) -> Result<(), EntryError> {
        if self.faults.refuses_entry(&mut self.random) {
            return Err(events::refused());
        }
        let Some(number) = self.queues.current(queue, receipt) else { return Ok(()) };
        self.check_deletion(queue, number);
        if self.faults.spares_deleted(&mut self.random) {
            let visible_at_ms = self.now_ms + self.random.below(COMES_BACK_WITHIN_MS);
            if let Some(message) =
                self.queues.by_name.get_mut(queue).and_then(|queue| queue.messages.get_mut(&number))
            {
                message.visible_at_ms = visible_at_ms;
                message.receipt += 1;
            }
            return Ok(());
        }
        self.queues.remove(queue, number);
        if self.settings.mutation == Some(Mutation::AckBeforePublish) {
            for event in std::mem::take(&mut self.unpublished) {
                events::keep(self, event);
            }
        }
        Ok(())
    }

    /// What is deleted must have been said: the message is all that would say it again.
    fn check_deletion(&mut self, queue: &QueueName, number: u64) {
        let Some(message) = self.queues.by_name.get(queue).and_then(|queue| queue.messages.get(&number))
        else {
            return;
        };
        let Some(job) = message.job.clone() else { return };
        let others = self.queues.copies(&job) - 1;
        // A dead letter may go once its message is back in its lane.
        let may_go = matches!(queue, QueueName::Dead(_)) && others > 0;
        let row = self.rows.get(&job);
        self.observer.message_deleted(&job, row, may_go, self.now_ms);
    }

    pub(super) fn make_visible_at(&mut self, queue: &QueueName, receipt: &Receipt, at_ms: u64) -> bool {
        let Some(number) = self.queues.current(queue, receipt) else { return false };
        let Some(queue) = self.queues.by_name.get_mut(queue) else { return false };
        let Some(message) = queue.messages.get_mut(&number) else { return false };
        message.visible_at_ms = at_ms;
        queue.arrived.notify_waiters();
        true
    }

    pub(super) fn set_aside(&mut self, queue: &QueueName, receipt: &Receipt, reason: &str) {
        if let Some(number) = self.queues.current(queue, receipt) {
            self.bury(queue, number, Some(reason));
        }
    }

    /// Moves a message to where its queue's outcasts go.
    fn bury(&mut self, queue: &QueueName, number: u64, reason: Option<&str>) {
        let Some(grave) = queue.aside() else { return };
        self.note("queue", || format!("m{number} of {queue} goes to {grave}"));
        let now_ms = self.now_ms;
        if let Some(message) = self.queues.remove(queue, number) {
            let dead_reason = reason.map(str::to_owned).or(message.dead_reason);
            self.queues.insert(
                &grave,
                Stored { receives: 0, receipt: 0, visible_at_ms: now_ms, dead_reason, ..message },
            );
        }
    }
}

fn usize_below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}
