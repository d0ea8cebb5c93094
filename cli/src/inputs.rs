//! The items that a batch's children were planned from, read a shard at a time.

use gantz_core::batch::{first_of, shard_of};
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::ports::PortResult;
use gantz_dispatcher::failures::{self, Records as _};
use serde_json::{Value, json};

use crate::reader::Reader;

/// The items of one batch.
pub(crate) struct Inputs<'r> {
    reader: &'r Reader,
    batch: &'r JobId,
    /// The shard that was read last.
    shard: Option<(u32, Vec<Value>)>,
}

impl<'r> Inputs<'r> {
    pub(crate) fn new(reader: &'r Reader, batch: &'r JobId) -> Self {
        Self { reader, batch, shard: None }
    }

    /// What a child was planned from; where that is not kept, what it is called. Cheap for one child after another.
    pub(crate) async fn of(&mut self, child: &JobRecord) -> PortResult<Value> {
        let called = || json!(child.label);
        let Some(index) = child.index else { return Ok(called()) };
        let number = shard_of(index);
        let items = match self.shard.take().filter(|(read, _)| *read == number) {
            Some((_, items)) => items,
            None => self.read(number).await?,
        };
        let offset = index - first_of(number);
        let input = items.get(offset as usize).filter(|input| !input.is_null()).cloned();
        self.shard = Some((number, items));
        Ok(input.unwrap_or_else(called))
    }

    async fn read(&self, number: u32) -> PortResult<Vec<Value>> {
        match self.reader.shard(self.batch, number).await?.and_then(|shard| shard.page) {
            Some(page) => failures::inputs(self.reader, &page).await,
            None => Ok(Vec::new()),
        }
    }
}
