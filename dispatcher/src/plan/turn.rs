//! The time that one message has.

use std::sync::atomic::{AtomicU64, Ordering};

use gantz_core::ids::QueueName;
use gantz_core::limits::LEASE_MS;
use gantz_core::ports::{PortResult, Receipt};

use crate::submit::Dispatcher;

/// What a turn must have left for another piece of work, which is 200 jobs to record and to send: a second on AWS, and
/// room for calls that are throttled and repeated.
const PIECE_MS: u64 = 5_000;

/// A planner with a message in its hand.
pub(crate) struct Turn<'a> {
    pub(crate) dispatcher: &'a Dispatcher,
    pub(super) receipt: &'a Receipt,
    deadline_ms: Option<u64>,
    /// When it was last asked whether the turn is over.
    asked_at_ms: AtomicU64,
    /// The longest time between two of these questions.
    longest_ms: AtomicU64,
}

impl<'a> Turn<'a> {
    /// A turn that begins now.
    pub(super) fn new(dispatcher: &'a Dispatcher, receipt: &'a Receipt, deadline_ms: Option<u64>) -> Self {
        let asked_at_ms = AtomicU64::new(dispatcher.clock.now_ms());
        Self { dispatcher, receipt, deadline_ms, asked_at_ms, longest_ms: AtomicU64::new(0) }
    }

    /// Whether no other piece of work may be begun. It is asked before each: pieces that take long need more time left,
    /// twice what the longest took, as a turn that is cut off hands nothing back.
    pub(crate) fn is_over(&self) -> bool {
        let now_ms = self.dispatcher.clock.now_ms();
        let took_ms = now_ms.saturating_sub(self.asked_at_ms.swap(now_ms, Ordering::Relaxed));
        let longest_ms = self.longest_ms.fetch_max(took_ms, Ordering::Relaxed).max(took_ms);
        let piece_ms = PIECE_MS.max(2 * longest_ms);
        self.deadline_ms.is_some_and(|deadline_ms| now_ms >= deadline_ms.saturating_sub(piece_ms))
    }

    /// Keeps the message from others, unless it stays invisible for as long as the turn may take anyway.
    pub(crate) async fn renew(&self) -> PortResult<()> {
        if self.deadline_ms.is_none() {
            self.dispatcher.ports.queue.extend(&QueueName::Plan, self.receipt, LEASE_MS).await?;
        }
        Ok(())
    }
}
