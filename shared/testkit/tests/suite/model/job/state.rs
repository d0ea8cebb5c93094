//! The state of the model: a job's row, its messages, and the processes at work on it.

use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{Ending, Held, Release};
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_testkit::builders::{NOW_MS, succeeded};

/// When a lease ends that lives, and when one ended that does not.
pub(crate) const LEASE_AHEAD_MS: u64 = NOW_MS + 1_000_000;
const LEASE_PAST_MS: u64 = NOW_MS - 1;
/// A deadline that may pass while a lease lives.
pub(crate) const DEADLINE_MS: u64 = NOW_MS + 1_000;

/// One delivery of a message: the owner of what it claims. In production it is named by the message and the count of its
/// receives; here, by its place among those at work, so that states that differ by names alone are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeliveryId {
    pub(crate) message: u8,
    pub(crate) number: u8,
}

impl DeliveryId {
    /// Whoever is not at work any more: nothing depends on who it was.
    const GONE: Self = Self { message: 25, number: 9 };

    pub(crate) fn owner(self) -> String {
        let (message, number) = (char::from(b'a' + self.message), char::from(b'0' + self.number));
        String::from_iter([message, number])
    }

    fn of_owner(owner: &str) -> Self {
        let [message, number] = owner.as_bytes() else { panic!("no owner of the model: {owner}") };
        Self { message: message - b'a', number: number - b'0' }
    }
}

/// What a row says, without what never changes, times and texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) status: JobStatus,
    pub(crate) attempt: u32,
    pub(crate) deferrals: u32,
    pub(crate) clean_attempt: u32,
    pub(crate) owner: Option<DeliveryId>,
    pub(crate) cancel_asked: bool,
    pub(crate) finished_by: Option<DeliveryId>,
}

/// What the clock of whoever makes a call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) lease_lives: bool,
    pub(crate) deadline_passed: bool,
}

impl View {
    pub(crate) fn now_ms(self) -> u64 {
        if self.deadline_passed { DEADLINE_MS } else { NOW_MS }
    }
}

impl Row {
    pub(crate) fn of(record: &JobRecord) -> Self {
        Self {
            status: record.status,
            attempt: record.attempt,
            deferrals: record.deferrals,
            clean_attempt: record.clean_attempt,
            owner: record.owner.as_deref().map(DeliveryId::of_owner),
            cancel_asked: record.cancel_requested_at_ms.is_some(),
            finished_by: record.finished_by.as_deref().map(DeliveryId::of_owner),
        }
    }

    /// The row as the domain sees it, for somebody with this view of the time.
    pub(crate) fn record(self, accepted: &JobRecord, view: View) -> JobRecord {
        let finished = self.status.is_terminal();
        let ending = Ending::failed(error());
        let lease_until_ms = if view.lease_lives { LEASE_AHEAD_MS } else { LEASE_PAST_MS };
        JobRecord {
            status: self.status,
            attempt: self.attempt,
            deferrals: self.deferrals,
            clean_attempt: self.clean_attempt,
            owner: self.owner.map(DeliveryId::owner),
            lease_until_ms: self.owner.map(|_| lease_until_ms),
            cancel_requested_at_ms: self.cancel_asked.then_some(NOW_MS),
            finished_by: self.finished_by.map(DeliveryId::owner),
            finished_at_ms: finished.then_some(NOW_MS),
            result: (self.status == JobStatus::Succeeded).then(|| succeeded().result().cloned()).flatten(),
            error: match self.status {
                JobStatus::Queued | JobStatus::Succeeded => None,
                JobStatus::Running if self.clean_attempt == 0 => None,
                _ => ending.error().cloned(),
            },
            ..accepted.clone()
        }
    }
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// It was never sent.
    Unsent,
    /// On its lane's queue, visible or not: visibility may end at any moment.
    Queued,
    /// Among the dead letters.
    Dead,
    /// Deleted. It may come back all the same.
    Gone,
}

/// A message of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) place: Place,
    pub(crate) receives: u8,
}

/// Somebody at work on a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Delivery {
    pub(crate) id: DeliveryId,
    /// It is of a dead letter.
    pub(crate) dead: bool,
    pub(crate) step: Step,
}

/// What comes next in a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// Received from the lane: the claim.
    Claim,
    /// Claimed: the tool's start.
    Start(Grant),
    /// The tool runs.
    Run(Grant),
    /// The attempt was settled: its record.
    Record(Grant, Settled),
    /// Nobody shall run the job any more.
    GiveUp { attempt_seen: u32, status: JobStatus },
    /// The row is terminal: the event.
    Publish(JobStatus),
    /// The event was accepted: the mark in the batch.
    Mark(JobStatus),
    /// All is told: the deletion.
    Delete,
    /// Received from the dead letters: a look at the row.
    Decide,
    /// The job may still run: its message is sent again.
    PutBack,
}

/// A granted claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Grant {
    pub(crate) attempt: u32,
    pub(crate) deferrals: u32,
}

