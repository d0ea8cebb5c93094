//! What must hold in every state, and what must be possible at all.

use gantz_core::job::JobStatus;
use gantz_core::policy::Effects;

use super::state::{Place, Promise, State, Step, bit};
use super::{Clocks, JobModel};

type Property = stateright::Property<JobModel>;

pub(super) const ONE_END: &str = "I1: one terminal status, which never changes";
pub(super) const ACCEPTED: &str = "I1: an accepted job has a row";
pub(super) const SOUND: &str = "I1: rows are well-formed, and what was accepted does not change";
pub(super) const ONE_START: &str = "I2: an attempt starts once";
pub(super) const FENCE: &str = "I2: whoever ends the job holds its last attempt";
pub(super) const ONCE: &str = "I3: an at-most-once tool starts once";
pub(super) const IN_DOUBT: &str = "I3: an at-most-once tool that was cut off leaves its job in doubt";
pub(super) const OUTBOX: &str = "I4: without a message the job is terminal and its end was told";
pub(super) const ONE_EVENT: &str = "I5: every event of the job says the same";
pub(super) const ATTEMPTS: &str = "I7: attempts stay within their maximum";
pub(super) const LEASES: &str = "leases that live are not taken";
pub(super) const NO_LATE_START: &str = "no start after the job was seen to have ended";

pub(super) fn of(model: &JobModel) -> Vec<Property> {
    let mut properties = vec![
        Property::always(ONE_END, |_, state| state.seen.kept(Promise::OneEnd)),
        Property::always(ACCEPTED, |_, state| {
            let sent = state.messages.iter().any(|message| message.place != Place::Unsent);
            !state.seen.answered || state.row.is_some() || sent
        }),
        Property::always(SOUND, |_, state| state.seen.kept(Promise::SoundRows)),
        Property::always(ONE_START, |_, state| state.seen.kept(Promise::OneStartEach)),
        Property::always(FENCE, |_, state| state.seen.kept(Promise::LastAttemptEnds)),
        Property::always(OUTBOX, outbox),
        Property::always(ONE_EVENT, |_, state| {
            let end = state.row.map_or(0, |row| if row.status.is_terminal() { bit(row.status) } else { 0 });
            (state.seen.told | state.seen.marked) & !end == 0
        }),
        Property::always(ATTEMPTS, |model, state| {
            state.row.is_none_or(|row| row.attempt - row.deferrals <= model.bounds.attempts)
        }),
    ];
    if model.job.effects == Effects::AtMostOnce {
        properties.push(Property::always(ONCE, |_, state| state.seen.started.count_ones() <= 1));
        properties.push(Property::always(IN_DOUBT, known_or_in_doubt));
    }
    if model.clocks == Clocks::Agree {
        properties.push(Property::always(LEASES, |_, state| state.seen.kept(Promise::LeasesHold)));
        properties
            .push(Property::always(NO_LATE_START, |_, state| state.seen.kept(Promise::NoStartAfterEnd)));
    }
    properties.extend(possible(model));
    properties
}

/// A message stands for every job that was answered for, until the world knows how it ended.
fn outbox(model: &JobModel, state: &State) -> bool {
    let there = |place| matches!(place, Place::Queued | Place::Dead);
    if !state.seen.answered || state.messages.iter().any(|message| there(message.place)) {
        return true;
    }
    let told = if model.job.parent.is_some() { state.seen.marked } else { state.seen.told };
    state.row.is_some_and(|row| row.status.is_terminal() && told & bit(row.status) != 0)
}

/// Who ends a job that nobody works on knows nothing of a tool that was started and never heard of again.
fn known_or_in_doubt(_: &JobModel, state: &State) -> bool {
    state.row.is_none_or(|row| {
        let ended_idle = row.status.is_terminal() && row.finished_by.is_none();
        let cut_off = state.seen.started & (1 << row.attempt) != 0 && row.clean_attempt != row.attempt;
        !(ended_idle && cut_off) || row.status == JobStatus::InDoubt
    })
}

/// Without these, the rest would hold because nothing happens.
fn possible(model: &JobModel) -> Vec<Property> {
    let mut properties = vec![
        Property::sometimes("a job succeeds", |_, state| ended_as(state, JobStatus::Succeeded)),
        Property::sometimes("a job fails", |_, state| ended_as(state, JobStatus::Failed)),
        Property::sometimes("a job is cancelled", |_, state| ended_as(state, JobStatus::Cancelled)),
        Property::sometimes("all is done and deleted", |_, state| {
            state.seen.answered && state.messages.iter().any(|message| message.place == Place::Gone)
        }),
        Property::sometimes("as many at once as can be", |model, state| {
            state.deliveries.len() == model.bounds.at_once
        }),
    ];
    if model.job.effects == Effects::AtMostOnce {
        let property =
            Property::sometimes("a job is in doubt", |_, state: &State| ended_as(state, JobStatus::InDoubt));
        properties.push(property);
    } else {
        let property =
            Property::sometimes("two tools run at once, one of them fenced out", |_, state: &State| {
                state.deliveries.iter().filter(|delivery| matches!(delivery.step, Step::Run(_))).count() == 2
            });
        properties.push(property);
        let property =
            Property::sometimes("the last attempt that counts", |model: &JobModel, state: &State| {
                state.row.is_some_and(|row| row.attempt - row.deferrals == model.bounds.attempts)
            });
        properties.push(property);
    }
    if model.job.deadline_ms.is_some() {
        let property =
            Property::sometimes("a job expires", |_, state: &State| ended_as(state, JobStatus::Expired));
        properties.push(property);
    }
    if model.bounds.dead_receives > 0 {
        let property = Property::sometimes("a dead letter was put back", |_, state: &State| {
            let dead = |step| matches!(step, Step::PutBack);
            state.deliveries.iter().any(|delivery| dead(delivery.step))
        });
        properties.push(property);
    }
    properties
}

fn ended_as(state: &State, status: JobStatus) -> bool {
    state.row.is_some_and(|row| row.status == status)
}
