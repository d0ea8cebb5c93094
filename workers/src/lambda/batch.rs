//! A batch: every record for itself, and all of them within the invocation.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gantz_core::ids::QueueName;
use gantz_core::ports::{Message, Postponed};

use super::Invocation;
use super::event::Received;
use crate::dead_letters;
use crate::delivery::{Delivery, Disposition, Tenure};
use crate::metrics::Measure;
use crate::pool::carry_out;
use crate::process::Worker;
use crate::run::Running;
use crate::stop::Switch;

/// How long a task that was stopped may take to notice. One that blocks its thread does not, and is frozen with it.
const STOP_MS: u64 = 100;

/// Works off a batch, and returns the ids of the messages that come back, in the order of the batch.
///
/// All records run at once, but those of one group one after another: the first that comes back brings the rest of its
/// group back with it, unstarted.
pub(super) async fn work(
    worker: &Arc<Worker>,
    queue: &QueueName,
    batch: Vec<Received>,
    invocation: &Invocation,
) -> Vec<String> {
    let runs = groups(batch).into_iter().map(|group| run_group(worker, queue, group, invocation));
    let mut failed = join_all(runs).await.concat();
    failed.sort();
    failed.into_iter().map(|(_, id)| id).collect()
}

/// Runs records one after another, each on a task of its own, and returns which of them come back.
async fn run_group(
    worker: &Arc<Worker>,
    queue: &QueueName,
    group: Group,
    invocation: &Invocation,
) -> Vec<(usize, String)> {
    let mut failed = Vec::new();
    for (nth, (place, message)) in group.records.into_iter().enumerate() {
        let id = message.id.clone();
        let start = failed.is_empty().then(|| invocation.tenure(nth == 0));
        let record = run_record(Arc::clone(worker), queue.clone(), message, group.name.clone(), start);
        let running = Running(tokio::spawn(record));
        if !running.within(&id, invocation.answer_is_due(&worker.clock)).await {
            failed.push((place, id));
        }
    }
    failed
}

/// Takes a record as far as it goes, or hands it back if it shall not start. True if its message may be deleted.
async fn run_record(
    worker: Arc<Worker>,
    queue: QueueName,
    message: Message,
    group: Option<String>,
    start: Option<Tenure>,
) -> bool {
    let disposition = match start {
        Some(tenure) => decide(&worker, &queue, &message, group.as_deref(), tenure).await,
        None => hand_back(&worker),
    };
    settle(&worker, &queue, &message, disposition).await
}

/// A message and its place in the batch.
type Placed = (usize, Message);

/// Records that run one after another.
struct Group {
    name: Option<String>,
    records: Vec<Placed>,
}

/// The records with their places, those of one group together, in order. A record without a group is one for itself.
fn groups(batch: Vec<Received>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (place, Received { message, group }) in batch.into_iter().enumerate() {
        let known = match &group {
            Some(_) => groups.iter_mut().find(|known| known.name == group),
            None => None,
        };
        match known {
            Some(known) => known.records.push((place, message)),
            None => groups.push(Group { name: group, records: vec![(place, message)] }),
        }
    }
    groups
}

fn hand_back(worker: &Worker) -> Disposition {
    worker.observer.note(Measure::Deferred { why: Postponed::HandedBack.as_str() });
    Disposition::HAND_BACK
}

async fn decide(
    worker: &Worker,
    queue: &QueueName,
    message: &Message,
    group: Option<&str>,
    tenure: Tenure,
) -> Disposition {
    if queue.home().is_some() {
        return dead_letters::decide(worker, queue, message, group).await.unwrap_or_else(|error| {
            tracing::warn!(message_id = message.id, %error, "failed to handle a dead letter");
            Disposition::Leave
        });
    }
    // Lambda stops functions by their deadline alone.
    let stop = Switch::default().stop();
    worker.process(&Delivery { queue, message, tenure, stop: &stop }).await
}

/// Does with a message what was decided. True if it may be deleted, which Lambda does.
async fn settle(worker: &Worker, queue: &QueueName, message: &Message, disposition: Disposition) -> bool {
    let goes = match disposition {
        Disposition::Acknowledge => return true,
        Disposition::Leave => return false,
        Disposition::Quarantine(_) => true,
        Disposition::Postpone { .. } => false,
    };
    match carry_out(worker, queue, message, disposition).await {
        Ok(()) => goes,
        Err(error) => {
            // It comes back when its visibility ends, and finds its job as it is.
            tracing::warn!(message_id = message.id, %error, "failed to settle a message");
            false
        }
    }
}

impl<T: Default> Running<T> {
    /// What the task returns; the default if it panics, or is not over by then and is stopped.
    pub(crate) async fn within(mut self, message_id: &str, due: impl Future<Output = ()>) -> T {
        tokio::select! {
            biased;
            joined = &mut self.0 => joined.unwrap_or_else(|error| {
                tracing::error!(message_id, %error, "a record's task ended badly");
                T::default()
            }),
            () = due => {
                tracing::warn!(message_id, "stopped a record that was not over in time");
                self.0.abort();
                if tokio::time::timeout(Duration::from_millis(STOP_MS), &mut self.0).await.is_err() {
                    tracing::error!(message_id, "a record's task does not stop: it blocks its thread");
                }
                T::default()
            }
        }
    }
}
