//! Who holds which message, and what comes next.
//!
//! Fresh messages are read from the table in the order of their keys, behind a cursor. What comes back (postponed by
//! nothing, or not deleted in time) waits in `returned`; what is delayed waits in the table, by its time.
//!
//! Operations change this within the group of writes that changes the table, so the two are undone together: [`Undo`].

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use gantz_core::ports::{Depth, EntryError, Message, NewMessage, Postponed, Receipt, Receive};
use rusqlite::Connection;

use super::queues::Queue;
use super::table;
use super::undo::Undo;
use crate::notes;

/// Messages in flight at once: what SQS allows on a standard queue. Receivers get nothing past it.
const IN_FLIGHT_MAX: usize = 120_000;

/// Somebody holds a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    delivery: u64,
    until_ms: u64,
}

/// What one call of [`State::take`] did.
pub(super) struct Taken {
    pub(super) messages: Vec<Message>,
    /// Messages moved to the dead-letter queue.
    pub(super) buried: usize,
}

pub(super) struct State {
    last_sequence: u64,
    cursor: u64,
    deliveries: u64,
    in_flight: HashMap<u64, Flight>,
    expiry: BinaryHeap<Reverse<(u64, u64, u64)>>,
    returned: BTreeSet<u64>,
    next_delayed_ms: Option<u64>,
    messages: u64,
    delayed: u64,
    /// Unless the table is as the last commit left it.
    undo: Option<Undo>,
}

impl State {
    pub(super) fn new(last_sequence: u64, messages: u64, delayed: u64, next_delayed_ms: Option<u64>) -> Self {
        Self {
            last_sequence,
            cursor: 0,
            deliveries: 0,
            in_flight: HashMap::new(),
            expiry: BinaryHeap::new(),
            returned: BTreeSet::new(),
            next_delayed_ms,
            messages,
            delayed,
            undo: None,
        }
    }

    /// The group of writes is committed.
    pub(super) fn keep(&mut self) {
        self.undo = None;
    }

    /// The group of writes was undone. Says whether it had changed anything.
    pub(super) fn take_back(&mut self) -> bool {
        let Some(undo) = self.undo.take() else { return false };
        (self.messages, self.delayed) = (undo.messages, undo.delayed);
        self.next_delayed_ms = undo.next_delayed_ms;
        for sequence in undo.delivered {
            self.in_flight.remove(&sequence);
            self.returned.remove(&sequence);
        }
        self.returned.extend(undo.found);
        // Last: what was let go may have been found and delivered within the same group.
        for (sequence, flight) in undo.let_go {
            self.returned.remove(&sequence);
            self.fly(sequence, flight);
        }
        true
    }

    /// To be called before the group of writes changes anything.
    fn changing(&mut self) -> &mut Undo {
        let (messages, delayed, next_delayed_ms) = (self.messages, self.delayed, self.next_delayed_ms);
        self.undo.get_or_insert_with(|| Undo::new(messages, delayed, next_delayed_ms))
    }

    /// Counted as messages come and go: a count of rows would take longer the more there are.
    pub(super) fn depth(&self) -> Depth {
        let in_flight = self.in_flight.len() as u64;
        let visible = self.messages.saturating_sub(self.delayed + in_flight);
        Depth { visible, in_flight, delayed: self.delayed }
    }

