//! Job off the queue, tool, outcome.
//!
//! [`Worker::process`] is the pipeline of one delivery; [`pool::serve`] runs it as a long-polling process, [`lambda`] as a
//! function. Tools live in [`tools`]; a binary of your own adds its tools to a [`Registry`].

pub mod registry;
pub mod stop;
pub mod tools;

pub mod dead_letters;
pub mod delivery;
pub mod lambda;
pub mod machine;
pub mod metrics;
pub mod pool;
pub mod process;
pub mod secrets;
pub mod totals;

mod gate;
mod keep;
mod lane_switch;
mod run;

pub use delivery::{Delivery, Disposition, Slot, Tenure};
pub use process::Worker;
pub use registry::{Registry, ToolSettings, Toolbox};
pub use secrets::Secrets;
pub use stop::{Phase, Stop, Switch};
pub use tools::mcp::mcp_tools;
