//! Receiving: which messages, to whom.

use gantz_core::ports::{EntryError, Message, Receipt, Receive};
use rusqlite::Connection;

use super::queues::Queue;
use super::scope::Scope;
use super::table::{self, Change, Stored};
use crate::process::Epoch;

/// Messages in flight at once: what SQS allows on a standard queue. Receivers get nothing past it.
const IN_FLIGHT_MAX: usize = 120_000;

/// Who receives, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receiver {
    pub(super) process: Epoch,
    pub(super) now_ms: u64,
}

/// What one look at a queue gave.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) messages: Vec<Message>,
    /// Messages moved to the dead-letter queue.
    pub(super) buried: usize,
    /// Every message up to this one has been received by somebody, or has a time.
    pub(super) cursor: u64,
    /// Without a message: when the next one comes back by itself.
    pub(super) next_due_ms: Option<u64>,
}

/// Takes visible messages into flight: first those that came back, then fresh ones. Those received too often go to the
/// queue of dead letters instead.
pub(super) fn take(
    connection: &Connection,
    queue: &Queue,
    ask: Receive,
    to: Receiver,
    scope: Option<&Scope>,
) -> rusqlite::Result<Taken> {
    let room = ask.max.min(IN_FLIGHT_MAX.saturating_sub(table::held(connection, queue.number)?));
    let cursor = scope.map_or_else(|| queue.cursor(), |scope| scope.cursor(queue.number));
    let mut taken = Taken { cursor, ..Taken::default() };
    let mut change = Change::default();
    while taken.messages.len() < room {
        let wanted = room - taken.messages.len();
        let found = find(connection, queue, &mut taken.cursor, wanted, to.now_ms, scope)?;
        if found.is_empty() {
            break;
        }
        for stored in found {
            if let Some(dead) = queue.dead_letters().filter(|_| stored.receives >= queue.max_receives) {
                let reason = format!("received {} times and never deleted", stored.receives);
                let dead = table::number(connection, &dead.to_string())?;
                let from = table::key(queue.number, stored.sequence);
                table::transfer(connection, from, table::append(connection, dead)?, Some(&reason))?;
                change.leave(stored.standing);
                taken.buried += 1;
            } else {
                change.take(stored.standing);
                // Whoever takes its own out of turn does not move the queue on.
                if scope.is_none() {
                    change.served = change.served.max(stored.turn);
                }
                taken.messages.push(deliver(connection, queue, stored, to, ask.visibility_ms)?);
            }
        }
    }
    table::change(connection, queue.number, change)?;
    if taken.messages.is_empty() {
        taken.next_due_ms = table::next_due(connection, queue.number, to.now_ms)?;
    }
    Ok(taken)
}

fn find(
    connection: &Connection,
    queue: &Queue,
    cursor: &mut u64,
    room: usize,
    now_ms: u64,
    scope: Option<&Scope>,
) -> rusqlite::Result<Vec<Stored>> {
    let mut found = table::due(connection, queue.number, now_ms, room, scope.map(Scope::id))?;
    let wanted = room - found.len();
    if wanted > 0 {
        found.extend(match scope {
            None => in_turn(connection, queue, cursor, wanted)?,
            Some(scope) => of_scope(connection, queue, cursor, wanted, scope)?,
        });
    }
    Ok(found)
}

/// Fresh messages in the order of their turns.
fn in_turn(
    connection: &Connection,
    queue: &Queue,
    cursor: &mut u64,
    wanted: usize,
) -> rusqlite::Result<Vec<Stored>> {
    let fresh = table::fresh(connection, queue.number, *cursor, wanted)?;
    let ahead = table::ahead(connection, queue.number, wanted)?;
    let mut found = if ahead.is_empty() { fresh } else { merged(fresh, ahead) };
    found.truncate(wanted);
    // Those ahead are found without the cursor, wherever they are.
    if let Some(last) = found.iter().rfind(|stored| !stored.is_ahead) {
        *cursor = last.sequence;
    }
    Ok(found)
}

/// Both in the order of their turns. The fresh ones keep their own order whatever their turns say, as the cursor must
/// not pass one that stays: those that came from another queue have none.
fn merged(fresh: Vec<Stored>, ahead: Vec<Stored>) -> Vec<Stored> {
    let mut merged = Vec::with_capacity(fresh.len() + ahead.len());
    let mut ahead = ahead.into_iter().peekable();
    for stored in fresh {
        while let Some(first) =
            ahead.next_if(|first| (first.turn, first.sequence) < (stored.turn, stored.sequence))
        {
            merged.push(first);
        }
        merged.push(stored);
    }
    merged.extend(ahead);
    merged
}

fn of_scope(
    connection: &Connection,
    queue: &Queue,
    cursor: &mut u64,
    wanted: usize,
    scope: &Scope,
) -> rusqlite::Result<Vec<Stored>> {
    let fresh = table::fresh_of(connection, queue.number, *cursor, wanted, scope.id())?;
    *cursor = match fresh.last() {
        Some(last) if fresh.len() == wanted => last.sequence,
        // All that are there now were looked at, others' messages among them.
        _ => table::last(connection, queue.number)?,
    };
    Ok(fresh)
}

fn deliver(
    connection: &Connection,
    queue: &Queue,
    stored: Stored,
    to: Receiver,
    visibility_ms: u64,
) -> rusqlite::Result<Message> {
    let (receives, until_ms) = (stored.receives + 1, to.now_ms + visibility_ms.max(1));
    table::deliver(connection, table::key(queue.number, stored.sequence), receives, to.process, until_ms)?;
    let receipt = Receipt(format!("{}.{receives}", stored.sequence));
    Ok(Message { receipt, receives, ..stored.message })
}

/// A delivery: the place of its message in the queue, and which one it is of that message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivered {
    pub(super) sequence: u64,
    pub(super) receives: u32,
}

/// The delivery that a receipt stands for.
pub(super) fn parse(receipt: &Receipt) -> Result<Delivered, EntryError> {
    let parts = receipt.0.split_once('.').and_then(|(sequence, receives)| {
        Some(Delivered { sequence: sequence.parse().ok()?, receives: receives.parse().ok()? })
    });
    parts.filter(|delivered| delivered.sequence < table::SEQUENCES).ok_or_else(|| EntryError {
        code: "ReceiptHandleIsInvalid".into(),
        message: format!("`{}` is no receipt of this queue", receipt.0.chars().take(80).collect::<String>()),
        sender_fault: true,
    })
}
