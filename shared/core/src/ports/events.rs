use async_trait::async_trait;

use super::{EntryError, PortResult};
use crate::event::Event;

/// Where completion events go.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Hands events over, each for itself; the answers come in the order of `events`. An event answered `Ok` will be
    /// delivered, at least once, also if this process dies now.
    async fn publish(&self, events: Vec<Event>) -> PortResult<Vec<Result<(), EntryError>>>;
}
