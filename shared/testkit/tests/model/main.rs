//! The protocol, checked exhaustively: every interleaving of a few deliveries, with crashes, lost and late answers,
//! leases that end and cancellations at any moment.
//!
//! The transitions are not modelled: each step converts the small state of the model into the domain's own records, calls
//! the function of `gantz_core` that production calls, and converts what it wrote back. What is modelled is the shell
//! around them: the queue, the processes, and the order in which `workers/src/process.rs`, `dead_letters.rs` and
//! `dispatcher/src/submit.rs` call the domain. The mutants are mistakes in that shell, and each must be found.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "how much was explored is what a reader wants to see")]

mod check;
mod fan_in;
mod job;
