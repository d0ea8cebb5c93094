//! The shell: which transition of the domain each step calls, and what its verdict means for the delivery. As
//! `workers/src/process.rs`, `workers/src/dead_letters.rs` and `dispatcher/src/submit.rs` have it.

use gantz_core::event;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{
    self, Claim, ClaimVerdict, DeadLetterVerdict, FinishVerdict, GiveUpVerdict, HeartbeatVerdict, Held,
    ReleaseVerdict, Verdict,
};
use gantz_core::limits::PUT_BACK_MAX;
use gantz_core::outcome::{ErrorKind, Outcome};
use gantz_core::retry::RetryPolicy;
use gantz_core::settle::{AttemptEnd, Settlement, settle};
use serde_json::Value;

use super::mutant::Mutant;
use super::state::{
    Caller, Delivery, DeliveryId, Grant, LEASE_AHEAD_MS, Late, Place, Promise, Row, Settled, State, Step,
    View, bit, ending, release,
};
use super::{Clocks, Fate, Go, JobModel};

/// How an attempt may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Done,
    FailedForGood,
    FailedForNow,
    Deferred,
    TimedOut,
    CancelSeen,
    DeadlinePassed,
    ShutDown,
    NotStarted,
}

impl How {
    pub(crate) const BEFORE_THE_START: [Self; 2] = [Self::NotStarted, Self::FailedForGood];
    pub(crate) const OF_A_RUN: [Self; 7] = [
        Self::Done,
        Self::FailedForNow,
        Self::Deferred,
        Self::TimedOut,
        Self::CancelSeen,
        Self::DeadlinePassed,
        Self::ShutDown,
    ];

    fn end(self) -> AttemptEnd {
        let kind = ErrorKind::Unavailable;
        match self {
            Self::Done => AttemptEnd::Answered(Outcome::Done(Value::Null)),
            Self::FailedForGood => AttemptEnd::Answered(Outcome::permanent(kind, "no")),
            Self::FailedForNow => AttemptEnd::Answered(Outcome::transient(kind, "not now")),
            Self::Deferred => AttemptEnd::Answered(Outcome::Deferred { delay_ms: 0, why: "later".into() }),
            Self::TimedOut => AttemptEnd::TimedOut(1),
            Self::CancelSeen => AttemptEnd::CancelSeen,
            Self::DeadlinePassed => AttemptEnd::DeadlinePassed,
            Self::ShutDown => AttemptEnd::ShutDown,
            Self::NotStarted => AttemptEnd::NotStarted("no parameters".into()),
        }
    }
}

/// What a delivery does after a step.
enum Then {
    /// Its next step.
    Step(Step),
    /// The job is over; what is left is to tell.
    Tell(JobStatus),
    /// Nothing: the message stays where it is.
    Leave,
}

impl JobModel {
    fn record(&self, state: &State, view: View) -> Option<JobRecord> {
        state.row.map(|row| row.record(&self.job, view))
    }

    pub(super) fn accept(&self, state: &mut State) {
        let view = View { lease_lives: false, deadline_passed: false };
        let verdict = lifecycle::accept(self.record(state, view).as_ref(), &self.job);
        let send = match (&verdict, self.mutant) {
            (_, Some(Mutant::AnswersBeforeSending)) => {
                state.seen.answered = true;
                verdict.needs_sending()
            }
            (lifecycle::AcceptVerdict::Exists(_), Some(Mutant::SendsOnlyOnce)) => false,
            _ => verdict.needs_sending(),
        };
        if verdict == lifecycle::AcceptVerdict::Created {
            self.write(state, view, &self.job);
        }
        state.submissions += 1;
        state.caller = Caller::Accepted { send };
    }

    pub(super) fn send(&self, state: &mut State, fate: Fate) {
        enqueue(state);
        if fate == Fate::Answered {
            state.caller = Caller::Sent;
        }
    }

