//! The ports of Gantz over DynamoDB, SQS, S3 and EventBridge, and the tools that call AWS.
//!
//! [`Settings`] says where the fleet's resources are, [`Session`] makes the clients, and [`connect()`] puts the ports
//! together. No type of the vendor's leaves this crate.

pub mod batches;
pub mod blobs;
pub mod events;
pub mod fleet_limits;
pub mod jobs;
pub mod mappings;
pub mod new_objects;
pub mod objects;
pub mod queue;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod stack;
pub mod table;
pub mod tools;

mod codes;
mod connect;
mod entries;
mod error;
mod item;
mod rows;

pub use batches::Batches;
pub use blobs::Blobs;
pub use connect::connect;
pub use events::Events;
pub use fleet_limits::FleetLimits;
pub use jobs::Jobs;
pub use new_objects::NewObjects;
pub use objects::Objects;
pub use queue::Queue;
pub use secrets::ParameterStore;
pub use session::{LazySession, Session};
pub use settings::{Settings, SettingsError};
