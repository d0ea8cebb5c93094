//! Fan-out and fan-in: a batch's record, its shards, and what one child's end means for them.
//!
//! Children are counted with sets, not counters, so that counting twice changes nothing: a shard keeps one mark per
//! child, and the batch keeps the set of shards that are not complete. A complete shard leaves that set and adds its
//! totals in the same write; the batch ends when planning is over and the set is empty.

mod shard;
mod tolerance;
mod view;

pub use shard::{Counts, Mark, Shard, ShardRecord};
pub use tolerance::{Tolerance, ToleranceError};
pub use view::{BatchReport, BatchView, FailedChild};

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{JobId, Lane, Tenant};
use crate::job::{JobStatus, is_false, is_zero};
use crate::limits;

/// The record of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// The row's key.
    #[serde(rename = "batch_id")]
    pub id: JobId,
    /// The tool every child calls.
    pub tool: String,
    /// Whose batch it is.
    pub tenant: Tenant,
    /// The lane its children are sent to.
    pub lane: Lane,
    /// `RUNNING`, or how it ended: `SUCCEEDED`, `FAILED`, `CANCELLED` or `EXPIRED`.
    pub status: JobStatus,
    /// How many children may fail.
    pub tolerate: Tolerance,
    /// Whether the end of each child is told by an event of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub child_events: bool,
    /// SHA-256 of the source and its options, to tell a repeated submission from a conflict.
    pub source_hash: String,
    /// Children planned so far.
    pub planned: u32,
    /// Whether `planned` is final.
    pub planning_done: bool,
    /// Where planning goes on, in the source's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The blob with the children of the shard that is being planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Why planning stopped early, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planning_error: Option<String>,
    /// The batch whose children without success this one does again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// Children of that batch that are not done again, as they may have done what must not happen twice.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u32,
    /// Shards with a child that has not ended.
    #[serde(default)]
    pub open_shards: BTreeSet<u32>,
    /// Shards whose children all ended before the planner had noted that it sent them. They are not opened again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub closed_ahead: BTreeSet<u32>,
    /// Totals of the complete shards. [`BatchProgress`] adds the open ones.
    pub counts: Counts,
    /// When somebody asked to cancel it.
    #[serde(default, rename = "cancel_requested_at", skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at_ms: Option<u64>,
    /// When its children are no longer worth doing.
    #[serde(default, rename = "deadline", skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// When it was accepted.
    #[serde(rename = "created_at")]
    pub created_at_ms: u64,
    /// When it ended.
    #[serde(default, rename = "finished_at", skip_serializing_if = "Option::is_none")]
    pub finished_at_ms: Option<u64>,
}

/// A batch and its exact totals at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchProgress {
    /// The record.
    #[serde(flatten)]
    pub batch: BatchRecord,
    /// Totals of all children, those of open shards included.
    pub totals: Counts,
}

/// A step of the planner: the children of one shard are about to be recorded and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedShard {
    /// The shard's number; its first child is [`PlannedShard::first_index`].
    pub number: u32,
    /// Children in it, 1 to [`limits::BATCH_SHARD_CHILDREN`]; fewer than that only in the last one.
    pub children: u32,
    /// The blob that holds them, as they were listed. Whoever plans the shard again plans these.
    pub page: Option<String>,
}

/// How planning came to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanningEnd {
    /// Why it ended early, if it did.
    pub error: Option<String>,
    /// What the source had and the batch has not: see [`BatchRecord::left_out`].
    pub left_out: u32,
}

impl PlannedShard {
    /// A shard whose children are not written down.
    pub fn new(number: u32, children: u32) -> Self {
        Self { number, children, page: None }
    }

    /// The index of its first child.
    pub fn first_index(&self) -> u32 {
        first_of(self.number)
    }
}

/// The shard that the child with this index belongs to.
pub fn shard_of(index: u32) -> u32 {
    index / limits::BATCH_SHARD_CHILDREN
}

/// The index of a shard's first child.
pub fn first_of(shard: u32) -> u32 {
    shard * limits::BATCH_SHARD_CHILDREN
}

impl BatchRecord {
    /// Ended, for good.
    pub fn is_finished(&self) -> bool {
        self.finished_at_ms.is_some()
    }

    /// Its deadline has passed: no more of it is begun.
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms)
    }

    /// Takes a shard into the set of open ones, before its children are recorded. Says whether that changed anything:
    /// a planner that repeats itself after a crash finds it open, or complete. None is opened once the batch shall be
    /// cancelled or its planning is over: it would wait for children that never come.
    #[must_use]
    pub fn open_shard(&mut self, shard: &PlannedShard) -> bool {
        let known = shard.first_index() < self.planned || self.closed_ahead.contains(&shard.number);
        if known || self.planning_done || self.cancel_requested_at_ms.is_some() {
            return false;
        }
        let opened = self.open_shards.insert(shard.number);
        if opened {
            self.page.clone_from(&shard.page);
        }
        opened
    }

    /// Takes note that a shard's children are recorded and sent, and where planning goes on. A planner that lags behind
    /// another one changes nothing.
    pub fn advance(&mut self, shard: &PlannedShard, cursor: Option<String>) {
        let planned = shard.first_index() + shard.children;
        if planned > self.planned && !self.planning_done {
            self.planned = planned;
            self.cursor = cursor;
            self.page = None;
            self.closed_ahead.remove(&shard.number);
        }
    }

    /// Makes `planned` final; the first end stands.
    pub fn end_planning(&mut self, end: PlanningEnd) {
        if !self.planning_done {
            self.planning_done = true;
            self.planning_error = end.error;
            self.left_out = end.left_out;
        }
    }

    /// Takes a complete shard out of the set and adds its totals. Says whether that changed anything.
    #[must_use]
    pub fn close_shard(&mut self, number: u32, totals: Counts) -> bool {
        let was_open = self.open_shards.remove(&number);
        if was_open {
            self.counts += totals;
            if first_of(number) >= self.planned {
                self.closed_ahead.insert(number);
            }
        }
        was_open
    }

    /// Ends the batch if nothing is left to wait for. Says whether it did. Then `planned` is the number of children that
    /// were: those of a shard whose planner died before it took note of it included.
    #[must_use]
    pub fn finish_if_complete(&mut self, now_ms: u64) -> bool {
        if self.is_finished() || !self.planning_done || !self.open_shards.is_empty() {
            return false;
        }
        self.planned = self.planned.max(self.counts.finished());
        let cut_short = self.counts.expired > 0 || self.planning_error.is_some();
        self.status = if self.cancel_requested_at_ms.is_some() {
            JobStatus::Cancelled
        } else if cut_short && self.is_over(now_ms) {
            JobStatus::Expired
        } else if self.planning_error.is_none()
            && self.tolerate.allows(self.counts.unsuccessful(), self.planned)
        {
            JobStatus::Succeeded
        } else {
            JobStatus::Failed
        };
        self.finished_at_ms = Some(now_ms);
        true
    }
}
