//! Who watches the world, and knows nothing of how the fleet works: only what it has promised.
//!
//! Every write of a row, every start of a tool, every event and every deleted message passes by. What must never be is
//! noticed when it happens; what must have been in the end, by `verdict.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gantz_core::batch::BatchRecord;
use gantz_core::event::Event;
use gantz_core::ids::JobId;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::policy::Effects;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, `I1` to `I10`.
    pub invariant: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// What is known of a job.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// Somebody was told that it is accepted.
    pub is_accepted: bool,
    /// Somebody asked to cancel it.
    pub is_cancel_asked: bool,
    /// How it ended.
    pub end: Option<JobStatus>,
    /// The attempts whose tool was started, and when, in order.
    pub starts: Vec<(u32, u64)>,
    /// What the world was told, in order.
    pub told: Vec<String>,
    /// Its end was marked in its batch.
    pub is_marked: bool,
    owners: BTreeMap<u32, String>,
    place: usize,
}

/// The observer.
#[derive(Debug, Default)]
pub struct Observer {
    /// Whether a tool that starts after its job has ended is a violation: where no process is cut off between its claim
    /// and the start.
    pub is_strict_on_starts: bool,
    stories: BTreeMap<JobId, Story>,
    batch_ends: BTreeMap<JobId, JobStatus>,
    batch_events: BTreeMap<JobId, BTreeSet<String>>,
    violations: Vec<Violation>,
    rows: usize,
}

impl Observer {
    /// Whether a promise was broken.
    pub fn is_broken(&self) -> bool {
        !self.violations.is_empty()
    }

    /// What was broken so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Takes note of a broken promise.
    pub fn broken(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.violations.push(Violation { invariant, what: what.into() });
    }

    /// What is known of every job.
    pub fn stories(&self) -> impl Iterator<Item = (&JobId, &Story)> {
        self.stories.iter()
    }

    /// What is known of a job.
    pub fn story(&self, id: &JobId) -> Story {
        self.stories.get(id).cloned().unwrap_or_default()
    }

    /// What the world was told of a batch.
    pub fn told_of_batch(&self, id: &JobId) -> BTreeSet<String> {
        self.batch_events.get(id).cloned().unwrap_or_default()
    }

    /// Somebody was told that the job is accepted.
    pub fn accepted(&mut self, id: &JobId) {
        self.stories.entry(id.clone()).or_default().is_accepted = true;
    }

    /// Somebody asks to cancel the job.
    pub fn cancel_asked(&mut self, id: &JobId) {
        self.stories.entry(id.clone()).or_default().is_cancel_asked = true;
    }

    /// The n-th row that was recorded.
    pub(crate) fn place(&self, id: &JobId) -> usize {
        self.stories.get(id).map_or(0, |story| story.place)
    }

    /// The row has expired: its id may belong to another job from now on.
    pub(crate) fn forget(&mut self, id: &JobId) {
        self.stories.remove(id);
    }

    pub(crate) fn row_written(
        &mut self,
        before: Option<&JobRecord>,
        after: &JobRecord,
        by: &str,
        now_ms: u64,
    ) {
        if before.is_none() {
            self.rows += 1;
        }
        let place = self.rows;
        let story = self.stories.entry(after.id.clone()).or_default();
        if before.is_none() {
            story.place = place;
        }
        let mut broken = Vec::new();
        match story.end {
            Some(end) if end != after.status => {
                broken.push((
                    "I1",
                    format!("{} ended as {end:?}, and {by} made it {:?}", after.id, after.status),
                ));
            }
            Some(_) if before.is_some_and(|row| row.finished_at_ms != after.finished_at_ms) => {
                broken.push(("I1", format!("the end of {} was written again by {by}", after.id)));
            }
            _ => {}
        }
        if after.status.is_terminal() {
            story.end = Some(after.status);
        }
        if after.status.is_terminal() != after.is_finished() {
            broken.push(("I1", format!("{} is {:?}, and its end is not noted so", after.id, after.status)));
        }
        let attempt_before = before.map_or(0, |row| row.attempt);
        if after.attempt < attempt_before || after.attempt > attempt_before + 1 {
            broken.push((
                "I2",
                format!("{} went from attempt {attempt_before} to {}", after.id, after.attempt),
            ));
        }
        if after.attempt > attempt_before
            && let Some(owner) = &after.owner
        {
            story.owners.insert(after.attempt, owner.clone());
        }
        if let (Some(owner), false) = (&after.finished_by, before.is_some_and(JobRecord::is_finished))
            && story.owners.get(&after.attempt) != Some(owner)
        {
            let what =
                format!("{} was ended by {owner}, which does not hold attempt {}", after.id, after.attempt);
            broken.push(("I2", what));
        }
        if after.attempts_used() > after.max_attempts {
            let (used, max) = (after.attempts_used(), after.max_attempts);
            broken.push(("I7", format!("{} has used {used} of {max} attempts at {now_ms}", after.id)));
        }
        for (invariant, what) in broken {
            self.broken(invariant, what);
        }
    }

