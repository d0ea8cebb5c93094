//! The HTTP door over the embedded backend, without sockets.
//!
//! Every answer that a test gets is held against `GET /openapi.json`; see `conformity`.

pub(crate) mod app;
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
mod retry;
mod waiting;
