//! What every implementation of a port must do, as tests that any of them can run.
//!
//! One suite per port, each a list of named cases over `dyn Port`. A runner opens its adapter, makes an [`Env`] and
//! calls the suite's `run`; the suite runs every case and panics in the end with the names of those that failed. Cases
//! use ids of their own, so that one backend serves them all, also repeatedly.
//!
//! For tests only: nothing here is meant for production, and failing means panicking.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod builders;
pub mod env;
pub mod random;
pub mod suite;

mod installed;
mod target;
mod together;

pub mod batch_store;
pub mod blob_store;
pub mod event_sink;
pub mod job_queue;
pub mod job_store;
pub mod limits;
pub mod new_objects;

pub mod cfn_lint;
pub mod counted_limits;
pub mod fault_table;
pub mod ministack;
pub mod node;
pub mod python;
pub mod runtime_api;
pub mod scripted;
pub mod wire;

pub use env::Env;
