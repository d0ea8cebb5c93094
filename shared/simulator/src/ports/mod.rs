//! The ports, as a [`Process`](crate::Process) reaches them: DynamoDB, SQS, S3 and EventBridge as far as the protocol
//! can tell them from the real ones.

mod batches;
mod events;
mod jobs;
mod limits;
mod objects;
mod queue;
mod queues;

pub(crate) use batches::BatchRow;
pub(crate) use limits::Dial;
pub(crate) use queue::visible;
pub(crate) use queues::Queues;
pub use queues::Stored;
