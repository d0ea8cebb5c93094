//! The rows of messages.

use super::state::State;
use gantz_core::ports::Message;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Messages a queue can ever hold: the low bits of a key.
const SEQUENCE_BITS: u32 = 40;

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
    pub(super) message: Message,
}

/// The queue's number, given to it when it is first used.
pub(super) fn number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let mut find = connection.prepare_cached("SELECT number FROM queues WHERE name = ?1")?;
    match find.query_row([name], |row| row.get(0)).optional()? {
        Some(number) => Ok(number),
        None => connection.prepare_cached("INSERT INTO queues (name) VALUES (?1)")?.insert([name]),
    }
}

/// A queue's state after a restart: everything that is not delayed is visible.
pub(super) fn load(connection: &Connection, queue: i64) -> rusqlite::Result<State> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(key) FROM messages WHERE key BETWEEN ?1 AND ?2")?
        .query_row(params![key(queue, 0), key(queue + 1, 0) - 1], |row| row.get(0))?;
    let (messages, delayed) = count(connection, queue)?;
    Ok(State::new(last.map_or(0, sequence), messages, delayed, next_due(connection, queue)?))
}

pub(super) fn insert(
    connection: &Connection,
    key: i64,
    body: &str,
    now_ms: u64,
    visible_at_ms: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO messages (key, visible_at, receives, sent_at, body) VALUES (?1, ?2, 0, ?3, ?4)",
        )?
        .execute(params![key, visible_at_ms, now_ms, body])?;
    Ok(())
}

/// A query for whole messages.
macro_rules! select {
    ($condition:literal) => {
        concat!("SELECT key, receives, sent_at, body, dead_reason FROM messages WHERE ", $condition)
    };
}

/// Messages behind `after` that are not delayed, oldest first.
pub(super) fn behind(
    connection: &Connection,
    queue: i64,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Stored>> {
    let mut statement = connection
        .prepare_cached(select!("key > ?1 AND key < ?2 AND visible_at = 0 ORDER BY key LIMIT ?3"))?;
    statement.query_map(params![key(queue, after), key(queue + 1, 0), limit], stored)?.collect()
}

/// Delayed messages whose time has come, earliest first.
pub(super) fn due(
    connection: &Connection,
    queue: i64,
    now_ms: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Stored>> {
    let mut statement = connection.prepare_cached(select!(
        "visible_at > 0 AND visible_at <= ?1 AND key >= ?2 AND key < ?3 ORDER BY visible_at LIMIT ?4"
    ))?;
    statement.query_map(params![now_ms, key(queue, 0), key(queue + 1, 0), limit], stored)?.collect()
}

pub(super) fn get(connection: &Connection, key: i64) -> rusqlite::Result<Option<Stored>> {
    connection.prepare_cached(select!("key = ?1"))?.query_row([key], stored).optional()
}

/// Whatever the row holds: a queue must not stop at a damaged message. Whoever receives it finds a body that says
/// nothing, and sets it aside.
fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let key: i64 = row.get(0)?;
    let receives = u32::try_from(integer(row, 1)?).unwrap_or(0);
    let message = Message {
        id: format!("{key:x}"),
        receipt: gantz_core::ports::Receipt(String::new()),
        body: text(row, 3)?.unwrap_or_default(),
        receives,
        sent_at_ms: u64::try_from(integer(row, 2)?).unwrap_or(0),
        dead_reason: text(row, 4)?,
    };
    Ok(Stored { sequence: sequence(key), receives, message })
}

fn integer(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    Ok(row.get_ref(column)?.as_i64().unwrap_or(0))
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let bytes = row.get_ref(column)?.as_bytes().ok();
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// Counts a delivery, which also ends a delay.
pub(super) fn delivered(connection: &Connection, key: i64, receives: u32) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE messages SET receives = ?2, visible_at = 0 WHERE key = ?1")?
        .execute(params![key, receives])?;
    Ok(())
}

pub(super) fn delay(connection: &Connection, key: i64, visible_at_ms: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE messages SET visible_at = ?2 WHERE key = ?1")?
        .execute(params![key, visible_at_ms])?;
    Ok(())
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
            "UPDATE messages SET key = ?2, visible_at = 0, receives = 0, dead_reason = ?3 WHERE key = ?1",
        )?
        .execute(params![from, to, dead_reason])?;
    Ok(())
}

/// A queue's first messages, and whether each is delayed.
pub(super) fn first(connection: &Connection, queue: i64, limit: usize) -> rusqlite::Result<Vec<(u64, bool)>> {
    let mut statement = connection.prepare_cached(
        "SELECT key, visible_at > 0 FROM messages WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
    )?;
    let found = statement.query_map(params![key(queue, 0), key(queue + 1, 0), limit], |row| {
        Ok((sequence(row.get(0)?), row.get(1)?))
    })?;
    found.collect()
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
    let mut find = connection.prepare_cached("SELECT number FROM queues WHERE name = ?1")?;
    let Some(number) = find.query_row([name], |row| row.get(0)).optional()? else { return Ok(Vec::new()) };
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

pub(super) fn delete(connection: &Connection, key: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM messages WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// When the queue's next delayed message is due.
pub(super) fn next_due(connection: &Connection, queue: i64) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached(
            "SELECT visible_at FROM messages WHERE visible_at > 0 AND key >= ?1 AND key < ?2 \
             ORDER BY visible_at LIMIT 1",
        )?
        .query_row(params![key(queue, 0), key(queue + 1, 0)], |row| row.get(0))
        .optional()
}

/// All messages of a queue, and the delayed ones among them.
fn count(connection: &Connection, queue: i64) -> rusqlite::Result<(u64, u64)> {
    let range = params![key(queue, 0), key(queue + 1, 0)];
    let all = connection
        .prepare_cached("SELECT count(*) FROM messages WHERE key >= ?1 AND key < ?2")?
        .query_row(range, |row| row.get(0))?;
    let delayed = connection
        .prepare_cached("SELECT count(*) FROM messages WHERE visible_at > 0 AND key >= ?1 AND key < ?2")?
        .query_row(range, |row| row.get(0))?;
    Ok((all, delayed))
}
