//! The tools that come with Gantz.

pub mod analyze;
pub mod command;
pub mod http;
pub(crate) mod mcp;
pub mod postgres;

mod document;
mod template;