    /// A tool starts. Returns whether the job had ended before.
    pub(crate) fn started(&mut self, id: &JobId, attempt: u32, effects: Effects, now_ms: u64) -> bool {
        let is_strict = self.is_strict_on_starts;
        let story = self.stories.entry(id.clone()).or_default();
        let mut broken = Vec::new();
        if story.starts.iter().any(|(earlier, _)| *earlier == attempt) {
            broken.push(("I2", format!("attempt {attempt} of {id} starts a second time")));
        }
        if effects == Effects::AtMostOnce && !story.starts.is_empty() {
            broken.push(("I3", format!("{id} may start once, and attempt {attempt} starts it again")));
        }
        if !story.owners.contains_key(&attempt) {
            broken.push(("I2", format!("attempt {attempt} of {id} starts, and nobody was granted it")));
        }
        let has_ended = story.end.is_some();
        if has_ended && is_strict {
            broken.push(("I1", format!("attempt {attempt} of {id} starts after its end as {:?}", story.end)));
        }
        story.starts.push((attempt, now_ms));
        for (invariant, what) in broken {
            self.broken(invariant, what);
        }
        has_ended
    }

    /// An event was accepted. `status` is the row's, if it is a job's.
    pub(crate) fn told(&mut self, event: &Event, status: Option<JobStatus>) {
        if event.detail_type.starts_with("Gantz Batch") {
            let told = self.batch_events.entry(event.job_id.clone()).or_default();
            told.insert(event.detail_type.clone());
            if told.len() > 1 {
                let what = format!("of the batch {} the world is told {told:?}", event.job_id);
                self.broken("I5", what);
            }
            return;
        }
        let expected = status.and_then(in_words).map(|words| format!("Gantz Job {words}"));
        if expected.as_ref() != Some(&event.detail_type) {
            let what =
                format!("the world is told `{}` of {}, which is {status:?}", event.detail_type, event.job_id);
            self.broken("I5", what);
        }
        self.stories.entry(event.job_id.clone()).or_default().told.push(event.detail_type.clone());
    }

    /// A child's end is marked in its batch.
    pub(crate) fn marked(&mut self, batch: &JobId, index: u32) {
        self.stories.entry(JobId::child(batch, index)).or_default().is_marked = true;
    }

    pub(crate) fn batch_written(&mut self, before: Option<&BatchRecord>, after: &BatchRecord) {
        let end = self.batch_ends.get(&after.id).copied();
        if end.is_some_and(|end| end != after.status) {
            self.broken(
                "I1",
                format!("the batch {} ended as {end:?}, and is {:?} now", after.id, after.status),
            );
        }
        let counted_before = before.map_or(0, |batch| batch.counts.finished());
        if after.counts.finished() < counted_before
            || after.counts.finished() > after.planned.max(counted_before)
        {
            // While planning goes on, a shard may be complete before it is noted as planned.
            if after.planning_done {
                let what = format!(
                    "{} of {} children of {} counted",
                    after.counts.finished(),
                    after.planned,
                    after.id
                );
                self.broken("I6", what);
            }
        }
        if after.is_finished() {
            self.batch_ends.insert(after.id.clone(), after.status);
        }
    }

    /// A job's message is deleted. `may_go` says that there is another one, which is all that matters.
    pub(crate) fn message_deleted(&mut self, id: &JobId, row: Option<&JobRecord>, may_go: bool, now_ms: u64) {
        let Some(row) = row else {
            if !may_go {
                self.broken("I4", format!("the message of {id} is deleted at {now_ms}, and there is no row"));
            }
            return;
        };
        let story = self.stories.get(id).cloned().unwrap_or_default();
        let is_told = if row.parent.is_some() { story.is_marked } else { !story.told.is_empty() };
        let is_over = row.is_finished() && is_told;
        if !may_go && !is_over {
            let what = format!(
                "the message of {id} is deleted, and the job is {:?}, told {:?}, marked {}",
                row.status, story.told, story.is_marked
            );
            self.broken("I4", what);
        }
    }
}

/// How events put an end; `None` for what is none.
pub fn in_words(status: JobStatus) -> Option<&'static str> {
    match status {
        JobStatus::Succeeded => Some("Succeeded"),
        JobStatus::Failed => Some("Failed"),
        JobStatus::Cancelled => Some("Cancelled"),
        JobStatus::Expired => Some("Expired"),
        JobStatus::InDoubt => Some("In Doubt"),
        JobStatus::Queued | JobStatus::Running | JobStatus::Waiting => None,
    }
}
