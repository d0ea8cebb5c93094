//! What the group of writes in progress changed of a queue's state: kept until the group is committed, to be taken back
//! with it if it is undone. What a row says and what memory says must never come to differ.
//!
//! Sequences and the cursor only ever grow, also through a group that was undone: a gap costs nothing.

use super::state::Flight;

/// A queue's counts as the last commit left them, and what the group did to single messages since.
#[derive(Debug)]
pub(super) struct Undo {
    pub(super) messages: u64,
    pub(super) delayed: u64,
    pub(super) next_delayed_ms: Option<u64>,
    /// Visible messages that were taken: they are visible again.
    pub(super) found: Vec<u64>,
    /// Deliveries that never happened.
    pub(super) delivered: Vec<u64>,
    /// Messages that somebody held and let go: they hold them again.
    pub(super) let_go: Vec<(u64, Flight)>,
}

impl Undo {
    pub(super) fn new(messages: u64, delayed: u64, next_delayed_ms: Option<u64>) -> Self {
        Self {
            messages,
            delayed,
            next_delayed_ms,
            found: Vec::new(),
            delivered: Vec::new(),
            let_go: Vec::new(),
        }
    }
}
