//! The ports over SQLite and files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conformance;
mod private;
mod sharing;
mod sweep;
