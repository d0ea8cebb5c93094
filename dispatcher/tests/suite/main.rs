//! The dispatcher over the embedded backend: its HTTP door, its function, its planner.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod http;
mod lambda;
mod mcp;
mod plan;
