//! Cancelling a batch: its children, a few shards at a time.
//!
//! Each cancelled child is marked at once, so a shard that was gone through leaves the batch's set of open shards, but
//! for children that were running and end by themselves. The set is all that a later step needs to go on.

use futures_util::future::try_join_all;
use gantz_core::batch::{BatchRecord, first_of};
use gantz_core::event;
use gantz_core::ids::JobId;
use gantz_core::lifecycle::CancelVerdict;

use super::StepEnd;
use super::planner::next_shard;
use super::turn::Turn;
use crate::submit::SubmitError;

/// Shards gone through at a time, each one child after another, because the marks of a shard share a row.
const SHARDS: usize = 8;

/// Cancels what was planned of a batch that somebody asked to cancel.
pub(super) async fn if_asked(turn: &Turn<'_>, batch_id: &JobId) -> Result<StepEnd, SubmitError> {
    let Some(progress) = turn.dispatcher.ports.batches.progress(batch_id).await? else {
        return Ok(StepEnd::Done);
    };
    let batch = progress.batch;
    if batch.cancel_requested_at_ms.is_none() {
        return Ok(StepEnd::Done);
    }
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
        let ended = try_join_all(shards.iter().map(|number| shard(turn, &batch, *number))).await?;
        if let Some(batch) = ended.into_iter().flatten().next() {
            turn.dispatcher.publish(event::batch_completion(&batch)).await?;
        }
        turn.renew().await?;
    }
    Ok(StepEnd::Done)
}

/// Cancels a shard's children. Returns the batch if that ended it.
async fn shard(
    turn: &Turn<'_>,
    batch: &BatchRecord,
    number: u32,
) -> Result<Option<BatchRecord>, SubmitError> {
    let mut ended = None;
    for index in first_of(number)..next_shard(number).min(batch.planned) {
        let row = match turn.dispatcher.cancel(&JobId::child(&batch.id, index)).await? {
            CancelVerdict::Ended(row) | CancelVerdict::Finished(row) => row,
            // Its worker will end and mark it, or nobody can.
            CancelVerdict::Requested(_) | CancelVerdict::Unknown => continue,
        };
        ended = turn.dispatcher.tell_end_of_child(&row).await?.or(ended);
    }
    Ok(ended)
}