impl Grant {
    pub(crate) fn held(self, id: DeliveryId, job: &JobRecord) -> Held {
        Held { id: job.id.clone(), attempt: self.attempt, owner: id.owner() }
    }
}

/// How an attempt was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Settled {
    End(JobStatus),
    Release { counted: bool },
}

/// A write that was sent, and may reach the store at any later time. Its answer reaches nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Late {
    Claim(DeliveryId),
    Record(DeliveryId, Grant, Settled),
    GiveUp { attempt_seen: u32, status: JobStatus },
}

/// The process that submits the job, for a caller that repeats itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    Idle,
    /// The row is recorded; whether the message is to be sent.
    Accepted {
        send: bool,
    },
    /// The message is sent.
    Sent,
}

/// All that matters about a job at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) row: Option<Row>,
    pub(crate) caller: Caller,
    pub(crate) submissions: u8,
    pub(crate) messages: Vec<Message>,
    /// Sorted: which of equal processes does what makes no difference.
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) late: Option<Late>,
    /// Whether the lease of the row's owner has ended, where clocks agree.
    pub(crate) lease_over: bool,
    /// Whether the deadline has passed, where clocks agree.
    pub(crate) deadline_over: bool,
    pub(crate) seen: Seen,
}

/// What an observer of everything has noticed. No process knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    /// The caller has been answered 202.
    pub(crate) answered: bool,
    /// Attempts whose tool was started, a bit for each.
    pub(crate) started: u16,
    /// Statuses that events told of, a bit for each.
    pub(crate) told: u8,
    /// Statuses that the batch was told of, a bit for each.
    pub(crate) marked: u8,
    /// Promises that were broken, a bit for each.
    pub(crate) broken: u8,
}

/// A promise whose breach shows in a step, not in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// A terminal row does not change.
    OneEnd,
    /// An attempt starts once.
    OneStartEach,
    /// Whoever ends the job holds its last attempt.
    LastAttemptEnds,
    /// A write leaves the row well-formed, and what was accepted untouched.
    SoundRows,
    /// A lease that lives is not taken away.
    LeasesHold,
    /// A tool whose job is seen as ended does not start.
    NoStartAfterEnd,
}

impl State {
    /// The one state that stands for all that differ by the names of deliveries.
    pub(crate) fn canonical(mut self, all_starts: bool) -> Self {
        let (owner, ender) = self.row.map_or((None, None), |row| (row.owner, row.finished_by));
        let late = self.late.and_then(Late::sender);
        self.deliveries.sort_unstable_by_key(|delivery| {
            let is = |id| id == Some(delivery.id);
            (delivery.id.message, delivery.dead, delivery.step, is(owner), is(ender), is(late))
        });
        let names: Vec<(DeliveryId, DeliveryId)> = (0..)
            .zip(&mut self.deliveries)
            .map(|(number, delivery)| {
                let old = delivery.id;
                delivery.id.number = number;
                (old, delivery.id)
            })
            .collect();
        let rename = |id| names.iter().find(|(old, _)| *old == id).map_or(DeliveryId::GONE, |(_, new)| *new);
        if let Some(row) = &mut self.row {
            row.owner = row.owner.map(rename);
            row.finished_by = row.finished_by.map(rename);
            // An attempt ended in an orderly way or it did not; which earlier one did says nothing.
            row.clean_attempt = if row.clean_attempt == row.attempt { row.attempt } else { 0 };
        }
        if let Some(Late::Claim(id) | Late::Record(id, ..)) = &mut self.late {
            *id = rename(*id);
        }
        if !all_starts {
            let about_to = |delivery: &Delivery| match delivery.step {
                Step::Start(grant) => 1 << grant.attempt,
                _ => 0,
            };
            self.seen.started &= self.deliveries.iter().map(about_to).fold(0, |all, one| all | one);
        }
        self
    }
}

impl Late {
    fn sender(self) -> Option<DeliveryId> {
        match self {
            Self::Claim(id) | Self::Record(id, ..) => Some(id),
            Self::GiveUp { .. } => None,
        }
    }
}

impl Seen {
    pub(crate) fn breach(&mut self, promise: Promise) {
        self.broken |= 1 << promise as u8;
    }

    pub(crate) fn kept(&self, promise: Promise) -> bool {
        self.broken & (1 << promise as u8) == 0
    }
}

/// The status as a bit of a set.
pub(crate) fn bit(status: JobStatus) -> u8 {
    1 << status as u8
}

/// An ending with this status, as a worker or a handler would write it.
pub(crate) fn ending(status: JobStatus) -> Ending {
    match status {
        JobStatus::Succeeded => succeeded(),
        JobStatus::Cancelled => Ending::cancelled("cancelled"),
        JobStatus::Expired => Ending::expired("too late"),
        JobStatus::InDoubt => Ending::in_doubt(ErrorKind::WorkerLost, "nobody knows"),
        _ => Ending::failed(error()),
    }
}

pub(crate) fn release(counted: bool) -> Release {
    Release { retry_at_ms: NOW_MS, counted, error: error() }
}

pub(crate) fn error() -> JobError {
    JobError::new(ErrorKind::Unavailable, "503")
}