    /// When something may become visible without anybody sending it.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let expiring = self.expiry.peek().map(|Reverse((until_ms, ..))| *until_ms);
        [expiring, self.next_delayed_ms].into_iter().flatten().min()
    }

    pub(super) fn send(
        &mut self,
        connection: &Connection,
        queue: &Queue,
        message: &NewMessage,
        now_ms: u64,
    ) -> rusqlite::Result<()> {
        self.changing();
        self.last_sequence += 1;
        let key = table::key(queue.number, self.last_sequence);
        let visible_at_ms = if message.delay_ms == 0 { 0 } else { now_ms + message.delay_ms };
        self.expect_delayed(visible_at_ms);
        self.messages += 1;
        table::insert(connection, key, &message.body, now_ms, visible_at_ms)
    }

    /// Takes visible messages into flight; those received too often go to `dead` instead.
    pub(super) fn take(
        &mut self,
        connection: &Connection,
        queue: &Queue,
        dead: Option<&Queue>,
        ask: Receive,
        now_ms: u64,
    ) -> rusqlite::Result<Taken> {
        self.expire(now_ms);
        self.changing();
        let mut taken = Taken { messages: Vec::new(), buried: 0 };
        while taken.messages.len() < ask.max && self.in_flight.len() < IN_FLIGHT_MAX {
            let room = ask.max - taken.messages.len();
            let found = self.find(connection, queue, room, now_ms)?;
            if found.is_empty() {
                break;
            }
            for stored in found {
                match dead {
                    Some(dead) if stored.receives >= queue.max_receives => {
                        let reason = format!("received {} times and never deleted", stored.receives);
                        let key = table::key(queue.number, stored.sequence);
                        dead.state().adopt(connection, key, dead, Some(&reason))?;
                        self.messages = self.messages.saturating_sub(1);
                        taken.buried += 1;
                    }
                    _ => {
                        let until_ms = now_ms + ask.visibility_ms;
                        taken.messages.push(self.deliver(connection, queue, stored, until_ms)?);
                    }
                }
            }
        }
        Ok(taken)
    }

    /// Appends a message of another queue to this one; with a reason if this is where dead letters go.
    pub(super) fn adopt(
        &mut self,
        connection: &Connection,
        from_key: i64,
        this: &Queue,
        dead_reason: Option<&str>,
    ) -> rusqlite::Result<()> {
        self.changing();
        self.last_sequence += 1;
        self.messages += 1;
        table::transfer(connection, from_key, table::key(this.number, self.last_sequence), dead_reason)
    }

    /// The message that a receipt stands for, while it is current.
    pub(super) fn held(&self, receipt: &Receipt) -> Option<u64> {
        let (sequence, delivery) = parse(receipt).ok()?;
        self.in_flight.get(&sequence).filter(|flight| flight.delivery == delivery).map(|_| sequence)
    }

    /// Makes a message that nobody saw visible again.
    pub(super) fn release(&mut self, receipt: &Receipt) {
        if let Some(sequence) = self.held(receipt) {
            self.in_flight.remove(&sequence);
            self.give_back(sequence);
        }
    }

    /// A message that somebody held, or nobody, has left the queue; `delayed` if its time had not come.
    pub(super) fn forget(&mut self, sequence: u64, delayed: bool) {
        self.changing();
        if !self.let_go(sequence) && self.returned.remove(&sequence) {
            self.changing().found.push(sequence);
        }
        self.messages = self.messages.saturating_sub(1);
        self.delayed = self.delayed.saturating_sub(u64::from(delayed));
    }

    /// Says whether somebody held the message.
    fn let_go(&mut self, sequence: u64) -> bool {
        let Some(flight) = self.in_flight.remove(&sequence) else { return false };
        self.changing().let_go.push((sequence, flight));
        true
    }

    /// Says whether the message is visible at once.
    pub(super) fn postpone(
        &mut self,
        connection: &Connection,
        queue: &Queue,
        receipt: &Receipt,
        now_ms: u64,
        until_ms: u64,
        why: &Postponed,
    ) -> rusqlite::Result<bool> {
        let Some(sequence) = self.held(receipt) else { return Ok(false) };
        let key = table::key(queue.number, sequence);
        // A retry is told by the job's row.
        if *why != Postponed::Retry {
            notes::add(connection, key, now_ms, until_ms, why)?;
        }
        self.changing();
        self.let_go(sequence);
        if until_ms <= now_ms {
            self.give_back(sequence);
            return Ok(true);
        }
        table::delay(connection, key, until_ms)?;
        self.expect_delayed(until_ms);
        // Whoever waits for the next due message may have to wake earlier than planned.
        Ok(self.next_delayed_ms == Some(until_ms))
    }

    pub(super) fn extend(&mut self, receipt: &Receipt, until_ms: u64) -> bool {
        let Ok((sequence, delivery)) = parse(receipt) else { return false };
        if self.held(receipt).is_none() {
            return false;
        }
        self.fly(sequence, Flight { delivery, until_ms });
        true
    }

    fn fly(&mut self, sequence: u64, flight: Flight) {
        self.in_flight.insert(sequence, flight);
        self.expiry.push(Reverse((flight.until_ms, sequence, flight.delivery)));
    }

    fn expect_delayed(&mut self, visible_at_ms: u64) {
        if visible_at_ms > 0 {
            self.delayed += 1;
            self.next_delayed_ms =
                Some(self.next_delayed_ms.map_or(visible_at_ms, |next| next.min(visible_at_ms)));
        }
    }

    /// Takes back what was in flight for too long.
    fn expire(&mut self, now_ms: u64) {
        while let Some(&Reverse((until_ms, sequence, delivery))) = self.expiry.peek() {
            if until_ms > now_ms {
                break;
            }
            self.expiry.pop();
            let over = self.in_flight.get(&sequence).is_some_and(|flight| {
                // The entry of an extended flight is out of date: a later one stands for it.
                flight.delivery == delivery && flight.until_ms <= now_ms
            });
            if over {
                self.in_flight.remove(&sequence);
                self.give_back(sequence);
            }
        }
    }

    /// What the cursor has not reached yet will be found there.
    fn give_back(&mut self, sequence: u64) {
        if sequence <= self.cursor {
            self.returned.insert(sequence);
        }
    }

    fn find(
        &mut self,
        connection: &Connection,
        queue: &Queue,
        room: usize,
        now_ms: u64,
    ) -> rusqlite::Result<Vec<table::Stored>> {
        if self.next_delayed_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            let due = table::due(connection, queue.number, now_ms, room)?;
            if !due.is_empty() {
                self.delayed = self.delayed.saturating_sub(due.len() as u64);
                return Ok(due);
            }
            self.next_delayed_ms = table::next_due(connection, queue.number)?;
        }
        while let Some(sequence) = self.returned.pop_first() {
            if let Some(stored) = table::get(connection, table::key(queue.number, sequence))? {
                self.changing().found.push(sequence);
                return Ok(vec![stored]);
            }
        }
        loop {
            let mut fresh = table::behind(connection, queue.number, self.cursor, room)?;
            let Some(last) = fresh.last() else { return Ok(fresh) };
            self.cursor = last.sequence;
            fresh.retain(|stored| !self.in_flight.contains_key(&stored.sequence));
            if !fresh.is_empty() {
                self.changing().found.extend(fresh.iter().map(|stored| stored.sequence));
                return Ok(fresh);
            }
        }
    }

    fn deliver(
        &mut self,
        connection: &Connection,
        queue: &Queue,
        stored: table::Stored,
        until_ms: u64,
    ) -> rusqlite::Result<Message> {
        let receives = stored.receives + 1;
        table::delivered(connection, table::key(queue.number, stored.sequence), receives)?;
        self.deliveries += 1;
        let delivery = self.deliveries;
        self.fly(stored.sequence, Flight { delivery, until_ms });
        self.changing().delivered.push(stored.sequence);
        let receipt = Receipt(format!("{}.{delivery}", stored.sequence));
        Ok(Message { receipt, receives, ..stored.message })
    }
}

/// The message and the delivery that a receipt names.
pub(super) fn parse(receipt: &Receipt) -> Result<(u64, u64), EntryError> {
    let parts = receipt
        .0
        .split_once('.')
        .and_then(|(sequence, delivery)| Some((sequence.parse().ok()?, delivery.parse().ok()?)));
    parts.ok_or_else(|| EntryError {
        code: "ReceiptHandleIsInvalid".into(),
        message: format!("`{}` is no receipt of this queue", receipt.0.chars().take(80).collect::<String>()),
        sender_fault: true,
    })
}
