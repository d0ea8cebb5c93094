//! The adapters over an emulator of AWS and over scripted answers: they keep the ports' contracts, at the promised cost.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod artifacts;
mod batches;
mod blobs;
mod events;
mod jobs;
mod limits;
mod lost;
mod new_objects;
mod objects;
mod queue;
mod stacks;
mod tools;
mod wire;