    pub(super) fn cancel(&self, state: &mut State, view: View) {
        let view = View { lease_lives: view.lease_lives && !self.is(Mutant::EndsHeldJobs), ..view };
        let mut row = self.record(state, view);
        if let (Some(row), true) =
            (&mut row, self.is(Mutant::EndsHeldJobs) || self.is(Mutant::CancelsAfterCrash))
        {
            row.clean_attempt = row.attempt;
        }
        let mut verdict = lifecycle::cancel(row.as_ref(), view.now_ms());
        if let (lifecycle::CancelVerdict::Ended(new), Some(old)) = (&mut verdict, state.row) {
            new.clean_attempt = old.clean_attempt;
        }
        self.apply(state, view, &verdict);
    }

    /// The next receive: by a worker, or by the handler of dead letters. Whether a message that is in somebody's hands, or
    /// deleted, is received again is the queue's choice.
    pub(super) fn receive(&self, state: &mut State, number: usize) -> Option<DeliveryId> {
        let message = &mut state.messages[number];
        let dead = message.place == Place::Dead;
        let (step, most) = if dead {
            (Step::Decide, self.bounds.receives + self.bounds.dead_receives)
        } else {
            (Step::Claim, self.bounds.receives)
        };
        if message.receives < most {
            message.receives += 1;
            // Nobody else at work has this name.
            let number_at_work = u8::try_from(state.deliveries.len()).unwrap();
            let id = DeliveryId { message: u8::try_from(number).unwrap(), number: number_at_work };
            state.deliveries.push(Delivery { id, dead, step });
            return Some(id);
        }
        if message.place == Place::Queued {
            message.place = Place::Dead;
        }
        None
    }

    /// The ways in which an attempt can end now, of those that settle alike the first.
    pub(super) fn ways_to_end(&self, state: &State, grant: Grant, view: View, ways: &[How]) -> Vec<How> {
        let asked = state.row.is_some_and(|row| row.attempt == grant.attempt && row.cancel_asked);
        let possible = |how: &How| match how {
            How::CancelSeen => asked,
            How::DeadlinePassed => view.deadline_passed,
            _ => true,
        };
        let mut settled = Vec::new();
        let mut ways: Vec<How> = ways.iter().copied().filter(possible).collect();
        ways.retain(|how| {
            let new = self.settle(*how, grant, view);
            let is_new = !settled.contains(&new);
            settled.push(new);
            is_new
        });
        ways
    }

    fn settle(&self, how: How, grant: Grant, view: View) -> Settled {
        let Grant { attempt, deferrals } = grant;
        let claimed = Row { status: JobStatus::Running, attempt, deferrals, ..Row::of(&self.job) };
        let row = claimed.record(&self.job, view);
        match settle(how.end(), &row, &RetryPolicy::DEFAULT, view.now_ms(), 0) {
            Settlement::Succeed(_) => Settled::End(JobStatus::Succeeded),
            Settlement::End(ending) => Settled::End(ending.status()),
            Settlement::Release(release) => Settled::Release { counted: release.counted },
        }
    }

