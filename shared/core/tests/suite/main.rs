//! The domain and the manifest, through what the crate offers.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod domain;
mod due;
mod manifest;
mod manifest_corpus;
mod manifest_docs;
mod manifest_events;
mod manifest_properties;
mod manifest_templates;
