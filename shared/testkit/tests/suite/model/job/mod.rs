//! One job: its submission, its deliveries, its dead letters, and who cancels it.

mod mutant;
mod proofs;
mod properties;
mod shell;
mod state;

use gantz_core::job::{JobRecord, NewJob};
use gantz_core::policy::Effects;
use gantz_testkit::builders::{job_id, new_job};
use stateright::{Model, Property};

use self::mutant::Mutant;
use self::shell::How;
use self::state::{Caller, DEADLINE_MS, Delivery, DeliveryId, Message, Place, Row, Seen, State, Step, View};

/// How far the clocks of those who look at a row may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocks {
    /// Not at all: a lease has ended for all or for nobody, and who holds it knows.
    Agree,
    /// By anything: at any moment, each call may find a lease alive or ended. More can happen than in any world.
    Apart,
}

/// How much may happen.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Processes at work on deliveries at the same time.
    at_once: usize,
    /// Receives of a message before it goes to the dead letters.
    receives: u8,
    /// Receives of a dead letter.
    dead_receives: u8,
    /// Receives in all.
    receives_in_all: u8,
    /// Times that the caller submits.
    submissions: u8,
    /// Messages, those that the dead-letter handler puts back included.
    messages: usize,
    /// Attempts that count.
    attempts: u32,
    /// Whether a write may reach the store later than anything else.
    late_writes: bool,
}

/// The job and its world.
#[derive(Debug, Clone)]
struct JobModel {
    job: JobRecord,
    clocks: Clocks,
    bounds: Bounds,
    mutant: Option<Mutant>,
}

impl JobModel {
    fn new(effects: Effects, clocks: Clocks, bounds: Bounds) -> Self {
        let job = NewJob { max_attempts: bounds.attempts, effects, ..new_job(&job_id("job-00001")) };
        Self { job: JobRecord::queued(job), clocks, bounds, mutant: None }
    }

    /// The job is a batch's child.
    fn child(mut self) -> Self {
        (self.job.parent, self.job.index) = (Some(job_id("batch-001")), Some(0));
        self
    }

    fn with_deadline(mut self) -> Self {
        self.job.deadline_ms = Some(DEADLINE_MS);
        self
    }

    fn with(mut self, mutant: Mutant) -> Self {
        self.mutant = Some(mutant);
        self
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// What the clocks of those who could make a call now may say.
    fn views(&self, state: &State) -> Vec<View> {
        let owned = state.row.is_some_and(|row| row.owner.is_some());
        if self.clocks == Clocks::Agree {
            let lease_lives = owned && !state.lease_over;
            return vec![View { lease_lives, deadline_passed: state.deadline_over }];
        }
        let leases: &[bool] = if owned { &[true, false] } else { &[false] };
        let deadlines: &[bool] = if self.job.deadline_ms.is_some() { &[false, true] } else { &[false] };
        let pairs = leases.iter().flat_map(|&lease_lives| {
            deadlines.iter().map(move |&deadline_passed| View { lease_lives, deadline_passed })
        });
        pairs.collect()
    }
}

/// What becomes of a call. Calls without a fate are those where to lose the answer is to die after the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It was carried out, and its caller does not know: it calls again, or gives up.
    AnswerLost,
    /// It will be carried out at some later time, and its caller does not know.
    Late,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Accept,
    Send(Fate),
    Answer202,
    CallerDies,
    Cancel(View),
    /// Somebody receives a message, and at once makes the first call for it: until then it changes nothing.
    Receive(usize, Go),
    /// Somebody receives a message, and dies.
    ReceiveInVain(usize),
    /// The process dies, or gives the delivery up: its message comes back.
    Die(DeliveryId),
    Go(DeliveryId, Go),
    LateWriteLands(View),
    LeaseEnds,
    DeadlinePasses,
}

/// A delivery's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    Claim(View, Fate),
    StartTool,
    EndAttempt(How, View, Fate),
    Record(View, Fate),
    Heartbeat(View),
    GiveUp(View, Fate),
    Publish,
    Mark,
    Delete,
    Decide { view: View, worn_out: bool },
    PutBack(Fate),
}

impl Model for JobModel {
    type State = State;
    type Action = Action;