    pub(super) fn go(&self, state: &mut State, id: DeliveryId, go: Go) {
        let place = state.deliveries.iter().position(|delivery| delivery.id == id).unwrap();
        let step = state.deliveries[place].step;
        let (then, fate) = match (step, go) {
            (Step::Claim, Go::Claim(_, Fate::Late)) => {
                state.late = Some(Late::Claim(id));
                (Then::Step(step), Fate::Answered)
            }
            (Step::Claim, Go::Claim(view, fate)) => (self.claim(state, id, view), fate),
            (Step::Start(grant), Go::StartTool) => (self.start(state, grant), Fate::Answered),
            (Step::Start(grant) | Step::Run(grant), Go::EndAttempt(how, view, fate)) => {
                let settled = self.settle(how, grant, view);
                state.deliveries[place].step = Step::Record(grant, settled);
                return self.go(state, id, Go::Record(view, fate));
            }
            (Step::Record(grant, settled), Go::Record(_, Fate::Late)) => {
                state.late = Some(Late::Record(id, grant, settled));
                (Then::Step(step), Fate::Answered)
            }
            (Step::Record(grant, settled), Go::Record(view, fate)) => {
                (self.record_end(state, id, grant, settled, view), fate)
            }
            (Step::Run(grant), Go::Heartbeat(view)) => {
                (self.heartbeat(state, id, grant, view), Fate::Answered)
            }
            (Step::GiveUp { attempt_seen, status }, Go::GiveUp(_, Fate::Late)) => {
                state.late = Some(Late::GiveUp { attempt_seen, status });
                (Then::Step(step), Fate::Answered)
            }
            (Step::GiveUp { attempt_seen, status }, Go::GiveUp(view, fate)) => {
                (self.give_up(state, attempt_seen, status, view), fate)
            }
            (Step::Publish(status), Go::Publish) => {
                state.seen.told |= bit(status);
                (Then::Step(self.after_event(status)), Fate::Answered)
            }
            (Step::Mark(status), Go::Mark) => {
                state.seen.marked |= bit(status);
                (Then::Step(Step::Delete), Fate::Answered)
            }
            (Step::Delete, Go::Delete) => {
                let dead = state.deliveries[place].dead;
                self.delete(state, id, dead);
                (Then::Leave, Fate::Answered)
            }
            (Step::Decide, Go::Decide { view, worn_out }) => {
                (self.decide(state, view, worn_out), Fate::Answered)
            }
            (Step::PutBack, Go::PutBack(fate)) => {
                enqueue(state);
                (Then::Step(Step::Delete), fate)
            }
            (step, go) => panic!("{go:?} is no step from {step:?}"),
        };
        let next = match (then, fate) {
            (_, Fate::AnswerLost) => Some(step),
            (Then::Step(step), _) => Some(step),
            (Then::Tell(status), _) => Some(self.tell(state, place, status)),
            (Then::Leave, _) => None,
        };
        match next {
            Some(step) => state.deliveries[place].step = step,
            None => drop(state.deliveries.remove(place)),
        }
    }

    fn claim(&self, state: &mut State, id: DeliveryId, view: View) -> Then {
        let view = View { lease_lives: view.lease_lives && !self.is(Mutant::ClaimsHeldJobs), ..view };
        let mut row = self.record(state, view);
        if let (Some(row), true) = (&mut row, self.is(Mutant::ClaimsAfterCrash)) {
            row.clean_attempt = row.attempt;
        }
        if let (Some(row), true) = (&mut row, self.is(Mutant::ClaimsForEver)) {
            row.max_attempts = u32::MAX;
        }
        let claim = Claim {
            first_seen: self.job.clone(),
            owner: id.owner(),
            lease_until_ms: LEASE_AHEAD_MS,
            now_ms: view.now_ms(),
            redelivered: false,
        };
        let mut verdict = lifecycle::claim(row.as_ref(), &claim);
        if let ClaimVerdict::Granted(row) = &mut verdict {
            row.max_attempts = self.job.max_attempts;
        }
        self.apply(state, view, &verdict);
        match verdict {
            ClaimVerdict::Granted(row) => {
                Then::Step(Step::Start(Grant { attempt: row.attempt, deferrals: row.deferrals }))
            }
            ClaimVerdict::Finished(row) => Then::Tell(row.status),
            ClaimVerdict::HeldUntil { .. } if self.is(Mutant::DeletesWhileHeld) => Then::Step(Step::Delete),
            ClaimVerdict::HeldUntil { .. } => Then::Leave,
            ClaimVerdict::GiveUp { attempt_seen, ending } => {
                Then::Step(Step::GiveUp { attempt_seen, status: ending.status() })
            }
            ClaimVerdict::Foreign => panic!("there is one job"),
        }
    }

