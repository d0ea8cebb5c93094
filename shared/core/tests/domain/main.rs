//! The domain's decisions, as tables and properties.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

mod batch;
mod breaker;
mod envelope;
mod event;
mod ids;
mod job;
mod lifecycle;
mod limiter;
mod protocol;
mod retry;
mod settle;