    /// Nothing yet; and a message whose row is missing, which its first claim records.
    fn init_states(&self) -> Vec<State> {
        let unsent = Message { place: Place::Unsent, receives: 0 };
        let nothing = State {
            row: None,
            caller: Caller::Idle,
            submissions: 0,
            messages: vec![unsent; self.bounds.messages],
            deliveries: Vec::new(),
            late: None,
            lease_over: false,
            deadline_over: false,
            seen: Seen::default(),
        };
        let mut sent = nothing.clone();
        sent.messages[0].place = Place::Queued;
        sent.submissions = self.bounds.submissions;
        sent.seen.answered = true;
        vec![nothing, sent]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.caller_actions(state, actions);
        let views = self.views(state);
        if state.row.is_some_and(|row| !row.status.is_terminal()) {
            actions.extend(views.iter().map(|&view| Action::Cancel(view)));
        }
        if state.late.is_some() {
            actions.extend(views.iter().map(|&view| Action::LateWriteLands(view)));
        }
        let receives: u8 = state.messages.iter().map(|message| message.receives).sum();
        if state.deliveries.len() < self.bounds.at_once && receives < self.bounds.receives_in_all {
            for (number, message) in state.messages.iter().enumerate() {
                self.receive_actions(state, number, message.place, &views, actions);
            }
        }
        for delivery in &state.deliveries {
            actions.push(Action::Die(delivery.id));
            self.delivery_actions(state, delivery, &views, actions);
        }
        if self.clocks == Clocks::Agree {
            actions.push(Action::LeaseEnds);
            if self.job.deadline_ms.is_some() {
                actions.push(Action::DeadlinePasses);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Accept => self.accept(&mut state),
            Action::Send(fate) => self.send(&mut state, fate),
            Action::Answer202 => {
                state.seen.answered = true;
                state.caller = Caller::Idle;
            }
            Action::CallerDies => state.caller = Caller::Idle,
            Action::Cancel(view) => self.cancel(&mut state, view),
            Action::Receive(message, go) => {
                let id = self.receive(&mut state, message)?;
                self.go(&mut state, id, go);
            }
            Action::ReceiveInVain(message) => {
                let id = self.receive(&mut state, message);
                state.deliveries.retain(|delivery| Some(delivery.id) != id);
            }
            Action::Die(id) => state.deliveries.retain(|delivery| delivery.id != id),
            Action::Go(id, go) => self.go(&mut state, id, go),
            Action::LateWriteLands(view) => self.land(&mut state, view),
            Action::LeaseEnds => state.lease_over |= state.row.is_some_and(|row| row.owner.is_some()),
            Action::DeadlinePasses => state.deadline_over = true,
        }
        let state = state.canonical(self.job.effects == Effects::AtMostOnce);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self)
    }
}

impl JobModel {
    fn caller_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let either = [Fate::Answered, Fate::AnswerLost];
        match state.caller {
            Caller::Idle if state.submissions < self.bounds.submissions => {
                actions.push(Action::Accept);
            }
            Caller::Idle => {}
            Caller::Accepted { send: true } => {
                if state.messages.iter().any(|message| message.place == Place::Unsent) {
                    actions.extend(either.map(Action::Send));
                }
                actions.push(Action::CallerDies);
            }
            Caller::Accepted { send: false } | Caller::Sent => {
                actions.extend([Action::Answer202, Action::CallerDies]);
            }
        }
    }

    fn receive_actions(
        &self,
        state: &State,
        number: usize,
        place: Place,
        views: &[View],
        actions: &mut Vec<Action>,
    ) {
        let mut push = |go| actions.push(Action::Receive(number, go));
        match place {
            Place::Unsent => return,
            Place::Queued | Place::Gone => {
                each(views, self.fates(state), |view, fate| push(Go::Claim(view, fate)));
            }
            Place::Dead => {
                for &view in views {
                    push(Go::Decide { view, worn_out: false });
                    push(Go::Decide { view, worn_out: true });
                }
            }
        }
        if self.bounds.dead_receives > 0 {
            actions.push(Action::ReceiveInVain(number));
        }
    }

    fn fates(&self, state: &State) -> &'static [Fate] {
        if self.bounds.late_writes && state.late.is_none() {
            &[Fate::Answered, Fate::AnswerLost, Fate::Late]
        } else {
            &[Fate::Answered, Fate::AnswerLost]
        }
    }

    fn delivery_actions(
        &self,
        state: &State,
        delivery: &Delivery,
        views: &[View],
        actions: &mut Vec<Action>,
    ) {
        let fates = self.fates(state);
        let mut push = |go| actions.push(Action::Go(delivery.id, go));
        match delivery.step {
            Step::Claim => each(views, fates, |view, fate| push(Go::Claim(view, fate))),
            Step::Start(grant) => {
                if self.may_start(state, grant) {
                    push(Go::StartTool);
                }
                each(views, fates, |view, fate| {
                    for how in self.ways_to_end(state, grant, view, &How::BEFORE_THE_START) {
                        push(Go::EndAttempt(how, view, fate));
                    }
                });
            }
            Step::Run(grant) => {
                each(views, fates, |view, fate| {
                    for how in self.ways_to_end(state, grant, view, &How::OF_A_RUN) {
                        push(Go::EndAttempt(how, view, fate));
                    }
                });
                if self.clocks == Clocks::Agree {
                    views.iter().for_each(|&view| push(Go::Heartbeat(view)));
                }
            }
            Step::Record(..) => each(views, fates, |view, fate| push(Go::Record(view, fate))),
            Step::GiveUp { .. } => {
                each(views, fates, |view, fate| {
                    if fate != Fate::AnswerLost {
                        push(Go::GiveUp(view, fate));
                    }
                });
            }
            Step::Publish(_) => push(Go::Publish),
            Step::Mark(_) => push(Go::Mark),
            Step::Delete => push(Go::Delete),
            // Done with the receive.
            Step::Decide => {}
            Step::PutBack => {
                if state.messages.iter().any(|message| message.place == Place::Unsent) {
                    [Fate::Answered, Fate::AnswerLost].into_iter().for_each(|fate| push(Go::PutBack(fate)));
                }
            }
        }
    }

    /// Where clocks agree, who holds a lease that has ended does not start the tool.
    fn may_start(&self, state: &State, grant: state::Grant) -> bool {
        let stands = |row: Row| row.attempt == grant.attempt && !state.lease_over;
        self.clocks == Clocks::Apart || state.row.is_some_and(stands)
    }
}

fn each(views: &[View], fates: &[Fate], mut call: impl FnMut(View, Fate)) {
    for &view in views {
        for &fate in fates {
            call(view, fate);
        }
    }
}
