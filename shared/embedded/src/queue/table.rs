//! The rows of messages and of queues.
//!
//! A row says where its message stands:
//!
//! | `visible_at` | `holder` | |
//! |---|---|---|
//! | 0 | none | never received, not delayed: found in the order of keys, behind a cursor |
//! | a time | none | delayed, or given back: found by its time |
//! | a time | a process | received; once that time has come it is found like one that was given back |
//!
//! Fresh messages wait for their turns, as `fair.rs` gives them. A queue's row counts its messages, so that no depth has to
//! be asked of the messages.

use gantz_core::ids::JobId;
use gantz_core::ports::{Depth, Message, Receipt};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fair::Place;
use crate::process::Epoch;

/// The low bits of a key.
const SEQUENCE_BITS: u32 = 40;
/// Messages a queue can ever have had.
pub(super) const SEQUENCES: u64 = 1 << SEQUENCE_BITS;
/// Messages whose time has come that are counted as visible; any beyond it count as what they were before.
const DUE_COUNTED_MAX: u32 = 1_000;

/// The key of a queue's message.
pub(super) fn key(queue: i64, sequence: u64) -> i64 {
    queue << SEQUENCE_BITS | i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// How far a key is shifted to give its queue's number.
pub(super) const fn shift() -> u32 {
    SEQUENCE_BITS
}

fn sequence(key: i64) -> u64 {
    u64::try_from(key & ((1 << SEQUENCE_BITS) - 1)).unwrap_or(0)
}

/// A message's row, without the receipt that only a delivery has.
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) receives: u32,
    pub(super) standing: Standing,
    pub(super) turn: u64,
    pub(super) is_ahead: bool,
    pub(super) message: Message,
}

/// Which of a queue's counts a message is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Never received, and not delayed.
    Fresh,
    /// It waits for its time, or that has come.
    Delayed,
    /// Somebody holds it, or held it for too long.
    Held,
}

/// How a queue's counts change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) messages: i64,
    pub(super) held: i64,
    pub(super) delayed: i64,
    /// The latest turn that was received.
    pub(super) served: u64,
}

impl Change {
    /// A message is received.
    pub(super) fn take(&mut self, from: Standing) {
        self.leave(from);
        self.messages += 1;
        self.held += 1;
    }

    /// A message leaves the queue.
    pub(super) fn leave(&mut self, from: Standing) {
        self.messages -= 1;
        match from {
            Standing::Fresh => {}
            Standing::Delayed => self.delayed -= 1,
            Standing::Held => self.held -= 1,
        }
    }
}

/// The queue's number, given to it when it is first used.
pub(super) fn number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    match find_number(connection, name)? {
        Some(number) => Ok(number),
        None => connection.prepare_cached("INSERT INTO queues (name) VALUES (?1)")?.insert([name]),
    }
}

fn find_number(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut find = connection.prepare_cached("SELECT number FROM queues WHERE name = ?1")?;
    find.query_row([name], |row| row.get(0)).optional()
}

/// The key of a message that joins the queue's end without a turn, and is counted.
pub(super) fn append(connection: &Connection, queue: i64) -> rusqlite::Result<i64> {
    let mut end = connection.prepare_cached(
        "UPDATE queues SET last = last + 1, messages = messages + 1 WHERE number = ?1 RETURNING last",
    )?;
    Ok(key(queue, end.query_row([queue], |row| row.get(0))?))
}

pub(super) fn change(connection: &Connection, queue: i64, change: Change) -> rusqlite::Result<()> {
    if change != Change::default() {
        let Change { messages, held, delayed, served } = change;
        connection
            .prepare_cached(
                "UPDATE queues SET messages = messages + ?2, held = held + ?3, delayed = delayed + ?4, \
                 served = max(served, ?5) WHERE number = ?1",
            )?
            .execute(params![queue, messages, held, delayed, served])?;
    }
    Ok(())
}

/// Messages of the queue that somebody holds.
pub(super) fn held(connection: &Connection, queue: i64) -> rusqlite::Result<usize> {
    let mut held = connection.prepare_cached("SELECT max(held, 0) FROM queues WHERE number = ?1")?;
    held.query_row([queue], |row| row.get(0))
}

