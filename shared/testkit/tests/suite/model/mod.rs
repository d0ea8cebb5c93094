//! The protocol, checked exhaustively: every interleaving of a few deliveries, with crashes, lost and late answers,
//! leases that end and cancellations at any moment.
//!
//! The transitions are not modelled: each step converts the small state of the model into the domain's own records, calls
//! the function of `gantz_core` that production calls, and converts what it wrote back. What is modelled is the shell
//! around them: the queue, the processes, and the order in which `workers/src/process.rs`, `dead_letters.rs` and
//! `dispatcher/src/submit.rs` call the domain. The mutants are mistakes in that shell, and each must be found.

mod check;
mod fan_in;
mod job;