    fn start(&self, state: &mut State, grant: Grant) -> Then {
        let started = 1 << grant.attempt;
        if state.seen.started & started != 0 {
            state.seen.breach(Promise::OneStartEach);
        }
        state.seen.started |= started;
        let ended = state.row.is_some_and(|row| row.status.is_terminal());
        if ended && self.clocks == Clocks::Agree {
            state.seen.breach(Promise::NoStartAfterEnd);
        }
        Then::Step(Step::Run(grant))
    }

    fn heartbeat(&self, state: &mut State, id: DeliveryId, grant: Grant, view: View) -> Then {
        let held = grant.held(id, &self.job);
        let row = self.record(state, view);
        let verdict = lifecycle::heartbeat(row.as_ref(), &held, LEASE_AHEAD_MS, view.now_ms());
        self.apply(state, view, &verdict);
        match verdict {
            HeartbeatVerdict::Renewed(_) => {
                state.lease_over = false;
                Then::Step(Step::Run(grant))
            }
            HeartbeatVerdict::Lost => Then::Leave,
        }
    }

    fn record_end(
        &self,
        state: &mut State,
        id: DeliveryId,
        grant: Grant,
        settled: Settled,
        view: View,
    ) -> Then {
        let held = self.held(state, id, grant);
        let mut row = self.record(state, view);
        if let (Some(row), true) = (&mut row, self.is(Mutant::EndsAgain)) {
            row.finished_at_ms = None;
        }
        match settled {
            Settled::End(status) => {
                let verdict = lifecycle::finish(row.as_ref(), &held, &ending(status), view.now_ms());
                if let (FinishVerdict::Committed(_), Some(row)) = (&verdict, state.row)
                    && row.attempt != grant.attempt
                {
                    state.seen.breach(Promise::LastAttemptEnds);
                }
                self.apply(state, view, &verdict);
                match verdict {
                    FinishVerdict::Committed(row)
                    | FinishVerdict::Already(row)
                    | FinishVerdict::Otherwise(row) => Then::Tell(row.status),
                    FinishVerdict::FencedOut => Then::Leave,
                }
            }
            Settled::Release { counted } => {
                let verdict = lifecycle::release(row.as_ref(), &held, &release(counted), view.now_ms());
                self.apply(state, view, &verdict);
                match verdict {
                    ReleaseVerdict::Released(_) | ReleaseVerdict::FencedOut => Then::Leave,
                    ReleaseVerdict::CancelAsked => {
                        Then::Step(Step::Record(grant, Settled::End(JobStatus::Cancelled)))
                    }
                    ReleaseVerdict::Finished(row) => Then::Tell(row.status),
                }
            }
        }
    }

    fn held(&self, state: &State, id: DeliveryId, grant: Grant) -> Held {
        let mut held = grant.held(id, &self.job);
        if let (Some(row), true) = (state.row, self.is(Mutant::EndsWithoutFence)) {
            held.attempt = row.attempt;
        }
        held
    }

    fn give_up(&self, state: &mut State, attempt_seen: u32, status: JobStatus, view: View) -> Then {
        let row = self.record(state, view);
        let verdict =
            lifecycle::give_up(row.as_ref(), &self.job, attempt_seen, &ending(status), view.now_ms());
        self.apply(state, view, &verdict);
        match verdict {
            GiveUpVerdict::Committed(row) | GiveUpVerdict::Finished(row) => Then::Tell(row.status),
            GiveUpVerdict::MovedOn => Then::Leave,
        }
    }

    fn decide(&self, state: &State, view: View, worn_out: bool) -> Then {
        let row = self.record(state, view);
        let put_back = if worn_out { PUT_BACK_MAX } else { 0 };
        match lifecycle::dead_letter(row.as_ref(), &self.job, put_back, view.now_ms()) {
            DeadLetterVerdict::Finished(row) => Then::Tell(row.status),
            DeadLetterVerdict::HeldUntil { .. } => Then::Leave,
            DeadLetterVerdict::GiveUp { attempt_seen, ending } => {
                Then::Step(Step::GiveUp { attempt_seen, status: ending.status() })
            }
            DeadLetterVerdict::PutBack if self.is(Mutant::DropsDeadLetters) => Then::Step(Step::Delete),
            DeadLetterVerdict::PutBack => Then::Step(Step::PutBack),
            DeadLetterVerdict::Foreign => panic!("there is one job"),
        }
    }

