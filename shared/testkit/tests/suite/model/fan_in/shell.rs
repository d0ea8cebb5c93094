//! The shell: what each step calls, as `dispatcher/src/plan/planner.rs`, `dispatcher/src/plan/cancel.rs`,
//! `workers/src/process.rs` (`announce`) and `shared/aws/src/batches/mod.rs` (`mark`) have it.

use gantz_core::batch::{Mark, Shard, shard_of};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{self, AcceptVerdict, CancelVerdict};
use gantz_testkit::builders::{NOW_MS, child_record, job_id, succeeded};

use super::FanIn;
use super::state::{
    Child, ChildRow, FOLLOWED, Kind, Marking, Process, State, Step, first_of, offset, planned_shard,
};

/// A mistake in the shell, which the check must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// A shard counts ends, not children.
    CountsWithoutSet,
    /// A shard's totals are added whenever somebody finds it complete.
    AddsTotalsAgain,
    /// A batch ends when no shard is open, whether or not all of it is planned.
    EndsWhileItIsPlanned,
    /// A child's message is deleted once its shard has its mark, whether or not the batch has the shard.
    DeletesBeforeClosing,
    /// Only the child in whose name a shard was closed hears that it ended the batch.
    TellsTheCloserAlone,
    /// A planner takes note of a shard before it has sent its children.
    AdvancesBeforeSending,
}

/// The first step of planning a shard's children.
fn record_first(number: u32) -> Step {
    Step::Record(first_of(number))
}

fn is_last_of_shard(child: Child) -> bool {
    child != 0
}

impl FanIn {
    pub(super) fn receive_plan(&self, state: &mut State) {
        state.plan_receives += 1;
        let next = if state.batch.planned == 0 { 0 } else { 1 };
        let planned_all = state.batch.planned > FOLLOWED[2];
        let stop = state.batch.cancel_asked && state.batch.open == [false; 2];
        let step =
            if state.batch.planning_done || planned_all || stop { Step::Cancel(0) } else { Step::Open(next) };
        state.processes.push(Process { kind: Kind::Planner, step, marking: None, to_send: 0 });
    }

    pub(super) fn receive_cancel(&self, state: &mut State) {
        state.cancel_receives += 1;
        let process = Process { kind: Kind::Canceller, step: Step::Cancel(0), marking: None, to_send: 0 };
        state.processes.push(process);
    }

    pub(super) fn receive_child(&self, state: &mut State, child: Child, status: JobStatus) {
        state.receives += 1;
        let status = match state.children[child] {
            ChildRow::Ended(ended) => ended,
            _ => status,
        };
        state.children[child] = ChildRow::Ended(status);
        let marking = Some(Marking { child, status, in_shard: false });
        state.processes.push(Process { kind: Kind::Worker(child), step: Step::Delete, marking, to_send: 0 });
    }

    pub(super) fn cancel_batch(&self, state: &mut State) {
        state.change(|record| record.cancel_requested_at_ms.get_or_insert(NOW_MS).to_owned());
        state.cancel.sent |= state.batch.ended.is_none();
    }

    pub(super) fn step(&self, state: &mut State, number: usize, answer_lost: bool) {
        let mut process = state.processes[number];
        match process.marking {
            Some(marking) if marking.in_shard => self.close(state, &mut process, marking),
            Some(marking) => self.mark(state, &mut process, marking),
            None => {
                if !self.own_step(state, &mut process) {
                    state.processes.remove(number);
                    return;
                }
            }
        }
        if !answer_lost {
            state.processes[number] = process;
        }
    }

    /// The child's end, into its shard.
    fn mark(&self, state: &mut State, process: &mut Process, marking: Marking) {
        process.marking = None;
        let index = FOLLOWED[marking.child];
        let number = shard_of(index);
        let Some(mut shard) = state.shard(number) else { return };
        let counted = shard.mark(offset(index), marking.status);
        if counted == Mark::Unchanged && self.is(Mutant::CountsWithoutSet) {
            let pending = shard.marks().iter().position(|mark| *mark == b'.');
            let _one_more = pending.map(|place| shard.mark(u32::try_from(place).unwrap(), marking.status));
        }
        state.keep(number, &shard);
        if shard.is_complete() && !self.is(Mutant::DeletesBeforeClosing) {
            process.marking = Some(Marking { in_shard: true, ..marking });
        } else if shard.is_complete() {
            if let Kind::Worker(child) = process.kind {
                state.messages[child].gone = true;
            }
            process.marking = Some(Marking { in_shard: true, ..marking });
        }
    }

    /// The complete shard, into the batch. Also if the mark was there before: whoever set it may have died here.
    fn close(&self, state: &mut State, process: &mut Process, marking: Marking) {
        process.marking = None;
        let number = shard_of(FOLLOWED[marking.child]);
        let totals = state.shard(number).map(|shard| shard.counts()).unwrap_or_default();
        let ended = state.change(|record| {
            if self.is(Mutant::AddsTotalsAgain) && record.finished_at_ms.is_none() {
                record.open_shards.insert(number);
            }
            let closed = record.close_shard(number, totals);
            let planning_done = record.planning_done;
            record.planning_done |= self.is(Mutant::EndsWhileItIsPlanned);
            let ended = closed && record.finish_if_complete(NOW_MS);
            record.planning_done = planning_done;
            ended
        });
        if ended {
            state.ended_by = Some(marking.child);
        }
        // A planner tells when planning ends.
        let ended_here = state.ended_by.is_some_and(|child| {
            child == marking.child
                || shard_of(FOLLOWED[child]) == number && !self.is(Mutant::TellsTheCloserAlone)
        });
        if let (Some(status), true) = (state.batch.ended, ended_here)
            && process.kind != Kind::Planner
        {
            process.step = Step::Publish(status);
        }
    }

