//! The domain's decisions, as tables and properties.

mod common;

mod batch;
mod breaker;
mod envelope;
mod event;
mod ids;
mod job;
mod kept;
mod lifecycle;
mod limiter;
mod limits;
mod protocol;
mod retry;
mod settle;
