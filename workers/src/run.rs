//! One attempt: runs the tool on a task of its own, and stops it when its time is up, its job is cancelled, its lease
//! is lost or the worker shuts down.

use std::sync::Arc;
use std::time::Duration;

use gantz_core::host::Clock;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{HeartbeatVerdict, Held};
use gantz_core::limits::{HEARTBEAT_MS, LEASE_MS};
use gantz_core::outcome::Outcome;
use gantz_core::ports::{PortResult, Ports};
use gantz_core::settle::AttemptEnd;
use gantz_core::tool::Call;
use serde_json::Value;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use crate::delivery::{Delivery, Tenure};
use crate::process::VISIBILITY_MS;
use crate::registry::AnyTool;
use crate::stop::Phase;

/// A job shorter than this is over before anybody could cancel it; the watch for that starts afterwards.
const WATCH_AFTER_MS: u64 = 20;
/// The least time between two heartbeats. They come closer together as the lease runs out, so that the last one has time
/// to arrive.
const HEARTBEAT_MIN_MS: u64 = 1_000;
/// How often a worker without heartbeats looks whether its job was cancelled.
const LOOK_EVERY_MS: u64 = 3_000;

/// The job that an attempt works for, and what keeps it the worker's own.
pub(crate) struct Attempt<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) clock: &'a Clock,
    pub(crate) delivery: &'a Delivery<'a>,
    pub(crate) held: &'a Held,
    pub(crate) row: &'a JobRecord,
    /// Milliseconds that the tool may take.
    pub(crate) timeout_ms: u64,
}

/// How it went.
pub(crate) enum RunEnd {
    /// The attempt ended; settle it.
    Ended(AttemptEnd),
    /// The job went to somebody else: record nothing.
    LeaseLost,
}

