//! Planning: from a batch to its children, in steps that may be cut off.
//!
//! Per shard of a batch: read a page of the source, open the shard, record the children, send them, save the cursor.
//! Children's ids follow from their index, so a planner that is started again repeats at most one shard, to no effect.
//! Memory holds one page; a walk over files also holds the names of one folder at each level, as it goes through them in
//! order. [`serve`] plans for as long as a process lives; [`step`] is for hosts that end after minutes.

mod files;
mod lines;
mod message;
mod object_lines;
mod objects;
mod page;
mod parts;
mod pattern;
mod planner;
mod stop;
mod turn;
mod unsuccessful;

pub use message::{NewObjectsOf, PlanMessage, StoredSource};
pub(crate) use page::{PLANNED_PAGE_MAX_BYTES, planned_inputs};
use turn::Turn;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gantz_core::ids::QueueName;
use gantz_core::limits::{LEASE_MS, POSTPONE_MAX_MS};
use gantz_core::ports::{Message, PortError, PortResult, Postponed, Receive};
use gantz_core::retry;

use crate::submit::{Dispatcher, SubmitError};
use planner::Planner;

const WAIT_MS: u64 = 20_000;
const PAUSE: Duration = Duration::from_secs(1);
/// Tries to settle a plan's message, so far apart: it is in nobody's hands until its visibility ends.
const SETTLE_TRIES: u32 = 6;

/// What is left of a message's work after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum StepEnd {
    /// Nothing: delete the message.
    Done,
    /// Time is short: make the message visible at once. The next step goes on where this one stopped.
    More,
    /// It is not due before then, in milliseconds since the epoch: keep the message back until then, or for as long as the
    /// queue can.
    NotBefore(u64),
}

impl StepEnd {
    /// How long to keep the message back, and why; `None` for one that is to be deleted.
    pub(crate) fn postponement(self, now_ms: u64) -> Option<(u64, Postponed)> {
        match self {
            Self::Done => None,
            Self::More => Some((0, Postponed::HandedBack)),
            Self::NotBefore(due_ms) => {
                Some((due_ms.saturating_sub(now_ms).min(POSTPONE_MAX_MS), Postponed::NotDue))
            }
        }
    }
}

/// Does a message's work until it is done, or until `deadline_ms` is near, in milliseconds since the epoch by the
/// dispatcher's clock: with less than five seconds left nothing is begun, so a step should have half a minute at least.
///
/// With a deadline the message must stay invisible until then; without one the step renews its visibility as it goes.
/// The message itself is left to the caller, as [`StepEnd`] says. A step may be dropped at any point, and steps of one
/// message may run side by side: what they do is done once. Folders in `spared` are left out of what patterns match.
///
/// # Errors
/// When the backend fails, or the message is no plan. It must come back: a step that is repeated goes on from what was
/// saved, and a later Gantz, or a person, may read what this one does not.
pub async fn step(
    dispatcher: &Dispatcher,
    message: &Message,
    spared: &Path,
    deadline_ms: Option<u64>,
) -> Result<StepEnd, SubmitError> {
    let turn = Turn::new(dispatcher, &message.receipt, deadline_ms);
    let plan = serde_json::from_str(&message.body)
        .map_err(|error| PortError::Permanent(format!("the message is no plan: {error}")))?;
    carry_out(&turn, plan, spared).await
}

/// Plans batches until `stop` completes. Folders in `spared` are left out of what patterns match: the data directory
/// itself, whose files change while they are listed.
pub async fn serve(dispatcher: Dispatcher, spared: Arc<PathBuf>, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let ask = Receive { max: 1, visibility_ms: LEASE_MS, wait_ms: WAIT_MS };
    loop {
        let received = tokio::select! {
            biased;
            () = &mut stop => return,
            received = dispatcher.ports.queue.receive(&QueueName::Plan, ask) => received,
        };
        let messages = match received {
            Ok(messages) => messages,
            Err(error) => {
                if !error.is_said() {
                    tracing::warn!(%error, "failed to receive plans");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        for message in messages {
            // Planning may be dropped at any point: its message comes back, and it goes on from its cursor.
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = handle(&dispatcher, &message, &spared) => {}
            }
        }
    }
}

/// Plans what there is to plan at once, and returns.
///
/// # Errors
/// When plans cannot be received. One that cannot be carried out comes back, and is no error here.
pub async fn work_off(dispatcher: &Dispatcher, spared: &Path) -> PortResult<()> {
    let ask = Receive { max: 1, visibility_ms: LEASE_MS, wait_ms: 0 };
    loop {
        let messages = dispatcher.ports.queue.receive(&QueueName::Plan, ask).await?;
        if messages.is_empty() {
            return Ok(());
        }
        for message in messages {
            handle(dispatcher, &message, spared).await;
        }
    }
}

async fn handle(dispatcher: &Dispatcher, message: &Message, spared: &Path) {
    let stepped = step(dispatcher, message, spared, None).await;
    if let Err(error) = &stepped
        && !error.is_said()
    {
        tracing::warn!(message_id = message.id, %error, "planning was interrupted and will go on");
    }
    let mut settled = settle(dispatcher, message, &stepped).await;
    for _ in 1..SETTLE_TRIES {
        if !settled.as_ref().is_err_and(PortError::is_transient) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        settled = settle(dispatcher, message, &stepped).await;
    }
    if let Err(error) = settled
        && !error.is_said()
    {
        tracing::warn!(message_id = message.id, %error, "failed to settle a plan's message");
    }
}

async fn settle(
    dispatcher: &Dispatcher,
    message: &Message,
    stepped: &Result<StepEnd, SubmitError>,
) -> PortResult<()> {
    let (queue, receipt) = (&dispatcher.ports.queue, &message.receipt);
    let postponement = match stepped {
        Ok(end) => end.postponement(dispatcher.clock.now_ms()),
        Err(error) => {
            let delay_ms = retry::after_port_failure_ms(message.receives);
            Some((delay_ms, Postponed::PortFailed(error.to_string())))
        }
    };
    match postponement {
        None => queue.delete(&QueueName::Plan, vec![receipt.clone()]).await.map(|_| ()),
        Some((delay_ms, why)) => queue.postpone(&QueueName::Plan, receipt, delay_ms, why).await,
    }
}

async fn carry_out(turn: &Turn<'_>, plan: PlanMessage, spared: &Path) -> Result<StepEnd, SubmitError> {
    match plan {
        PlanMessage::Batch { batch_id, source, shared, trace } => {
            let progress = turn.dispatcher.ports.batches.progress(&batch_id).await?;
            let Some(progress) = progress else { return Ok(StepEnd::Done) };
            let planner =
                Planner { turn, batch: progress.batch, source: &source, shared, trace, left_out: 0 };
            planner.plan(spared).await
        }
        PlanMessage::Cancel { batch_id } => stop::if_it_shall(turn, &batch_id).await,
        PlanMessage::Expire { batch_id } => stop::when_due(turn, &batch_id).await,
    }
}
