//! The functions' promises: hand-made events in, answers, rows and queues out.
//!
//! The fleet is that of the worker's other tests. A batch is received from its queue and put into the shape in which Lambda's
//! event source hands it over, so that receipts are real.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../fleet/fleet.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod fleet;
#[path = "../fleet/metronome.rs"]
mod metronome;
#[path = "../fleet/mode_tool.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod mode_tool;

mod sandbox;

mod batch;
mod dead_letters;
mod fifo;
mod invoke;
mod refused;
mod time;
