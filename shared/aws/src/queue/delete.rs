//! Deleting, gathered: workers delete messages one by one, and a call costs the same for one as for ten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, DeleteMessageBatchResultEntry};
use gantz_core::ports::{EntryError, PortError, PortResult, Receipt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::batch::{self, ENTRIES_MAX};
use super::send::unbuilt;
use super::visibility::is_stale;
use crate::entries::{Answer, Outcome, may_pass, whole};
use crate::error::port_error;
use crate::session::Session;

/// How long the first receipt of a call waits for others: time for ten where 20 messages or more are deleted in a second.
/// Nobody waits for it: the job has ended, its worker is at the next one, and the message stays invisible for far longer.
const GATHER: Duration = Duration::from_millis(500);
/// Calls under way at once for one queue. More receipts wait, and fill their calls meanwhile.
const CALLS_MAX: usize = 8;
/// Receipts that wait to be gathered; whoever brings more waits itself.
const WAITING_MAX: usize = 256;
/// Pauses before the second and third try of entries that failed through no fault of theirs.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(200)];

/// The deletes of a process, gathered per queue.
#[derive(Debug)]
pub(super) struct Deletes {
    session: Arc<Session>,
    queues: Mutex<HashMap<String, mpsc::Sender<Waiting>>>,
}

/// A receipt, and who wants to know what became of it.
#[derive(Debug)]
struct Waiting {
    receipt: Receipt,
    answer: oneshot::Sender<Outcome>,
}

impl Deletes {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self { session, queues: Mutex::default() }
    }

    /// Deletes messages, each for itself; the answers come in the order of `receipts`, each when its delete has been
    /// answered.
    pub(super) async fn delete(&self, url: &str, receipts: Vec<Receipt>) -> PortResult<Vec<Answer>> {
        let mut waits = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            let (answer, outcome) = oneshot::channel();
            self.hand_over(url, Waiting { receipt, answer }).await;
            waits.push(outcome);
        }
        let mut outcomes = Vec::with_capacity(waits.len());
        for outcome in waits {
            outcomes.push(outcome.await.unwrap_or_else(|_| Err(lost())));
        }
        whole(outcomes)
    }

    async fn hand_over(&self, url: &str, waiting: Waiting) {
        if waiting.receipt.0.is_empty() {
            // In a call, it would fail the others too. Whoever no longer waits needs no answer.
            let error = batch::sender_fault("the receipt is empty".to_owned());
            waiting.answer.send(Ok(Err(error))).ok();
            return;
        }
        // Refused where the task ended with the runtime it ran on; the next one takes it.
        if let Err(refused) = self.gatherer(url).send(waiting).await {
            self.gatherer(url).send(refused.0).await.ok();
        }
    }

    /// The queue's gathering task, which ends when this value is dropped.
    fn gatherer(&self, url: &str) -> mpsc::Sender<Waiting> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gatherer) = queues.get(url).filter(|gatherer| !gatherer.is_closed()) {
            return gatherer.clone();
        }
        let (gatherer, waiting) = mpsc::channel(WAITING_MAX);
        queues.insert(url.to_owned(), gatherer.clone());
        tokio::spawn(gather(self.session.sqs().clone(), url.to_owned(), waiting));
        gatherer
    }
}

fn lost() -> PortError {
    PortError::Transient("DeleteMessageBatch: the call ended without an answer".to_owned())
}

async fn gather(client: Client, url: String, mut waiting: mpsc::Receiver<Waiting>) {
    let room = Arc::new(Semaphore::new(CALLS_MAX));
    while let Some(first) = waiting.recv().await {
        let mut call = vec![first];
        fill(&mut call, &mut waiting).await;
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        // What came while there was no room goes along.
        while call.len() < ENTRIES_MAX
            && let Ok(next) = waiting.try_recv()
        {
            call.push(next);
        }
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move {
            delete(&client, &url, call).await;
            drop(permit);
        });
    }
}

/// Adds what comes in time, until the call is full.
async fn fill(call: &mut Vec<Waiting>, waiting: &mut mpsc::Receiver<Waiting>) {
    let until = Instant::now() + GATHER;
    while call.len() < ENTRIES_MAX {
        match timeout_at(until, waiting.recv()).await {
            Ok(Some(next)) => call.push(next),
            Ok(None) | Err(_) => return,
        }
    }
}

/// Deletes and answers; tries again, a few times, what SQS failed at.
async fn delete(client: &Client, url: &str, mut open: Vec<Waiting>) {
    let mut pauses = PAUSES.into_iter();
    loop {
        let outcomes = match delete_call(client, url, &open).await {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); open.len()],
        };
        let pause = pauses.next();
        let mut again = Vec::new();
        for (waiting, outcome) in open.into_iter().zip(outcomes) {
            if pause.is_some() && may_pass(&outcome) {
                again.push(waiting);
            } else {
                // A caller who went away leaves its delete done.
                waiting.answer.send(outcome).ok();
            }
        }
        match pause {
            Some(pause) if !again.is_empty() => sleep(pause).await,
            _ => return,
        }
        open = again;
    }
}

async fn delete_call(client: &Client, url: &str, open: &[Waiting]) -> PortResult<Vec<Answer>> {
    let entries = open.iter().enumerate().map(|(index, waiting)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
        entry.receipt_handle(&waiting.receipt.0).build()
    });
    let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|error| unbuilt(&error))?;
    let call = client.delete_message_batch().queue_url(url).set_entries(Some(entries));
    let answer = call.send().await.map_err(|error| port_error("DeleteMessageBatch", &error))?;
    let successful = answer.successful().iter().map(DeleteMessageBatchResultEntry::id);
    let answers = batch::answers(open.len(), successful, answer.failed());
    Ok(answers.into_iter().map(|answer| answer.or_else(forgive_stale)).collect())
}

/// A receipt that is no longer current deletes nothing, and that is no error.
fn forgive_stale(error: EntryError) -> Answer {
    if is_stale(&error.code, &error.message) { Ok(()) } else { Err(error) }
}
