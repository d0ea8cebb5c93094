//! What a command reads: the data directory of this machine, or a stack on AWS.

use std::ops::Range;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use gantz_core::batch::{BatchProgress, ShardRecord};
use gantz_core::envelope::Envelope;
use gantz_core::ids::{JobId, QueueName};
use gantz_core::job::JobRecord;
use gantz_core::ports::{
    BlobError, JobFilter, JobPage, Message, NewMessage, PortError, PortResult, Ports, Postponed, Receive,
};
use gantz_dispatcher::failures::Records;
use gantz_embedded::{DeadLetter, Note, QueuedMessage, View};

use crate::error::CliError;
use crate::project::Project;
use crate::stack;

/// Between two looks at a data directory, and at a stack, where each look is a request.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const ASK_EVERY: Duration = Duration::from_millis(700);
/// Rows read from a stack at once.
const READS_AT_ONCE: usize = 16;
/// Children of a batch read at once.
const PAGE: u32 = 100;
/// How long dead letters are kept from others while they are listed or sent again.
const HOLD_MS: u64 = 60_000;
/// Long enough for SQS to ask all its servers, which a poll without waiting does not.
const POLL_MS: u64 = 2_000;

/// Reads jobs and batches.
#[derive(Clone)]
pub(crate) enum Reader {
    Local(View),
    Stack(Ports),
}

impl Reader {
    /// What the project's commands read.
    pub(crate) async fn open(project: &Project) -> Result<Self, CliError> {
        if let Some(name) = &project.stack {
            return Ok(Self::Stack(stack::connect(&project.aws, name).await?.ports));
        }
        let view = View::open(&project.data_dir)?.ok_or_else(|| {
            CliError::failed(format!("nothing was ever stored in `{}`", project.data_dir.display()))
                .hint("`--data-dir DIR` names another data directory, `--stack NAME` a stack on AWS")
        })?;
        Ok(Self::Local(view))
    }

    /// Jobs, newest first.
    pub(crate) async fn jobs(
        &self,
        filter: &JobFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> PortResult<JobPage> {
        match self {
            Self::Local(view) => view.jobs(filter, limit, cursor).await,
            Self::Stack(ports) => ports.jobs.list(filter, limit, cursor).await,
        }
    }

    /// Whether somebody works on that job or batch; a stack's functions always do.
    pub(crate) async fn is_worked_on(&self, id: &JobId) -> PortResult<bool> {
        match self {
            Self::Local(view) => view.is_worked_on(id).await,
            Self::Stack(_) => Ok(true),
        }
    }

    /// The children of a batch that have these indexes, as far as there are any, in their order.
    pub(crate) async fn children(&self, batch: &JobId, indexes: Range<u32>) -> PortResult<Vec<JobRecord>> {
        match self {
            Self::Local(view) => view.children(batch, indexes).await,
            Self::Stack(ports) => {
                let rows = stream::iter(indexes)
                    .map(|index| async move { ports.jobs.get(&JobId::child(batch, index)).await })
                    .buffered(READS_AT_ONCE);
                rows.try_filter_map(|row| async move { Ok(row) }).try_collect().await
            }
        }
    }

    pub(crate) async fn batch(&self, id: &JobId) -> PortResult<Option<BatchProgress>> {
        match self {
            Self::Local(view) => view.batch(id).await,
            Self::Stack(ports) => ports.batches.progress(id).await,
        }
    }

    /// Why a job's message went back to its queue. SQS keeps no such notes.
    pub(crate) async fn notes(&self, id: &JobId) -> PortResult<Vec<Note>> {
        match self {
            Self::Local(view) => view.notes(id).await,
            Self::Stack(_) => Ok(Vec::new()),
        }
    }

    /// A job's messages that are still on a queue. Those of a stack cannot be looked at without taking them.
    pub(crate) async fn messages(&self, id: &JobId) -> PortResult<Vec<QueuedMessage>> {
        match self {
            Self::Local(view) => view.messages(id).await,
            Self::Stack(_) => Ok(Vec::new()),
        }
    }

    /// What was set aside from a queue, and on SQS by a lane's handler of dead letters after its workers: what that can
    /// read, it ends or puts back by itself. Messages that somebody else holds are not seen there.
    pub(crate) async fn dead_letters(&self, home: &QueueName, limit: usize) -> PortResult<Vec<DeadLetter>> {
        let ports = match self {
            Self::Local(view) => return view.dead_letters(home, limit).await,
            Self::Stack(ports) => ports,
        };
        let Some(dead) = kept_for_people(home) else { return Ok(Vec::new()) };
        let messages = take(ports, &dead, limit).await?;
        for message in &messages {
            ports.queue.postpone(&dead, &message.receipt, 0, Postponed::HandedBack).await?;
        }
        Ok(messages.into_iter().map(dead_letter).collect())
    }

    /// The pause before the next look at something that has not ended.
    pub(crate) async fn pause(&self) {
        tokio::time::sleep(match self {
            Self::Local(_) => LOOK_EVERY,
            Self::Stack(_) => ASK_EVERY,
        })
        .await;
    }
}

impl Records for Reader {
    async fn shard(&self, batch: &JobId, number: u32) -> PortResult<Option<ShardRecord>> {
        match self {
            Self::Local(view) => view.shard(batch, number).await,
            Self::Stack(ports) => ports.shard(batch, number).await,
        }
    }

