//! The protocol, checked exhaustively, and the test kit's own promises.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how much was explored is what a reader wants to see")]

mod kit;
mod model;
