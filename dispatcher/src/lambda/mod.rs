//! The Lambda door: whatever AWS hands the function becomes jobs.
//!
//! [`classify()`] says what an event is, and [`Lambda::handle`] acts on it. What fails is an error or a batch item failure:
//! the sender delivers it again, and in the end it lies in a dead-letter queue with the reason. Every id follows from the
//! event, so a repetition finds the job that is there.

mod authorized;
mod classify;
mod queue;
mod s3;
mod schedule;
mod submission;

mod http;
mod http_v1;

mod handle;
mod messages;
mod uploads;

mod error;
mod metrics;

pub use authorized::Tokens;
pub use classify::{Event, HttpFormat, classify};
pub use error::LambdaError;
pub use handle::{Invocation, Lambda};
pub use metrics::Emit;
pub use queue::Delivery;
pub use s3::Upload;
pub use submission::{Ask, Door, Submission};
