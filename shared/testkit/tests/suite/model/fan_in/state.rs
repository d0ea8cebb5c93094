//! The state of the model: a batch's record, its shards, its children, and the processes at work on them.

use std::collections::BTreeSet;

use gantz_core::batch::{BatchRecord, Counts, PlannedShard, Shard, shard_of};
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use gantz_testkit::builders::{NOW_MS, batch, job_id};

/// The children that the model follows, by index: the last two of the first shard, and the only one of the second. The
/// rest of the first shard ended long ago, each well.
pub(crate) const FOLLOWED: [u32; 3] =
    [BATCH_SHARD_CHILDREN - 2, BATCH_SHARD_CHILDREN - 1, BATCH_SHARD_CHILDREN];
pub(crate) const CHILDREN: u32 = BATCH_SHARD_CHILDREN + 1;
const NOT_FOLLOWED: u32 = BATCH_SHARD_CHILDREN - 2;

/// A followed child's place in [`FOLLOWED`].
pub(crate) type Child = usize;

/// What a batch's record says, without what never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Batch {
    pub(crate) planned: u32,
    pub(crate) planning_done: bool,
    pub(crate) open: [bool; 2],
    closed_ahead: [bool; 2],
    pub(crate) counts: [u32; 5],
    pub(crate) cancel_asked: bool,
    pub(crate) ended: Option<JobStatus>,
}

impl Batch {
    pub(crate) fn of(record: &BatchRecord) -> Self {
        let has = |set: &BTreeSet<u32>| [0, 1].map(|number| set.contains(&number));
        let Counts { succeeded, failed, cancelled, expired, in_doubt } = record.counts;
        Self {
            planned: record.planned,
            planning_done: record.planning_done,
            open: has(&record.open_shards),
            closed_ahead: has(&record.closed_ahead),
            counts: [succeeded, failed, cancelled, expired, in_doubt],
            cancel_asked: record.cancel_requested_at_ms.is_some(),
            ended: record.is_finished().then_some(record.status),
        }
    }

    pub(crate) fn record(self) -> BatchRecord {
        let set = |has: [bool; 2]| (0..2).filter(|number| has[*number as usize]).collect();
        let [succeeded, failed, cancelled, expired, in_doubt] = self.counts;
        BatchRecord {
            status: self.ended.unwrap_or(JobStatus::Running),
            planned: self.planned,
            planning_done: self.planning_done,
            open_shards: set(self.open),
            closed_ahead: set(self.closed_ahead),
            counts: Counts { succeeded, failed, cancelled, expired, in_doubt },
            cancel_requested_at_ms: self.cancel_asked.then_some(NOW_MS),
            finished_at_ms: self.ended.map(|_| NOW_MS),
            ..batch(&job_id("batch-001"))
        }
    }
}

/// Where a child's row stands. How it gets from one to the next is the other model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ChildRow {
    Unrecorded,
    Live,
    Ended(JobStatus),
}

/// A message of a child, of the plan or of the wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) sent: bool,
    pub(crate) gone: bool,
}

impl Message {
    pub(crate) const UNSENT: Self = Self { sent: false, gone: false };

    pub(crate) fn is_there(&self) -> bool {
        self.sent && !self.gone
    }
}

/// Somebody at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    pub(crate) kind: Kind,
    pub(crate) step: Step,
    /// What it does before its next step.
    pub(crate) marking: Option<Marking>,
    /// Children whose messages it has to send, a bit for each.
    pub(crate) to_send: u8,
}

/// What message it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Worker(Child),
    Planner,
    Canceller,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    Open(u32),
    Record(Child),
    Send(Child),
    Advance(u32),
    /// Cancels this child and those after it.
    Cancel(Child),
    EndPlanning,
    Publish(JobStatus),
    Delete,
}

/// A child's end on its way into the counts: first into its shard, then, with the shard, into the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Marking {
    pub(crate) child: Child,
    pub(crate) status: JobStatus,
    pub(crate) in_shard: bool,
}

/// All that matters about a batch at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) batch: Batch,
    /// Whether the shard's row is there.
    pub(crate) shards: [bool; 2],
    /// The marks of the followed children.
    pub(crate) marks: [u8; 3],
    pub(crate) ended_by: Option<Child>,
    pub(crate) children: [ChildRow; 3],
    pub(crate) messages: [Message; 3],
    /// How often children's messages were received.
    pub(crate) receives: u8,
    pub(crate) plan: Message,
    /// How often the plan was received.
    pub(crate) plan_receives: u8,
    pub(crate) cancel: Message,
    /// How often the wish to cancel was received.
    pub(crate) cancel_receives: u8,
    /// Sorted: which of equal processes does what makes no difference.
    pub(crate) processes: Vec<Process>,
    /// Statuses that events told of, a bit for each.
    pub(crate) told: u8,
    /// A batch that had ended changed.
    pub(crate) changed_after_end: bool,
}

impl State {
    pub(crate) fn shard(&self, number: u32) -> Option<Shard> {
        if !self.shards[number as usize] {
            return None;
        }
        let mut marks = if number == 0 { vec![b'S'; NOT_FOLLOWED as usize] } else { Vec::new() };
        let followed = FOLLOWED.iter().zip(self.marks);
        marks.extend(followed.filter(|(index, _)| shard_of(**index) == number).map(|(_, mark)| mark));
        Some(Shard::from_marks(marks))
    }

    pub(crate) fn keep(&mut self, number: u32, shard: &Shard) {
        self.shards[number as usize] = true;
        for (index, mark) in FOLLOWED.iter().zip(&mut self.marks) {
            if shard_of(*index) == number {
                *mark = shard.marks()[offset(*index) as usize];
            }
        }
    }

    /// Changes the batch's row as a store does: read, changed by the domain, written if nobody was faster.
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut BatchRecord) -> T) -> T {
        let mut record = self.batch.record();
        let answer = change(&mut record);
        let new = Batch::of(&record);
        let ended = |batch: Batch| Batch { cancel_asked: false, ..batch };
        self.changed_after_end |= self.batch.ended.is_some() && ended(new) != ended(self.batch);
        self.batch = new;
        answer
    }
}

pub(crate) fn offset(index: u32) -> u32 {
    index % BATCH_SHARD_CHILDREN
}

pub(crate) fn planned_shard(number: u32) -> PlannedShard {
    PlannedShard::new(number, if number == 0 { BATCH_SHARD_CHILDREN } else { 1 })
}

pub(crate) fn first_of(number: u32) -> Child {
    if number == 0 { 0 } else { 2 }
}
