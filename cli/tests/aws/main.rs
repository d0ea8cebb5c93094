//! The whole fleet on an emulator of AWS: the real template, deployed by the real command, with real functions; then
//! looked at from outside, with plain calls of AWS.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bootstraps;
mod costs;
mod events;
mod failures;
mod fleet;
mod functions;
mod instance;
mod killed;
mod lanes;
mod layer;
mod mcp;
mod one_machine;
mod outcomes;
mod records;
mod roles;
mod secrets;
mod seed;
mod site;
mod snippets;
mod stack;
mod uploads;
mod worker;
