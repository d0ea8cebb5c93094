//! The dead-letter handler: what was received too often is no failure by itself.
//!
//! A lane's queue gives up on a message that is received again and again and never deleted: because it kills its
//! worker before the claim, or because deliveries were throttled and never ran. The job's row tells them apart.

use std::time::Duration;

use gantz_core::envelope::Envelope;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{DeadLetterVerdict, dead_letter};
use gantz_core::limits::LEASE_MS;
use gantz_core::ports::{Message, PortError, PortResult, Postponed, Receive};

use crate::delivery::Disposition;
use crate::pool::carry_out;
use crate::process::Worker;
use crate::stop::{Phase, Stop};

const WAIT_MS: u64 = 20_000;
const BATCH: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);
/// A message that no handler can read stays, and is looked at again after this long. SQS allows twelve hours, counted
/// from when it was received.
const UNREADABLE_MS: u64 = 11 * 60 * 60 * 1000;

/// Handles a lane's dead letters until told to stop.
pub async fn serve(worker: &Worker, lane: &Lane, stop: &Stop) {
    let dead = QueueName::Dead(lane.clone());
    let ask = Receive { max: BATCH, visibility_ms: LEASE_MS, wait_ms: WAIT_MS };
    while stop.is_running() {
        let received = tokio::select! {
            biased;
            () = stop.reached(Phase::Drain) => return,
            received = worker.ports.queue.receive(&dead, ask) => received,
        };
        let messages = match received {
            Ok(messages) => messages,
            Err(error) => {
                if !error.is_said() {
                    tracing::warn!(queue = %dead, %error, "failed to receive dead letters");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        for message in messages {
            if let Err(error) = handle(worker, &dead, &message).await
                && !error.is_said()
            {
                tracing::warn!(message_id = message.id, %error, "failed to handle a dead letter");
            }
        }
    }
}

async fn handle(worker: &Worker, dead: &QueueName, message: &Message) -> PortResult<()> {
    let disposition = match decide(worker, dead, message, None).await? {
        // People look among the dead letters of a machine; there it is in nobody's way.
        Disposition::Quarantine(_) => {
            Disposition::Postpone { delay_ms: UNREADABLE_MS, why: Postponed::HandedBack }
        }
        other => other,
    };
    carry_out(worker, dead, message, disposition).await
}

/// What becomes of a dead letter: finished, put back in its group if it has one, or left to people.
pub(crate) async fn decide(
    worker: &Worker,
    dead: &QueueName,
    message: &Message,
    group: Option<&str>,
) -> PortResult<Disposition> {
    match decide_by_row(worker, dead, message, group).await {
        Err(PortError::Damaged(why)) => park(message, why),
        decided => decided,
    }
}

/// Whoever set it aside first knew best why.
fn park(message: &Message, reason: String) -> PortResult<Disposition> {
    Ok(Disposition::Quarantine(message.dead_reason.clone().unwrap_or(reason)))
}

async fn decide_by_row(
    worker: &Worker,
    dead: &QueueName,
    message: &Message,
    group: Option<&str>,
) -> PortResult<Disposition> {
    let mut envelope = match Envelope::parse(&message.body) {
        Ok(envelope) => envelope,
        Err(error) => return park(message, error.to_string()),
    };
    let row = worker.ports.jobs.get(&envelope.job.id).await?;
    let first_seen = JobRecord::queued(envelope.job.clone());
    match dead_letter(row.as_ref(), &first_seen, envelope.put_back, worker.clock.now_ms()) {
        DeadLetterVerdict::Finished(row) => worker.announce_found(&envelope.parameters, &row).await,
        DeadLetterVerdict::HeldUntil { lease_until_ms } => Ok(worker.come_back_at(lease_until_ms)),
        DeadLetterVerdict::GiveUp { attempt_seen, ending } => {
            worker.give_up(&envelope, attempt_seen, *ending).await
        }
        DeadLetterVerdict::PutBack => {
            let group = group.map(str::to_owned).or_else(|| envelope.job.tenant.group());
            envelope.put_back += 1;
            let body = envelope.to_body().map_err(|error| PortError::Permanent(error.to_string()))?;
            let again = Message { body, ..message.clone() };
            worker.ports.queue.put_back(dead, &again, group.as_deref()).await?;
            Ok(Disposition::Acknowledge)
        }
        DeadLetterVerdict::Foreign => {
            park(message, format!("the job `{}` was recorded with other parameters", envelope.job.id))
        }
    }
}
