//! Stopping a batch before its end, because somebody asked or its deadline has passed: its children, a few shards at a time.
//!
//! Each child that ends here is marked at once, so a shard that was gone through leaves the batch's set of open shards, but
//! for children that were running and end by themselves. The set is all that a later step needs to go on.

use futures_util::future::try_join_all;
use gantz_core::batch::{BatchRecord, first_of};
use gantz_core::event;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{CancelVerdict, Ending, GiveUpVerdict};
use gantz_core::ports::PortResult;

use super::StepEnd;
use super::planner::next_shard;
use super::turn::Turn;
use crate::submit::{Dispatcher, SubmitError};

/// Shards gone through at a time, each one child after another, because the marks of a shard share a row.
const SHARDS: usize = 8;

/// Why children end here.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// Somebody asked.
    Cancelled,
    /// The batch's deadline has passed, and with it theirs.
    Over,
}

/// Ends what was planned of a batch that somebody asked to cancel, or whose deadline has passed, whether or not anybody works
/// on its lane.
pub(super) async fn if_it_shall(turn: &Turn<'_>, batch_id: &JobId) -> Result<StepEnd, SubmitError> {
    let Some(batch) = record(turn, batch_id).await? else { return Ok(StepEnd::Done) };
    if batch.cancel_requested_at_ms.is_some() {
        children(turn, batch, Why::Cancelled).await
    } else if batch.is_over(turn.dispatcher.clock.now_ms()) {
        children(turn, batch, Why::Over).await
    } else {
        Ok(StepEnd::Done)
    }
}

/// The same, as the message has it that was sent to come when the deadline has passed.
pub(super) async fn when_due(turn: &Turn<'_>, batch_id: &JobId) -> Result<StepEnd, SubmitError> {
    let Some(batch) = record(turn, batch_id).await? else { return Ok(StepEnd::Done) };
    match batch.deadline_ms {
        Some(due_ms) if !batch.is_finished() && due_ms > turn.dispatcher.clock.now_ms() => {
            Ok(StepEnd::NotBefore(due_ms))
        }
        _ => if_it_shall(turn, batch_id).await,
    }
}

async fn record(turn: &Turn<'_>, batch_id: &JobId) -> PortResult<Option<BatchRecord>> {
    Ok(turn.dispatcher.ports.batches.progress(batch_id).await?.map(|progress| progress.batch))
}

async fn children(turn: &Turn<'_>, batch: BatchRecord, why: Why) -> Result<StepEnd, SubmitError> {
    if batch.is_finished() {
        // An earlier step may have been cut off between the batch's end and its event.
        turn.dispatcher.publish(event::batch_completion(&batch)).await?;
        return Ok(StepEnd::Done);
    }
    // What was opened and not planned is the planner's.
    let open: Vec<u32> =
        batch.open_shards.iter().copied().filter(|number| first_of(*number) < batch.planned).collect();
    for shards in open.chunks(SHARDS) {
        if turn.is_over() {
            return Ok(StepEnd::More);
        }
        let ended = try_join_all(shards.iter().map(|number| shard(turn, &batch, *number, why))).await?;
        if let Some(batch) = ended.into_iter().flatten().next() {
            turn.dispatcher.publish(event::batch_completion(&batch)).await?;
        }
        turn.renew().await?;
    }
    Ok(StepEnd::Done)
}

/// Ends a shard's children. Returns the batch if that ended it.
async fn shard(
    turn: &Turn<'_>,
    batch: &BatchRecord,
    number: u32,
    why: Why,
) -> Result<Option<BatchRecord>, SubmitError> {
    let mut ended = None;
    for index in first_of(number)..next_shard(number).min(batch.planned) {
        let id = JobId::child(&batch.id, index);
        let end = match why {
            Why::Cancelled => match turn.dispatcher.cancel(&id).await? {
                CancelVerdict::Ended(row) | CancelVerdict::Finished(row) => Some(row),
                CancelVerdict::Requested(_) | CancelVerdict::Unknown => None,
            },
            Why::Over => expire(turn.dispatcher, &id).await?,
        };
        // Otherwise its worker will end and mark it, or nobody can.
        if let Some(row) = end {
            ended = turn.dispatcher.tell_end_of_child(&row).await?.or(ended);
        }
    }
    Ok(ended)
}

/// Ends a job whose deadline has passed. Returns its row once it has ended; a worker that has it knows the deadline, too.
async fn expire(dispatcher: &Dispatcher, id: &JobId) -> PortResult<Option<Box<JobRecord>>> {
    let Some(row) = dispatcher.ports.jobs.get(id).await? else { return Ok(None) };
    if row.is_finished() {
        return Ok(Some(Box::new(row)));
    }
    let (attempt, now_ms) = (row.attempt, dispatcher.clock.now_ms());
    let ending = Ending::expired("its batch's deadline passed");
    Ok(match dispatcher.ports.jobs.give_up(row, attempt, ending, now_ms).await? {
        GiveUpVerdict::Committed(row) | GiveUpVerdict::Finished(row) => Some(row),
        GiveUpVerdict::MovedOn => None,
    })
}
