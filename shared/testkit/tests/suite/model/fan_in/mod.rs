//! A batch: its planner, its children's ends, and who cancels it.

mod proofs;
mod shell;
mod state;

use gantz_core::job::JobStatus;
use stateright::Model;

use self::shell::Mutant;
use self::state::{Batch, CHILDREN, Child, ChildRow, FOLLOWED, Kind, Message, State, Step};
use gantz_testkit::builders::{batch, job_id};

const LAST: Child = FOLLOWED.len() - 1;

type Property = stateright::Property<FanIn>;

/// How much may happen.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Processes at work at the same time.
    at_once: usize,
    /// Planners among them.
    planners_at_once: usize,
    /// Receives of the plan, and of the wish to cancel.
    plan_receives: u8,
    /// Receives of children's messages in all.
    receives: u8,
    /// Whether somebody cancels the batch.
    cancelled: bool,
}

/// The batch and its world.
#[derive(Debug, Clone)]
struct FanIn {
    bounds: Bounds,
    mutant: Option<Mutant>,
}

impl FanIn {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    ReceivePlan,
    ReceiveCancel,
    /// A worker receives a child's message. If the child has not ended, it does so, like this.
    ReceiveChild(Child, JobStatus),
    CancelBatch,
    /// A process takes its next step. Its answer may be lost: then it takes the step again.
    Step {
        process: usize,
        answer_lost: bool,
    },
    /// It finds the child running, and leaves it to its worker.
    LeaveRunning(usize),
    Die(usize),
}

const COUNTED_ONCE: &str = "I6: every child is counted, once, as it ended";
const ONE_END: &str = "I6: a batch ends once";
const NOTHING_OPEN: &str = "I6: a batch ends when all its children have ended";
const OUTBOX: &str = "I4: without a message the batch has ended and its end was told";
const ONE_EVENT: &str = "I5: every event of the batch says the same";

impl Model for FanIn {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            batch: Batch::of(&batch(&job_id("batch-001"))),
            shards: [false; 2],
            marks: [b'.'; 3],
            ended_by: None,
            children: [ChildRow::Unrecorded; 3],
            messages: [Message::UNSENT; 3],
            receives: 0,
            plan: Message { sent: true, ..Message::UNSENT },
            plan_receives: 0,
            cancel: Message::UNSENT,
            cancel_receives: 0,
            processes: Vec::new(),
            told: 0,
            changed_after_end: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let Bounds { at_once, planners_at_once, plan_receives, receives, cancelled } = self.bounds;
        if cancelled && !state.batch.cancel_asked {
            actions.push(Action::CancelBatch);
        }
        if state.processes.len() < at_once {
            let planners = state.processes.iter().filter(|process| process.kind == Kind::Planner).count();
            if state.plan_receives < plan_receives && planners < planners_at_once {
                actions.push(Action::ReceivePlan);
            }
            if state.cancel.sent && state.cancel_receives < plan_receives {
                actions.push(Action::ReceiveCancel);
            }
            for child in (0..FOLLOWED.len()).filter(|_| state.receives < receives) {
                if state.messages[child].sent {
                    actions.push(Action::ReceiveChild(child, JobStatus::Succeeded));
                    // One that may fail is enough.
                    if state.children[child] == ChildRow::Live && child == LAST {
                        actions.push(Action::ReceiveChild(child, JobStatus::Failed));
                    }
                }
            }
        }
        for (process, at_work) in state.processes.iter().enumerate() {
            actions.push(Action::Step { process, answer_lost: false });
            if matches!(at_work.step, Step::Send(_)) || at_work.marking.is_some() {
                actions.push(Action::Step { process, answer_lost: true });
            }
            if let (Step::Cancel(child), None) = (at_work.step, at_work.marking)
                && state.children.get(child) == Some(&ChildRow::Live)
                && state.messages[child].is_there()
            {
                actions.push(Action::LeaveRunning(process));
            }
            actions.push(Action::Die(process));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::ReceivePlan => self.receive_plan(&mut state),
            Action::ReceiveCancel => self.receive_cancel(&mut state),
            Action::ReceiveChild(child, status) => self.receive_child(&mut state, child, status),
            Action::CancelBatch => self.cancel_batch(&mut state),
            Action::Step { process, answer_lost } => self.step(&mut state, process, answer_lost),
            Action::LeaveRunning(process) => self.leave_running(&mut state, process),
            Action::Die(process) => drop(state.processes.remove(process)),
        }
        state.processes.sort_unstable();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property> {
        let mut properties = vec![
            Property::always(ONE_END, |_, state| !state.changed_after_end),
            Property::always(COUNTED_ONCE, |_, state| state.batch.ended.is_none() || counts_are_exact(state)),
            Property::always(NOTHING_OPEN, |_, state| {
                let ended = |child: &ChildRow| matches!(child, ChildRow::Ended(_) | ChildRow::Unrecorded);
                state.batch.ended.is_none() || state.children.iter().all(ended)
            }),
            Property::always(OUTBOX, |_, state| {
                let mut messages = state.messages.iter().chain([&state.plan, &state.cancel]);
                let told = |status| state.told & (1 << status as u8) != 0;
                messages.any(Message::is_there) || state.batch.ended.is_some_and(told)
            }),
            Property::always(ONE_EVENT, |_, state| {
                state.told & !state.batch.ended.map_or(0, |status| 1 << status as u8) == 0
            }),
            Property::sometimes("a batch succeeds", |_, state| {
                state.batch.ended == Some(JobStatus::Succeeded)
            }),
            Property::sometimes("a batch fails", |_, state| state.batch.ended == Some(JobStatus::Failed)),
            Property::sometimes("its planner ends it", |_, state| {
                state.batch.ended.is_some() && state.ended_by.is_none()
            }),
            Property::sometimes("a child ends it", |_, state| state.ended_by.is_some()),
            Property::sometimes("as many at once as can be", |model, state| {
                state.processes.len() == model.bounds.at_once
            }),
        ];
        if self.bounds.cancelled {
            let property = Property::sometimes("a batch is cancelled", |_, state| {
                state.batch.ended == Some(JobStatus::Cancelled)
            });
            properties.push(property);
        }
        properties
    }
}

/// The totals are those of the planned children's rows.
fn counts_are_exact(state: &State) -> bool {
    let mut expected = [0; 5];
    for (child, index) in state.children.iter().zip(FOLLOWED) {
        if index >= state.batch.planned {
            continue;
        }
        match child {
            ChildRow::Ended(JobStatus::Succeeded) => expected[0] += 1,
            ChildRow::Ended(JobStatus::Failed) => expected[1] += 1,
            ChildRow::Ended(JobStatus::Cancelled) => expected[2] += 1,
            _ => {}
        }
    }
    if state.batch.planned > 0 {
        expected[0] += FOLLOWED[0];
    }
    let all = state.batch.cancel_asked || state.batch.planned == CHILDREN;
    all && state.batch.counts == expected && expected.iter().sum::<u32>() == state.batch.planned
}
