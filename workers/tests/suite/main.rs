//! The worker: its pipeline over the embedded backend in paused time, its functions, its tools.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod fleet;
mod metronome;
mod mode_tool;

mod analyze;
mod lambda;
mod pipeline;
mod postgres;
mod secrets;
mod tool_command;
mod tool_http;
mod tool_mcp;