    async fn job(&self, id: &JobId) -> PortResult<Option<JobRecord>> {
        match self {
            Self::Local(view) => view.job(id).await,
            Self::Stack(ports) => ports.job(id).await,
        }
    }

    async fn blob(&self, reference: &str, max_bytes: usize) -> Result<Vec<u8>, BlobError> {
        match self {
            Self::Local(view) => view.blob(reference, max_bytes).await,
            Self::Stack(ports) => ports.blob(reference, max_bytes).await,
        }
    }
}

/// Sends a stack's dead letters to the queue again that they come from, and says how many.
pub(crate) async fn redrive(ports: &Ports, home: &QueueName, limit: usize) -> PortResult<u64> {
    let Some(dead) = kept_for_people(home) else { return Ok(0) };
    let mut sent = 0;
    for message in take(ports, &dead, limit).await? {
        let group = Envelope::parse(&message.body).ok().and_then(|envelope| envelope.job.tenant.group());
        let again = NewMessage { group, ..NewMessage::of(message.body) };
        let answers = ports.queue.send(home, vec![again]).await?;
        if let Some(Err(error)) = answers.into_iter().next() {
            return Err(PortError::Transient(format!("a message was refused: {error}")));
        }
        let answers = ports.queue.delete(&dead, vec![message.receipt]).await?;
        if let Some(Err(error)) = answers.into_iter().next() {
            return Err(PortError::Transient(format!("a message that was sent again is kept: {error}")));
        }
        sent += 1;
    }
    Ok(sent)
}

/// Where a stack keeps what comes from this queue and no function handles any more.
fn kept_for_people(home: &QueueName) -> Option<QueueName> {
    let aside = home.aside()?;
    Some(aside.aside().unwrap_or(aside))
}

/// Receives until there is nothing more, or enough.
async fn take(ports: &Ports, queue: &QueueName, limit: usize) -> PortResult<Vec<Message>> {
    let mut taken: Vec<Message> = Vec::new();
    while taken.len() < limit {
        let max = (limit - taken.len()).min(ports.queue.limits().batch);
        let ask = Receive { max, visibility_ms: HOLD_MS, wait_ms: POLL_MS };
        let page = ports.queue.receive(queue, ask).await?;
        if page.is_empty() {
            break;
        }
        taken.extend(page);
    }
    Ok(taken)
}

fn dead_letter(message: Message) -> DeadLetter {
    DeadLetter {
        message_id: message.id,
        sent_at_ms: message.sent_at_ms,
        reason: message.dead_reason.unwrap_or_else(|| "received too often".into()),
        body: message.body,
    }
}

/// The indexes of a batch's children, page by page: few enough at once that large results take little memory.
pub(crate) fn pages(planned: u32) -> impl Iterator<Item = Range<u32>> {
    let first = (0..planned).step_by(PAGE as usize);
    first.map(move |first| first..first.saturating_add(PAGE).min(planned))
}
