//! The fleet under faults: at random, one by one and in pairs, and each fault of the table by name.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures are for people, who ask for them with `--nocapture`")]

mod conformance;
mod exhaustive;
mod mutants;
mod random;
mod rows;