    /// A write reaches the store, long after it was sent.
    pub(super) fn land(&self, state: &mut State, view: View) {
        let _verdict = match state.late.take() {
            Some(Late::Claim(id)) => self.claim(state, id, view),
            Some(Late::Record(id, grant, settled)) => self.record_end(state, id, grant, settled, view),
            Some(Late::GiveUp { attempt_seen, status }) => self.give_up(state, attempt_seen, status, view),
            None => Then::Leave,
        };
    }

    /// The first step of telling the world that the job has ended.
    fn tell(&self, state: &mut State, place: usize, status: JobStatus) -> Step {
        let ended = Row { status, ..Row::of(&self.job) };
        let view = View { lease_lives: false, deadline_passed: false };
        let event = event::completion(&ended.record(&self.job, view));
        let too_early = if event.is_some() { Mutant::DeletesBeforeEvent } else { Mutant::DeletesBeforeMark };
        if self.is(too_early) {
            let Delivery { id, dead, .. } = state.deliveries[place];
            self.delete(state, id, dead);
        }
        if event.is_some() { Step::Publish(status) } else { self.after_event(status) }
    }

    fn after_event(&self, status: JobStatus) -> Step {
        if self.job.parent.is_some() { Step::Mark(status) } else { Step::Delete }
    }

    /// A message that went to the dead letters meanwhile is not there any more to be deleted by a worker.
    fn delete(&self, state: &mut State, id: DeliveryId, dead: bool) {
        let message = &mut state.messages[usize::from(id.message)];
        if message.place != Place::Dead || dead {
            message.place = Place::Gone;
        }
    }

    fn apply(&self, state: &mut State, view: View, verdict: &impl Verdict) {
        if let Some(new) = verdict.row_to_write() {
            self.write(state, view, new);
        }
    }

    /// What a store does with a verdict; and every write is looked at.
    fn write(&self, state: &mut State, view: View, new: &JobRecord) {
        let (old, new_row) = (state.row, Row::of(new));
        let old_record = self.record(state, view);
        if old_record.as_ref() == Some(new) {
            return;
        }
        let sound = new.status.is_terminal() == new.finished_at_ms.is_some()
            && new.status.is_terminal()
                == (new.result.is_some() || new.finished_at_ms.is_some() && new.error.is_some())
            && (new.status == JobStatus::Running) == new.owner.is_some()
            && new.owner.is_some() == new.lease_until_ms.is_some()
            && new.accepted() == self.job.accepted()
            && old_record
                .is_none_or(|old| new.updated_at_ms > old.updated_at_ms && new.attempt - old.attempt <= 1);
        if !sound {
            state.seen.breach(Promise::SoundRows);
        }
        if let Some(old) = old {
            if old.status.is_terminal() {
                state.seen.breach(Promise::OneEnd);
            }
            let ended_idle = new.status.is_terminal() && new_row.finished_by.is_none();
            let taken = new_row.owner.is_some() && new_row.owner != old.owner;
            let held = self.clocks == Clocks::Agree && old.owner.is_some() && !state.lease_over;
            if held && (taken || ended_idle) {
                state.seen.breach(Promise::LeasesHold);
            }
        }
        if old.is_none_or(|old| old.attempt != new_row.attempt) {
            state.lease_over = false;
        }
        state.row = Some(new_row);
    }
}

fn enqueue(state: &mut State) {
    if let Some(message) = state.messages.iter_mut().find(|message| message.place == Place::Unsent) {
        message.place = Place::Queued;
    }
}
