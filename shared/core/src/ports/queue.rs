use async_trait::async_trait;

use super::{PortError, PortResult};
use crate::ids::QueueName;

/// Messages with SQS's standard semantics: at least once, in no promised order.
///
/// A received message is invisible until its visibility timeout ends; then it is delivered again, unless it was
/// deleted. A message received more than the queue's maximum moves to the lane's dead-letter queue.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// What one call may carry.
    fn limits(&self) -> QueueLimits;

    /// Sends messages, each for itself; the answers come in the order of `messages`. One answered `Ok` is durable.
    async fn send(
        &self,
        queue: &QueueName,
        messages: Vec<NewMessage>,
    ) -> PortResult<Vec<Result<(), EntryError>>>;

    /// Receives up to `ask.max` messages, waiting up to `ask.wait_ms` for the first. None is an empty answer.
    async fn receive(&self, queue: &QueueName, ask: Receive) -> PortResult<Vec<Message>>;

    /// Deletes received messages, each for itself; the answers come in the order of `receipts`. A receipt that is no
    /// longer current deletes nothing and is no error.
    async fn delete(
        &self,
        queue: &QueueName,
        receipts: Vec<Receipt>,
    ) -> PortResult<Vec<Result<(), EntryError>>>;

    /// Makes a received message visible again after `delay_ms` (0 for at once), counted from now. A receipt that is no
    /// longer current changes nothing and is no error.
    async fn postpone(
        &self,
        queue: &QueueName,
        receipt: &Receipt,
        delay_ms: u64,
        why: Postponed,
    ) -> PortResult<()>;

    /// Keeps a received message invisible for another `visibility_ms`, counted from now. False if the receipt is no
    /// longer current: the message may be with another receiver.
    async fn extend(&self, queue: &QueueName, receipt: &Receipt, visibility_ms: u64) -> PortResult<bool>;

    /// Moves a received message to the lane's dead-letter queue now, with the reason, as no retry could help it. One
    /// that is a dead letter already is parked, out of its handler's way.
    async fn quarantine(&self, queue: &QueueName, message: &Message, reason: &str) -> PortResult<()>;

    /// Sends a dead letter to the lane's queue again; the letter itself stays until it is deleted. It goes to
    /// the end of its `group`; in a queue that is first in, first out, repeating this does not send it twice.
    ///
    /// # Errors
    /// Also when the entry is refused.
    async fn put_back(&self, dead: &QueueName, message: &Message, group: Option<&str>) -> PortResult<()> {
        let home =
            dead.home().ok_or_else(|| PortError::Permanent(format!("`{dead}` has no dead letters")))?;
        let again = NewMessage { group: group.map(str::to_owned), ..NewMessage::of(message.body.clone()) };
        let answer = self.send(&home, vec![again]).await?.into_iter().next();
        let unanswered = || PortError::Transient("the message was not answered".to_owned());
        answer.ok_or_else(unanswered)?.map_err(|error| PortError::Transient(error.to_string()))
    }

    /// How much there is, approximately.
    async fn depth(&self, queue: &QueueName) -> PortResult<Depth>;
}

/// What one call may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages in a call.
    pub batch: usize,
    /// Bytes of a body, and of all bodies of a call together.
    pub body_bytes: usize,
    /// Milliseconds a new message may be delayed.
    pub delay_ms: u64,
    /// Milliseconds a message may stay invisible.
    pub visibility_ms: u64,
    /// What delays and visibilities are rounded up to, in milliseconds: 1 where they are exact.
    pub delay_step_ms: u64,
    /// Milliseconds that a receiver with little room does well to wait for more, before it asks: where calls cost,
    /// few full ones are cheaper. 0 where they don't.
    pub gather_ms: u64,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The body.
    pub body: String,
    /// Milliseconds before it can first be received.
    pub delay_ms: u64,
    /// Whose it is, up to 128 characters, where others share the queue: the backlog of one group does not make those of
    /// others wait.
    pub group: Option<String>,
}

impl NewMessage {
    /// A message for now, of no group.
    pub fn of(body: impl Into<String>) -> Self {
        Self { body: body.into(), delay_ms: 0, group: None }
    }
}

/// How to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receive {
    /// Messages at most, 1 to [`QueueLimits::batch`].
    pub max: usize,
    /// Milliseconds the messages stay invisible.
    pub visibility_ms: u64,
    /// Milliseconds to wait if there is none.
    pub wait_ms: u64,
}

/// What a receiver shows to delete or postpone the message it received.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's own id of the message.
    pub id: String,
    /// This delivery of it.
    pub receipt: Receipt,
    /// The body.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent, milliseconds since the epoch.
    pub sent_at_ms: u64,
    /// Why it is in a dead-letter queue, where the queue knows.
    pub dead_reason: Option<String>,
}

/// Why a message goes back to its queue. A queue that can keeps it for the job's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Postponed {
    /// The job's next attempt is due later; its row says why.
    Retry,
    /// The job's first attempt is due later, as it was submitted with a delay.
    NotDue,
    /// Another delivery of the same job holds the lease.
    LeaseHeld,
    /// The tool's breaker is open.
    BreakerOpen,
    /// The tool's rate limit is used up.
    RateLimited,
    /// The tool has all the calls under way that it may have.
    NoRoom,
    /// The worker's manifest has no such tool: another worker's may.
    UnknownTool,
    /// A later version wrote the message: a later worker reads it.
    LaterVersion,
    /// The worker is shutting down, or short of time.
    HandedBack,
    /// The store or another port failed; the text says how.
    PortFailed(String),
}

impl Postponed {
    /// A stable name: the value of the metric's `Why`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::NotDue => "not_due",
            Self::LeaseHeld => "lease_held",
            Self::BreakerOpen => "breaker_open",
            Self::RateLimited => "rate_limited",
            Self::NoRoom => "no_room",
            Self::UnknownTool => "unknown_tool",
            Self::LaterVersion => "later_version",
            Self::HandedBack => "handed_back",
            Self::PortFailed(_) => "port_failed",
        }
    }
}

/// One entry of a batch call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct EntryError {
    /// The service's code.
    pub code: String,
    /// What it said.
    pub message: String,
    /// True if the same entry would fail again.
    pub sender_fault: bool,
}

/// How much is on a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Messages that can be received now.
    pub visible: u64,
    /// Messages received and not yet deleted.
    pub in_flight: u64,
    /// Messages whose time has not come.
    pub delayed: u64,
}