/// How much is on the queue of that name.
pub(super) fn depth(connection: &Connection, name: &str, now_ms: u64) -> rusqlite::Result<Depth> {
    let mut counts = connection.prepare_cached(
        "SELECT number, max(messages, 0), max(held, 0), max(delayed, 0) FROM queues WHERE name = ?1",
    )?;
    let counts = counts
        .query_row([name], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?, row.get::<_, u64>(3)?))
        })
        .optional()?;
    let Some((number, messages, held, delayed)) = counts else { return Ok(Depth::default()) };
    let (expired, due) = if held + delayed == 0 { (0, 0) } else { due_count(connection, number, now_ms)? };
    let (held, delayed) = (held.saturating_sub(expired), delayed.saturating_sub(due));
    Ok(Depth { visible: messages.saturating_sub(held + delayed), in_flight: held, delayed })
}

/// Messages whose time has come: those that somebody held, and the others.
fn due_count(connection: &Connection, queue: i64, now_ms: u64) -> rusqlite::Result<(u64, u64)> {
    connection
        .prepare_cached(
            "SELECT count(holder), count(*) - count(holder) FROM (SELECT holder FROM messages \
             WHERE key >> 40 = ?1 AND visible_at > 0 AND visible_at <= ?2 LIMIT ?3)",
        )?
        .query_row(params![queue, now_ms, DUE_COUNTED_MAX], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn insert(
    connection: &Connection,
    queue: i64,
    place: Place,
    body: &str,
    now_ms: u64,
    visible_at_ms: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO messages (key, visible_at, receives, sent_at, body, turn, ahead) \
             VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            key(queue, place.sequence),
            visible_at_ms,
            now_ms,
            body,
            place.turn,
            place.is_ahead
        ])?;
    Ok(())
}

/// A query for whole messages.
macro_rules! select {
    ($($condition:expr),+) => {
        concat!(
            "SELECT key, receives, sent_at, body, dead_reason, visible_at > 0, holder IS NOT NULL, turn, ahead \
             FROM messages WHERE ",
            $($condition),+
        )
    };
}

/// The end of a query's condition: only messages of the job or batch `?4`, by what their bodies say. Most bodies are told
/// apart without reading them as JSON.
macro_rules! of_one {
    () => {
        " AND instr(body, ?4) > 0 AND CASE WHEN json_valid(body) THEN ?4 IN (json_extract(body, '$.job_id'), \
         json_extract(body, '$.parent'), json_extract(body, '$.batch_id')) END"
    };
}

