//! A lane's workers as a long-polling process: receives as many messages as it has room for, and runs each on a task
//! of its own.

use std::sync::Arc;
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use gantz_core::host::uniform;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::{Message, PortResult, QueueLimits, Receive};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::delivery::{Delivery, Disposition, Tenure};
use crate::lane_switch::{LaneSwitch, SEEN_FOR_MS};
use crate::metrics::Measure;
use crate::process::{VISIBILITY_MS, Worker, insist};
use crate::stop::{Phase, Stop};

/// One long poll: what SQS allows.
const WAIT_MS: u64 = 20_000;
/// Messages whose jobs have ended and whose queue has not answered yet: many times what one call takes. More wait with
/// their room taken, so that a queue that no longer answers stops the work.
const SETTLING_MAX: u32 = 256;
/// Messages that come back and are kept here for less than a step of their queue's delays, without their bodies. More go back
/// at once.
const ROUNDING_MAX: u32 = 4_096;
/// Pauses between polls while the queue fails.
const POLL_RETRY_MAX: Duration = Duration::from_secs(10);

/// Works off a lane with up to `concurrency` jobs at once, until told to stop; returns when the last job has ended or
/// was handed back.
pub async fn serve(worker: Arc<Worker>, lane: Lane, concurrency: u32, stop: Stop) {
    let switch = Arc::new(LaneSwitch::of(lane.clone()));
    let queue = QueueName::Lane(lane);
    let room = Arc::new(Semaphore::new(concurrency as usize));
    let after = After::default();
    let mut trouble = ExponentialBackoff {
        initial_interval: Duration::from_millis(100),
        max_interval: POLL_RETRY_MAX,
        // The crate would draw random numbers of its own: `spread` takes the worker's.
        randomization_factor: 0.0,
        // A worker that cannot reach its queue keeps trying; whoever runs it decides when that is enough.
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    while stop.is_running() {
        if worker.is_paused(&switch).await {
            tokio::select! {
                biased;
                () = stop.reached(Phase::Drain) => break,
                () = tokio::time::sleep(Duration::from_millis(SEEN_FOR_MS)) => continue,
            }
        }
        let Some(permits) = free_room(&room, concurrency, &worker, &stop).await else { break };
        let received = tokio::select! {
            biased;
            () = stop.reached(Phase::Drain) => break,
            received = receive(&worker, &queue, permits.num_permits()) => received,
        };
        match received {
            Ok(messages) => {
                trouble.reset();
                start(&worker, &queue, &switch, messages, permits, &after, &stop);
            }
            Err(error) => {
                let pause = spread(trouble.next_backoff().unwrap_or(POLL_RETRY_MAX), worker.entropy.next());
                if !error.is_said() {
                    tracing::warn!(%queue, %error, ?pause, "failed to receive");
                }
                tokio::select! {
                    biased;
                    () = stop.reached(Phase::Drain) => break,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
    // Every job holds a permit of one or another until its message is settled. The semaphores are never closed.
    let _all = room.acquire_many(concurrency).await;
    let _rounded = after.rounding.acquire_many(ROUNDING_MAX).await;
    let _settled = after.settling.acquire_many(SETTLING_MAX).await;
}

/// Places for messages whose jobs no longer need room.
#[derive(Clone)]
struct After {
    rounding: Arc<Semaphore>,
    settling: Arc<Semaphore>,
}

impl Default for After {
    fn default() -> Self {
        let places = |number: u32| Arc::new(Semaphore::new(number as usize));
        Self { rounding: places(ROUNDING_MAX), settling: places(SETTLING_MAX) }
    }
}

/// The pause, half of it up to one and a half: workers that lost their queue at once do not all ask again at once.
fn spread(pause: Duration, random: u64) -> Duration {
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(pause_ms / 2 + uniform(random, pause_ms))
}

/// As much room as there is, at least for one message, at most for one call; where calls cost, what comes free in a
/// moment besides. `None` once told to stop.
async fn free_room(
    room: &Arc<Semaphore>,
    concurrency: u32,
    worker: &Worker,
    stop: &Stop,
) -> Option<OwnedSemaphorePermit> {
    let mut permits = tokio::select! {
        biased;
        () = stop.reached(Phase::Drain) => return None,
        permit = Arc::clone(room).acquire_owned() => permit.ok()?,
    };
    let QueueLimits { batch, gather_ms, .. } = worker.ports.queue.limits();
    // Not more than half of the room: the other half is at work meanwhile.
    let worth_a_call = u32::try_from(batch).unwrap_or(u32::MAX).min(concurrency.div_ceil(2));
    if gather_ms > 0 {
        let others = Arc::clone(room).acquire_many_owned(worth_a_call.saturating_sub(1));
        if let Ok(Ok(others)) = timeout(Duration::from_millis(gather_ms), others).await {
            permits.merge(others);
        }
    }
    let more = room.available_permits().min(batch.saturating_sub(permits.num_permits()));
    if let Ok(more) = u32::try_from(more)
        && let Ok(others) = Arc::clone(room).try_acquire_many_owned(more)
    {
        permits.merge(others);
    }
    Some(permits)
}

async fn receive(worker: &Worker, queue: &QueueName, max: usize) -> PortResult<Vec<Message>> {
    let ask = Receive { max, visibility_ms: VISIBILITY_MS, wait_ms: WAIT_MS };
    worker.ports.queue.receive(queue, ask).await
}

fn start(
    worker: &Arc<Worker>,
    queue: &QueueName,
    switch: &Arc<LaneSwitch>,
    messages: Vec<Message>,
    mut permits: OwnedSemaphorePermit,
    after: &After,
    stop: &Stop,
) {
    for mut message in messages {
        let mut permit = permits.split(1);
        let (worker, queue, stop) = (Arc::clone(worker), queue.clone(), stop.clone());
        let (switch, after) = (Arc::clone(switch), after.clone());
        tokio::spawn(async move {
            let mut disposition = run(&worker, &queue, &switch, &message, &stop).await;
            if let Disposition::Postpone { delay_ms, .. } = &mut disposition
                && let here_ms = *delay_ms % worker.ports.queue.limits().delay_step_ms.max(1)
                && here_ms > 0
                && let Ok(place) = Arc::clone(&after.rounding).try_acquire_owned()
            {
                permit = Some(place);
                message.body = String::new();
                *delay_ms -= passed(here_ms, &stop).await;
            }
            // The next job need not wait for the queue, which gathers what it is told for calls that are worth it.
            let _settling = after.settling.acquire_owned().await;
            drop(permit);
            settle(&worker, &queue, &message, disposition).await;
        });
    }
}

async fn run(
    worker: &Worker,
    queue: &QueueName,
    switch: &LaneSwitch,
    message: &Message,
    stop: &Stop,
) -> Disposition {
    // A poll may have been under way when the lane was paused.
    if stop.is_running() && !worker.is_paused(switch).await {
        worker.process(&Delivery { queue, message, tenure: Tenure::Renewed, stop }).await
    } else {
        Disposition::HAND_BACK
    }
}

/// Waits, unless the process stops. Returns how long it did.
///
/// A queue that knows whole seconds would bring messages back late, and those of one second all at once: a rate that is
/// shared out by the millisecond would go unused in between. So what is more than whole steps is waited for here.
async fn passed(ms: u64, stop: &Stop) -> u64 {
    tokio::select! {
        biased;
        () = stop.reached(Phase::Drain) => 0,
        () = tokio::time::sleep(Duration::from_millis(ms)) => ms,
    }
}

async fn settle(worker: &Worker, queue: &QueueName, message: &Message, disposition: Disposition) {
    // A message that is not settled is in nobody's hands until its visibility ends.
    if let Err(error) = insist(|| carry_out(worker, queue, message, disposition.clone())).await
        && !error.is_said()
    {
        // The message comes back when its visibility ends, and finds its job as it is.
        tracing::warn!(message_id = message.id, %error, "failed to settle a message");
    }
}

/// Does with a message what was decided.
pub(crate) async fn carry_out(
    worker: &Worker,
    queue: &QueueName,
    message: &Message,
    disposition: Disposition,
) -> PortResult<()> {
    let port = &worker.ports.queue;
    match disposition {
        Disposition::Acknowledge => {
            let answers = port.delete(queue, vec![message.receipt.clone()]).await?;
            for error in answers.into_iter().filter_map(Result::err) {
                tracing::warn!(message_id = message.id, %error, "failed to acknowledge");
            }
            Ok(())
        }
        Disposition::Postpone { delay_ms, why } => {
            port.postpone(queue, &message.receipt, delay_ms, why).await
        }
        Disposition::Quarantine(reason) => {
            tracing::error!(message_id = message.id, reason, "set a message aside");
            port.quarantine(queue, message, &reason).await?;
            worker.observer.note(Measure::Quarantined);
            Ok(())
        }
        Disposition::Leave => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time and randomness are arguments: of two workers with the same numbers, both wait as long.
    #[test]
    fn pauses_spread_by_the_workers_own_numbers() {
        let pause = Duration::from_millis(1_000);
        let table = [(0, 500), (u64::MAX / 2, 1_000), (u64::MAX, 1_500)];
        for (random, expected_ms) in table {
            assert_eq!(spread(pause, random), Duration::from_millis(expected_ms), "{random}");
        }
    }
}
