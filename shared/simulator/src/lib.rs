//! The whole fleet in one thread, in paused time, with faults from a seed.
//!
//! The dispatcher's and the workers' production code runs over simulated ports, which lose, delay, repeat and reorder as
//! the real services may. One number decides everything that happens in a run, so that a run that breaks a promise can
//! be had again, with a log ([`sweep::replay`]). An [`observer`] that knows only the promises watches.
//!
//! For tests only: nothing here is meant for production, and failing means panicking.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod faults;
pub mod process;
pub mod world;

pub mod fleet;
pub mod tool;

pub mod callers;
pub mod scenario;

pub mod exhaustive;
pub mod observer;
pub mod run;
pub mod sweep;

mod panics;
mod ports;
mod verdict;

pub use ports::Stored;
pub use process::Process;
pub use run::{Report, run};
pub use scenario::{JobPlan, Scenario};
pub use world::World;
