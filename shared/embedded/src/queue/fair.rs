//! Whose turn it is, where several groups share a queue: self-clocked fair queueing, with messages for packets (S. J.
//! Golestani, *A self-clocked fair queueing scheme for broadband applications*, INFOCOM 1994).
//!
//! A new message's turn is one after its group's last, and after that of whatever was received last. Receivers take the
//! lowest turn, and of one turn what came first. So a message waits for one of each other group, and for what its own
//! group has sent before, however much others have queued.
//!
//! As long as a queue holds the messages of one group, turns follow the order of keys, and the queue's row is all that
//! is kept of them. A message whose turn comes before one that is given already is *ahead*; only those are found by an
//! index of turns.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

/// A new message, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'a> {
    /// Whose it is; empty where it is nobody's in particular.
    pub(super) group: &'a str,
    /// A delayed message is found by its time: it has no turn.
    pub(super) is_delayed: bool,
}

/// Where a message stands in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    /// 0 for what has none: it does not wait for others.
    pub(super) turn: u64,
    /// Whether a message before it has a later turn.
    pub(super) is_ahead: bool,
}

/// A queue's row.
struct State {
    last: u64,
    messages: i64,
    /// The latest turn given.
    newest: u64,
    /// The latest turn that was received.
    served: u64,
    /// The only group that has messages, and whose last turn is the latest one; none if there may be others.
    alone: Option<String>,
}

/// Takes places at the queue's end for new messages, and counts these.
pub(super) fn places(
    connection: &Connection,
    queue: i64,
    arrivals: &[Arrival<'_>],
) -> rusqlite::Result<Vec<Place>> {
    let mut state = load(connection, queue)?;
    let first = state.last + 1;
    let turns = turns(connection, queue, &mut state, arrivals)?;
    let delayed = arrivals.iter().filter(|arrival| arrival.is_delayed).count();
    connection
        .prepare_cached(
            "UPDATE queues SET last = last + ?2, messages = messages + ?2, delayed = delayed + ?3, turn = ?4, \
             alone = ?5 WHERE number = ?1",
        )?
        .execute(params![queue, arrivals.len(), delayed, state.newest, state.alone])?;
    let places = (first..).zip(turns).map(|(sequence, (turn, is_ahead))| Place { sequence, turn, is_ahead });
    Ok(places.collect())
}

fn load(connection: &Connection, queue: i64) -> rusqlite::Result<State> {
    connection
        .prepare_cached("SELECT last, messages, turn, served, alone FROM queues WHERE number = ?1")?
        .query_row([queue], |row| {
            Ok(State {
                last: row.get(0)?,
                messages: row.get(1)?,
                newest: row.get(2)?,
                served: row.get(3)?,
                alone: row.get(4)?,
            })
        })
}

/// Turns for new messages, and whether each is ahead of an earlier one.
fn turns(
    connection: &Connection,
    queue: i64,
    state: &mut State,
    arrivals: &[Arrival<'_>],
) -> rusqlite::Result<Vec<(u64, bool)>> {
    let mut groups = arrivals.iter().filter(|arrival| !arrival.is_delayed).map(|arrival| arrival.group);
    let Some(first) = groups.next() else { return Ok(vec![(0, false); arrivals.len()]) };
    let is_one = groups.all(|group| group == first);
    if state.messages <= 0 {
        forget(connection, queue, state.newest)?;
        state.alone = Some(first.to_owned());
    }
    let is_alone = is_one && state.alone.as_deref() == Some(first);
    let mut lasts = HashMap::new();
    if !is_alone {
        if let Some(alone) = state.alone.take() {
            save(connection, queue, &alone, state.newest)?;
        }
        forget(connection, queue, state.served)?;
    }
    let mut turns = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        if arrival.is_delayed {
            turns.push((0, false));
            continue;
        }
        let last = match lasts.get(arrival.group) {
            Some(last) => *last,
            None if is_alone => state.newest,
            None => last_turn(connection, queue, arrival.group)?,
        };
        let turn = last.max(state.served) + 1;
        turns.push((turn, turn < state.newest));
        state.newest = state.newest.max(turn);
        lasts.insert(arrival.group, turn);
    }
    if is_alone {
        return Ok(turns);
    }
    for (group, last) in &lasts {
        save(connection, queue, group, *last)?;
    }
    if is_one && others(connection, queue, first)? == 0 {
        forget(connection, queue, state.newest)?;
        state.alone = Some(first.to_owned());
    }
    Ok(turns)
}

fn last_turn(connection: &Connection, queue: i64, group: &str) -> rusqlite::Result<u64> {
    let mut find = connection.prepare_cached("SELECT turn FROM turns WHERE queue = ?1 AND name = ?2")?;
    Ok(find.query_row(params![queue, group], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn save(connection: &Connection, queue: i64, group: &str, turn: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO turns (queue, name, turn) VALUES (?1, ?2, ?3)")?
        .execute(params![queue, group, turn])?;
    Ok(())
}

/// Groups whose last turn has come are as good as new ones.
fn forget(connection: &Connection, queue: i64, up_to: u64) -> rusqlite::Result<()> {
    let mut forget = connection.prepare_cached("DELETE FROM turns WHERE queue = ?1 AND turn <= ?2")?;
    forget.execute(params![queue, up_to])?;
    Ok(())
}

/// Whether other groups' turns are still to come: 0 or 1.
fn others(connection: &Connection, queue: i64, group: &str) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM turns WHERE queue = ?1 AND name <> ?2 LIMIT 1)")?
        .query_row(params![queue, group], |row| row.get(0))
}
