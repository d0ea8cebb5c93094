use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::job::JobStatus;

/// How many children ended in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// `SUCCEEDED`.
    pub succeeded: u32,
    /// `FAILED`.
    pub failed: u32,
    /// `CANCELLED`.
    pub cancelled: u32,
    /// `EXPIRED`.
    pub expired: u32,
    /// `IN_DOUBT`.
    pub in_doubt: u32,
}

impl Counts {
    /// Children that ended.
    pub fn finished(&self) -> u32 {
        self.succeeded + self.unsuccessful()
    }

    /// Children that ended without success.
    pub fn unsuccessful(&self) -> u32 {
        self.failed + self.cancelled + self.expired + self.in_doubt
    }

    fn slot(&mut self, mark: u8) -> Option<&mut u32> {
        match mark {
            SUCCEEDED => Some(&mut self.succeeded),
            FAILED => Some(&mut self.failed),
            CANCELLED => Some(&mut self.cancelled),
            EXPIRED => Some(&mut self.expired),
            IN_DOUBT => Some(&mut self.in_doubt),
            _ => None,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.in_doubt += other.in_doubt;
    }
}

// Marks are readable characters, so that a shard's row can be read with any database tool.
const PENDING: u8 = b'.';
const SUCCEEDED: u8 = b'S';
const FAILED: u8 = b'F';
const CANCELLED: u8 = b'C';
const EXPIRED: u8 = b'E';
const IN_DOUBT: u8 = b'D';

/// What came of marking a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Mark {
    /// The child counts now.
    Counted,
    /// It counted already, or is no child of this shard.
    Unchanged,
}

/// One mark per child of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    marks: Vec<u8>,
}

/// A shard as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRecord {
    /// Its children's marks.
    pub shard: Shard,
    /// The blob in which its children are written down; none for one that was opened by a version that kept no such note.
    pub page: Option<String>,
}

impl Shard {
    /// A shard of `children` that have not ended.
    pub fn open(children: u32) -> Self {
        Self { marks: vec![PENDING; children as usize] }
    }

    /// Reads stored marks; anything unknown counts as pending.
    pub fn from_marks(mut marks: Vec<u8>) -> Self {
        for mark in &mut marks {
            if Counts::default().slot(*mark).is_none() {
                *mark = PENDING;
            }
        }
        Self { marks }
    }

    /// The marks, for storing.
    pub fn marks(&self) -> &[u8] {
        &self.marks
    }

    /// Marks the child at `offset` as ended with `status`. The first mark stands: a terminal status never changes.
    pub fn mark(&mut self, offset: u32, status: JobStatus) -> Mark {
        let mark = match status {
            JobStatus::Succeeded => SUCCEEDED,
            JobStatus::Failed => FAILED,
            JobStatus::Cancelled => CANCELLED,
            JobStatus::Expired => EXPIRED,
            JobStatus::InDoubt => IN_DOUBT,
            JobStatus::Queued | JobStatus::Running | JobStatus::Waiting => return Mark::Unchanged,
        };
        match self.marks.get_mut(offset as usize) {
            Some(slot) if *slot == PENDING => {
                *slot = mark;
                Mark::Counted
            }
            _ => Mark::Unchanged,
        }
    }

    /// Offsets of the children that ended without success, in order.
    pub fn unsuccessful(&self) -> impl Iterator<Item = u32> {
        let without = |(offset, mark): (u32, &u8)| (!matches!(*mark, PENDING | SUCCEEDED)).then_some(offset);
        (0..).zip(&self.marks).filter_map(without)
    }

    /// Whether every child has ended.
    pub fn is_complete(&self) -> bool {
        !self.marks.contains(&PENDING)
    }

    /// Totals of the children that have ended.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for &mark in &self.marks {
            if let Some(slot) = counts.slot(mark) {
                *slot += 1;
            }
        }
        counts
    }
}