/// Fresh messages behind `after` that are not ahead of others, oldest first.
pub(super) fn fresh(
    connection: &Connection,
    queue: i64,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Stored>> {
    let (from, to) = (key(queue, after), key(queue + 1, 0));
    connection
        .prepare_cached(select!(
            "key > ?1 AND key < ?2 AND visible_at = 0 AND ahead = 0",
            " ORDER BY key LIMIT ?3"
        ))?
        .query_map(params![from, to, limit], stored)?
        .collect()
}

/// Fresh messages that are ahead of others, in the order of their turns.
pub(super) fn ahead(connection: &Connection, queue: i64, limit: usize) -> rusqlite::Result<Vec<Stored>> {
    connection
        .prepare_cached(select!(
            "key >> 40 = ?1 AND ahead = 1 AND visible_at = 0",
            " ORDER BY turn, key LIMIT ?2"
        ))?
        .query_map(params![queue, limit], stored)?
        .collect()
}

/// Fresh messages of one job or batch behind `after`, oldest first: among its own no turn matters.
pub(super) fn fresh_of(
    connection: &Connection,
    queue: i64,
    after: u64,
    limit: usize,
    only: &JobId,
) -> rusqlite::Result<Vec<Stored>> {
    let (from, to) = (key(queue, after), key(queue + 1, 0));
    connection
        .prepare_cached(select!(
            "key > ?1 AND key < ?2 AND visible_at = 0",
            of_one!(),
            " ORDER BY key LIMIT ?3"
        ))?
        .query_map(params![from, to, limit, only.as_str()], stored)?
        .collect()
}

/// Messages whose time has come, earliest first; only those of one job or batch, if one is given.
pub(super) fn due(
    connection: &Connection,
    queue: i64,
    now_ms: u64,
    limit: usize,
    only: Option<&JobId>,
) -> rusqlite::Result<Vec<Stored>> {
    match only {
        None => connection
            .prepare_cached(select!(
                "key >> 40 = ?1 AND visible_at > 0 AND visible_at <= ?2",
                " ORDER BY visible_at LIMIT ?3"
            ))?
            .query_map(params![queue, now_ms, limit], stored)?
            .collect(),
        Some(only) => connection
            .prepare_cached(select!(
                "key >> 40 = ?1 AND visible_at > 0 AND visible_at <= ?2",
                of_one!(),
                " ORDER BY visible_at LIMIT ?3"
            ))?
            .query_map(params![queue, now_ms, limit, only.as_str()], stored)?
            .collect(),
    }
}

/// The end of a queue: whatever comes has a higher sequence.
pub(super) fn last(connection: &Connection, queue: i64) -> rusqlite::Result<u64> {
    let mut last = connection.prepare_cached("SELECT last FROM queues WHERE number = ?1")?;
    last.query_row([queue], |row| row.get(0))
}

/// When the next message comes back by itself, after now.
pub(super) fn next_due(connection: &Connection, queue: i64, now_ms: u64) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached(
            "SELECT visible_at FROM messages WHERE key >> 40 = ?1 AND visible_at > max(?2, 0) \
             ORDER BY visible_at LIMIT 1",
        )?
        .query_row(params![queue, now_ms], |row| row.get(0))
        .optional()
}

/// Whatever the row holds: a queue must not stop at a damaged message. Whoever receives it finds a body that says
/// nothing, and sets it aside.
fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let key: i64 = row.get(0)?;
    let receives = u32::try_from(integer(row, 1)?).unwrap_or(0);
    let message = Message {
        id: format!("{key:x}"),
        receipt: Receipt(String::new()),
        body: text(row, 3)?.unwrap_or_default(),
        receives,
        sent_at_ms: u64::try_from(integer(row, 2)?).unwrap_or(0),
        dead_reason: text(row, 4)?,
    };
    Ok(Stored {
        sequence: sequence(key),
        receives,
        standing: standing(row, 5)?,
        turn: u64::try_from(integer(row, 7)?).unwrap_or(0),
        is_ahead: integer(row, 8)? == 1,
        message,
    })
}

/// From the two columns `visible_at > 0` and `holder IS NOT NULL`.
fn standing(row: &Row<'_>, column: usize) -> rusqlite::Result<Standing> {
    Ok(match (row.get(column)?, row.get(column + 1)?) {
        (_, true) => Standing::Held,
        (true, false) => Standing::Delayed,
        (false, false) => Standing::Fresh,
    })
}

fn integer(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    Ok(row.get_ref(column)?.as_i64().unwrap_or(0))
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let bytes = row.get_ref(column)?.as_bytes().ok();
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// Counts a delivery to that process, which holds the message until then.
pub(super) fn deliver(
    connection: &Connection,
    key: i64,
    receives: u32,
    holder: Epoch,
    until_ms: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE messages SET receives = ?2, holder = ?3, visible_at = ?4 WHERE key = ?1")?
        .execute(params![key, receives, holder.0, until_ms])?;
    Ok(())
}

/// Whether this is the message's last delivery, and nobody gave it back.
pub(super) fn is_held(connection: &Connection, key: i64, receives: u32) -> rusqlite::Result<bool> {
    let mut find = connection
        .prepare_cached("SELECT 1 FROM messages WHERE key = ?1 AND receives = ?2 AND holder IS NOT NULL")?;
    find.query_row(params![key, receives], |_| Ok(())).optional().map(|found| found.is_some())
}

/// The holder of this delivery lets go of it: the message waits for that time. False if it no longer held it.
pub(super) fn give_back(
    connection: &Connection,
    key: i64,
    receives: u32,
    until_ms: u64,
) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE messages SET holder = NULL, visible_at = max(?3, 1) \
             WHERE key = ?1 AND receives = ?2 AND holder IS NOT NULL",
        )?
        .execute(params![key, receives, until_ms])?;
    Ok(changed == 1)
}