impl Attempt<'_> {
    pub(crate) async fn run(&self, tool: Arc<dyn AnyTool>, call: Call<Value>) -> RunEnd {
        let timeout_ms = self.timeout_ms;
        let mut running = Running(tokio::spawn(async move { tool.call(call).await }));
        // The tool may await anything; whichever of these comes first ends the attempt, and drops its task.
        tokio::select! {
            biased;
            joined = &mut running.0 => RunEnd::Ended(answered(joined)),
            () = sleep_ms(timeout_ms) => RunEnd::Ended(AttemptEnd::TimedOut(timeout_ms)),
            () = self.deadline() => RunEnd::Ended(AttemptEnd::DeadlinePassed),
            () = self.delivery.stop.reached(Phase::Abort) => RunEnd::Ended(AttemptEnd::ShutDown),
            () = self.tenure_ends() => RunEnd::Ended(AttemptEnd::ShutDown),
            () = self.cancel_asked() => RunEnd::Ended(AttemptEnd::CancelSeen),
            () = self.lease_lost() => RunEnd::LeaseLost,
        }
    }

    async fn deadline(&self) {
        match self.row.deadline_ms {
            Some(deadline_ms) => sleep_ms(deadline_ms.saturating_sub(self.clock.now_ms())).await,
            None => std::future::pending().await,
        }
    }

    /// Returns when the process is about to be stopped. The tool's timeout was chosen to end before; the claim may have
    /// taken the difference.
    async fn tenure_ends(&self) {
        match self.delivery.tenure {
            Tenure::Until(slot) => sleep_ms(slot.stop_at_ms.saturating_sub(self.clock.now_ms())).await,
            Tenure::Renewed => std::future::pending().await,
        }
    }

    /// Returns once somebody has asked to cancel. A store that cannot be read says nothing; heartbeats go on.
    async fn cancel_asked(&self) {
        match self.delivery.tenure {
            Tenure::Renewed => self.watch_for_cancel().await,
            Tenure::Until(_) => self.look_for_cancel().await,
        }
    }

    /// Each look is a read that is paid for, and a job that runs for minutes at most can wait a few seconds for it.
    async fn look_for_cancel(&self) {
        loop {
            sleep_ms(LOOK_EVERY_MS).await;
            match self.ports.jobs.get(&self.held.id).await {
                Ok(Some(row)) if self.is_cancel_asked(&row) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(job_id = %self.held.id, %error, "failed to look for a cancellation");
                }
            }
        }
    }

    fn is_cancel_asked(&self, row: &JobRecord) -> bool {
        row.attempt == self.held.attempt && row.cancel_requested_at_ms.is_some()
    }

    async fn watch_for_cancel(&self) {
        sleep_ms(WATCH_AFTER_MS).await;
        let mut seen_ms = self.row.updated_at_ms;
        loop {
            match self.ports.jobs.changed(&self.held.id, seen_ms, LEASE_MS).await {
                Ok(Some(row)) if self.is_cancel_asked(&row) => return,
                Ok(Some(row)) => seen_ms = row.updated_at_ms,
                Ok(None) => sleep_ms(LEASE_MS).await,
                Err(error) => {
                    tracing::warn!(job_id = %self.held.id, %error, "failed to watch for a cancellation");
                    sleep_ms(HEARTBEAT_MS).await;
                }
            }
        }
    }

    /// Renews the lease and the message's invisibility, and returns once the lease is lost: to somebody else, or because
    /// it ran out while no heartbeat went through. One that fails is tried again with the next; a lease covers three.
    /// One that hangs is not waited for beyond the lease.
    ///
    /// A tenure that is not renewed ends before its lease does.
    async fn lease_lost(&self) {
        if self.delivery.tenure != Tenure::Renewed {
            return std::future::pending().await;
        }
        let mut lease_until_ms = self.row.lease_until_ms.unwrap_or(0);
        let mut message_held = true;
        while let Some(left_ms) = lease_until_ms.checked_sub(self.clock.now_ms()).filter(|&ms| ms > 0) {
            sleep_ms(HEARTBEAT_MS.min(left_ms / 2).max(HEARTBEAT_MIN_MS)).await;
            let now_ms = self.clock.now_ms();
            let until_lost = Duration::from_millis(lease_until_ms.saturating_sub(now_ms));
            match timeout(until_lost, self.heartbeat(now_ms + LEASE_MS, &mut message_held)).await {
                Ok(Ok(HeartbeatVerdict::Renewed(_))) => lease_until_ms = now_ms + LEASE_MS,
                Ok(Ok(HeartbeatVerdict::Lost)) => return,
                Ok(Err(error)) if error.is_said() => {}
                Ok(Err(error)) => tracing::warn!(job_id = %self.held.id, %error, "a heartbeat failed"),
                Err(_) => {
                    tracing::warn!(job_id = %self.held.id, "a heartbeat was not answered before the lease ended");
                    return;
                }
            }
        }
    }

    /// The lease first: it is what keeps others from the job.
    async fn heartbeat(&self, lease_until_ms: u64, message_held: &mut bool) -> PortResult<HeartbeatVerdict> {
        let verdict = self.ports.jobs.heartbeat(self.held, lease_until_ms, self.clock.now_ms()).await?;
        if *message_held {
            *message_held = self.keep_message().await;
        }
        Ok(verdict)
    }

    /// Says whether the message is still this delivery's. At worst it is delivered again, and finds that the lease lives.
    async fn keep_message(&self) -> bool {
        let Delivery { queue, message, .. } = self.delivery;
        match self.ports.queue.extend(queue, &message.receipt, VISIBILITY_MS).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(job_id = %self.held.id, "another delivery has the message; the job runs on");
                return false;
            }
            Err(error) if error.is_said() => {}
            Err(error) => {
                tracing::warn!(job_id = %self.held.id, %error, "failed to keep a message invisible");
            }
        }
        true
    }
}

/// A task that does not outlive whoever waits for it.
pub(crate) struct Running<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn answered(joined: Result<Outcome, JoinError>) -> AttemptEnd {
    match joined {
        Ok(outcome) => AttemptEnd::Answered(outcome),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => AttemptEnd::Panicked(panic_message(panic.as_ref())),
            // Only a runtime that is going down cancels the task while we wait for it.
            Err(_) => AttemptEnd::ShutDown,
        },
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
