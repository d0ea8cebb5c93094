//! The HTTP door over the embedded backend, without sockets.
//!
//! Every answer that a test gets is held against `GET /openapi.json`; see `conformity`.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod broken;
mod conformity;

mod agent;
mod backend;
mod batches;
mod cancel;
mod guard;
mod idempotency;
mod jobs;
mod listing;
mod methods;
mod properties;
mod refusals;
mod waiting;