/// The holder of this delivery keeps it until then. False if it no longer held it.
pub(super) fn extend(
    connection: &Connection,
    key: i64,
    receives: u32,
    until_ms: u64,
) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE messages SET visible_at = max(?3, 1) \
             WHERE key = ?1 AND receives = ?2 AND holder IS NOT NULL",
        )?
        .execute(params![key, receives, until_ms])?;
    Ok(changed == 1)
}

/// Deletes the message if this delivery holds it. False if it did not.
pub(super) fn delete(connection: &Connection, key: i64, receives: u32) -> rusqlite::Result<bool> {
    let deleted = connection
        .prepare_cached("DELETE FROM messages WHERE key = ?1 AND receives = ?2 AND holder IS NOT NULL")?
        .execute(params![key, receives])?;
    Ok(deleted == 1)
}

/// Moves a message to another queue, where it starts anew.
pub(super) fn transfer(
    connection: &Connection,
    from: i64,
    to: i64,
    dead_reason: Option<&str>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE messages SET key = ?2, visible_at = 0, holder = NULL, receives = 0, dead_reason = ?3, \
             turn = 0, ahead = FALSE WHERE key = ?1",
        )?
        .execute(params![from, to, dead_reason])?;
    Ok(())
}

/// A queue's first messages, and where each stands.
pub(super) fn first(
    connection: &Connection,
    queue: i64,
    limit: usize,
) -> rusqlite::Result<Vec<(u64, Standing)>> {
    let mut statement = connection.prepare_cached(
        "SELECT key, visible_at > 0, holder IS NOT NULL FROM messages WHERE key >= ?1 AND key < ?2 \
         ORDER BY key LIMIT ?3",
    )?;
    let found = statement.query_map(params![key(queue, 0), key(queue + 1, 0), limit], |row| {
        Ok((sequence(row.get(0)?), standing(row, 1)?))
    })?;
    found.collect()
}

/// Makes visible whatever a dead process held, in all queues. Returns how much that was.
pub(crate) fn give_back_all(connection: &Connection, holder: Epoch, now_ms: u64) -> rusqlite::Result<usize> {
    // Those in flight and those delayed have a time, and so an index: all others need not be looked at.
    let mut held = connection.prepare(
        "UPDATE messages SET holder = NULL, visible_at = max(?2, 1) WHERE visible_at > 0 AND holder = ?1 \
         RETURNING key >> 40",
    )?;
    let queues = held.query_map(params![holder.0, now_ms], |row| row.get(0))?;
    let queues = queues.collect::<rusqlite::Result<Vec<i64>>>()?;
    for &queue in &queues {
        change(connection, queue, Change { held: -1, delayed: 1, ..Change::default() })?;
    }
    Ok(queues.len())
}

/// A message that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeadLetter {
    /// The queue's own id of the message.
    pub message_id: String,
    /// When it was first sent, milliseconds since the epoch.
    pub sent_at_ms: u64,
    /// Why it was set aside.
    pub reason: String,
    /// The message's body.
    pub body: String,
}

/// The first messages of the dead-letter queue of that name, whoever holds them.
pub(crate) fn dead_letters(
    connection: &Connection,
    name: &str,
    limit: usize,
) -> rusqlite::Result<Vec<DeadLetter>> {
    let Some(number) = find_number(connection, name)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(select!("key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3"))?;
    let found = statement.query_map(params![key(number, 0), key(number + 1, 0), limit], |row| {
        let Stored { message, .. } = stored(row)?;
        Ok(DeadLetter {
            message_id: message.id,
            sent_at_ms: message.sent_at_ms,
            reason: message.dead_reason.unwrap_or_default(),
            body: message.body,
        })
    })?;
    found.collect()
}
