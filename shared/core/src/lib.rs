//! The domain of Gantz: what a job is, and every decision about it.
//!
//! Pure: no I/O, no clock, no randomness. Decisions are functions that return `#[must_use]` enums; thin shells in the
//! other crates do what the values say. The ports at the end are what those shells implement.

pub mod host;
pub mod ids;
pub mod limits;
pub mod outcome;
pub mod policy;
pub mod time;

pub mod ahead;
pub mod breaker;
pub mod limit_key;
pub mod limiter;
pub mod retry;

pub mod manifest;
pub mod object_prefix;
pub mod spec;

pub mod admit;
pub mod admit_batch;
pub mod admit_retry;
pub mod envelope;
pub mod event;
pub mod history;
pub mod job;
pub mod json;
pub mod refuse;

pub mod batch;
pub mod lifecycle;
pub mod settle;

pub mod pause;
pub mod ports;
pub mod tool;
pub mod trace;