    /// The process's own next step. Says whether it goes on after that.
    fn own_step(&self, state: &mut State, process: &mut Process) -> bool {
        process.step = match process.step {
            Step::Open(number) => {
                let shard = planned_shard(number);
                if state.change(|record| record.open_shard(&shard)) {
                    state.keep(number, &Shard::open(shard.children));
                }
                if state.batch.cancel_asked && !state.batch.open[number as usize] {
                    Step::Cancel(0)
                } else {
                    record_first(number)
                }
            }
            Step::Record(child) => {
                self.record_child(state, process, child);
                let number = shard_of(FOLLOWED[child]);
                match is_last_of_shard(child) {
                    false => Step::Record(child + 1),
                    true if self.is(Mutant::AdvancesBeforeSending) => Step::Advance(number),
                    true => Step::Send(first_of(number)),
                }
            }
            Step::Send(child) => {
                if process.to_send & (1 << child) != 0 {
                    state.messages[child].sent = true;
                    process.to_send &= !(1 << child);
                }
                let number = shard_of(FOLLOWED[child]);
                match is_last_of_shard(child) {
                    false => Step::Send(child + 1),
                    true if self.is(Mutant::AdvancesBeforeSending) => after_shard(number),
                    true => Step::Advance(number),
                }
            }
            Step::Advance(number) => {
                state.change(|record| record.advance(&planned_shard(number), None));
                if self.is(Mutant::AdvancesBeforeSending) {
                    Step::Send(first_of(number))
                } else {
                    after_shard(number)
                }
            }
            Step::Cancel(child) => self.cancel_child(state, process, child),
            Step::EndPlanning => {
                state.change(|record| {
                    if !record.planning_done {
                        record.planning_done = true;
                        let early = record.planned <= FOLLOWED[2];
                        record.planning_error = early.then(|| "cancelled while it was planned".to_owned());
                    }
                    record.finish_if_complete(NOW_MS)
                });
                state.batch.ended.map_or(Step::Delete, Step::Publish)
            }
            Step::Publish(status) => {
                state.told |= 1 << status as u8;
                Step::Delete
            }
            Step::Delete => {
                match process.kind {
                    Kind::Worker(child) => state.messages[child].gone = true,
                    Kind::Planner => state.plan.gone = true,
                    Kind::Canceller => state.cancel.gone = true,
                }
                return false;
            }
        };
        true
    }

    fn record_child(&self, state: &mut State, process: &mut Process, child: Child) {
        let new = child_record(&job_id("batch-001"), FOLLOWED[child]);
        let verdict = lifecycle::accept(row(state, child).as_ref(), &new);
        if verdict.needs_sending() {
            process.to_send |= 1 << child;
        }
        match verdict {
            AcceptVerdict::Created => state.children[child] = ChildRow::Live,
            // Recorded by a planner that died, and ended since then: no message of its own may count it.
            AcceptVerdict::Exists(row) if row.is_finished() => {
                process.marking = Some(Marking { child, status: row.status, in_shard: false });
            }
            AcceptVerdict::Exists(_) => {}
            AcceptVerdict::Conflict(_) => panic!("the source does not change"),
        }
    }

    /// The wish to cancel, one child after another; then what follows it.
    fn cancel_child(&self, state: &mut State, process: &mut Process, child: Child) -> Step {
        let over = if process.kind == Kind::Planner { Step::EndPlanning } else { Step::Delete };
        if !state.batch.cancel_asked {
            return over;
        }
        if let Some(status) = state.batch.ended {
            return Step::Publish(status);
        }
        let Some(index) = FOLLOWED.get(child) else { return over };
        if *index >= state.batch.planned || !state.batch.open[shard_of(*index) as usize] {
            return Step::Cancel(child + 1);
        }
        if let CancelVerdict::Ended(row) | CancelVerdict::Finished(row) =
            lifecycle::cancel(row(state, child).as_ref(), NOW_MS)
        {
            state.children[child] = ChildRow::Ended(row.status);
            process.marking = Some(Marking { child, status: row.status, in_shard: false });
        }
        Step::Cancel(child + 1)
    }

    pub(super) fn leave_running(&self, state: &mut State, number: usize) {
        if let Step::Cancel(child) = state.processes[number].step {
            state.processes[number].step = Step::Cancel(child + 1);
        }
    }
}

fn after_shard(number: u32) -> Step {
    if number == 0 { Step::Open(1) } else { Step::Cancel(0) }
}

fn row(state: &State, child: Child) -> Option<JobRecord> {
    let queued = child_record(&job_id("batch-001"), FOLLOWED[child]);
    match state.children[child] {
        ChildRow::Unrecorded => None,
        ChildRow::Live => Some(queued),
        ChildRow::Ended(status) => Some(JobRecord {
            status,
            result: (status == JobStatus::Succeeded).then(|| succeeded().result().cloned()).flatten(),
            // A child that was cancelled before it ran was never claimed.
            attempt: u32::from(status != JobStatus::Cancelled),
            finished_at_ms: Some(NOW_MS),
            ..queued
        }),
    }
}
