//! Event in, job recorded and queued.
//!
//! [`Dispatcher`] admits single jobs and batches; [`plan`] turns a batch into its children; [`http`] is the door for HTTP, [`mcp`] the one for agents, [`lambda`] the one
//! for everything that AWS hands to a function.

pub mod backlog;
mod caller;
pub mod failures;
pub mod http;
pub mod lambda;
pub mod mcp;
pub mod plan;
pub mod retry;
mod send;
pub mod submit;
mod to_the_end;
mod unattended;
mod wait;

pub use caller::Caller;
pub use retry::{Retried, RetryError};
pub use submit::{Dispatcher, SubmitError, Submitted, Tally};
