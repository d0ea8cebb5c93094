//! The children of a batch that ended without success, as the source of another one.
//!
//! Shards tell who they are, so that a million successes cost no read each. Parameters are in a child's row; where
//! somebody ended it who did not know them, in the page that it was planned from. The cursor is the index of the next
//! child and how many were left out before it.

use std::collections::VecDeque;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use gantz_core::admit_retry::{RetryRefusal, may_retry};
use gantz_core::batch::{first_of, shard_of};
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::ports::{BlobError, PortError, PortResult, Ports, read_parameters};
use serde_json::Value;

use super::page::{self, Again, Item, Page, SourceError};
use super::planner::next_shard;
use crate::submit::Dispatcher;

/// Rows read side by side: enough to hide the way there and back.
const READS_AT_ONCE: usize = 16;

pub(super) struct Unsuccessful {
    ports: Ports,
    batch: JobId,
    even_if_it_ran: bool,
    /// Children of the batch.
    children: u32,
    /// The next one to hand out, and what was left out before it.
    next: u32,
    left_out: u32,
    /// The first child whose shard was not read.
    unread: u32,
    /// Children that were read, with nothing where one is left out.
    ahead: VecDeque<(u32, Option<Item>)>,
}

impl Unsuccessful {
    pub(super) async fn open(
        dispatcher: &Dispatcher,
        batch: &JobId,
        even_if_it_ran: bool,
        cursor: Option<&str>,
    ) -> Result<Self, SourceError> {
        let (next, left_out) = match cursor {
            None => (0, 0),
            Some(text) => parse_cursor(text)
                .ok_or_else(|| SourceError::Final(format!("`{text}` is no cursor of a batch's children")))?,
        };
        let progress = dispatcher.ports.batches.progress(batch).await.map_err(SourceError::Port)?;
        let children =
            progress.ok_or_else(|| SourceError::Final(format!("the batch `{batch}` is gone")))?.batch.planned;
        let (ports, batch) = (dispatcher.ports.clone(), batch.clone());
        Ok(Self {
            ports,
            batch,
            even_if_it_ran,
            children,
            next,
            left_out,
            unread: next,
            ahead: VecDeque::new(),
        })
    }

    pub(super) async fn next_page(&mut self, size: usize) -> PortResult<Page> {
        let mut items = Vec::with_capacity(size);
        let mut end = None;
        while items.len() < size {
            if let Some((index, item)) = self.ahead.pop_front() {
                self.next = index + 1;
                self.left_out += u32::from(item.is_none());
                items.extend(item);
            } else if self.unread < self.children {
                self.read_shard().await?;
            } else {
                end = Some(Ok(()));
                break;
            }
        }
        let cursor = format!("{} {}", self.next, self.left_out);
        Ok(Page { items, cursor, end, left_out: self.left_out })
    }

    /// Reads on to the end of the shard of the first child that was not read.
    async fn read_shard(&mut self) -> PortResult<()> {
        let number = shard_of(self.unread);
        if let Some(record) = self.ports.batches.shard(&self.batch, number).await? {
            let offsets =
                record.shard.unsuccessful().filter(|offset| first_of(number) + offset >= self.unread);
            let ids = offsets.map(|offset| (offset, JobId::child(&self.batch, first_of(number) + offset)));
            let jobs = &self.ports.jobs;
            let read = async |(offset, id)| Ok::<_, PortError>((offset, jobs.get(&id).await?, id));
            let found: Vec<(u32, Option<JobRecord>, JobId)> =
                stream::iter(ids).map(read).buffered(READS_AT_ONCE).try_collect().await?;
            let written = Written::new(&self.ports, record.page, &found).await?;
            for (offset, row, id) in found {
                let item = self.item(id, row, written.child(offset)).await?;
                self.ahead.push_back((first_of(number) + offset, item));
            }
        }
        self.unread = next_shard(number);
        Ok(())
    }

    /// What does a child again; nothing if it is left out.
    async fn item(&self, id: JobId, row: Option<JobRecord>, written: Item) -> PortResult<Option<Item>> {
        // Without its row nobody knows whether it was started.
        let Some(row) = row else {
            let again = Some(Again { effect_key: id.clone(), retry_of: id });
            return Ok(self.even_if_it_ran.then_some(Item { again, ..written }));
        };
        let parameters = match may_retry(&row, self.even_if_it_ran) {
            Ok(parameters) => match read_parameters(&*self.ports.blobs, parameters.clone()).await {
                Ok(Value::Object(parameters)) => Ok(parameters),
                Ok(_) => Err("its parameters are no JSON object".into()),
                Err(BlobError::Port(error)) => return Err(error),
                Err(error) => Err(error.to_string()),
            },
            Err(RetryRefusal::NoParameters) => written.parameters,
            Err(_) => return Ok(None),
        };
        let again = Some(Again { effect_key: row.effect_key().clone(), retry_of: id });
        Ok(Some(Item { parameters, label: row.label, again }))
    }
}

/// A shard's children as they were planned, if any of them needs that.
struct Written(Result<Vec<Item>, String>);

impl Written {
    async fn new(
        ports: &Ports,
        page: Option<String>,
        found: &[(u32, Option<JobRecord>, JobId)],
    ) -> PortResult<Self> {
        let needs_it = |row: &Option<JobRecord>| row.as_ref().is_none_or(|row| row.parameters.is_none());
        match page {
            Some(page) if found.iter().any(|(_, row, _)| needs_it(row)) => {
                Ok(Self(page::children(&*ports.blobs, &page).await?))
            }
            _ => Ok(Self(Err("its parameters are not kept".into()))),
        }
    }

    fn child(&self, offset: u32) -> Item {
        let lost = |error: &str| Item { parameters: Err(error.into()), label: None, again: None };
        match &self.0 {
            Ok(items) => {
                items.get(offset as usize).cloned().unwrap_or_else(|| lost("its page has no such child"))
            }
            Err(error) => lost(error),
        }
    }
}

fn parse_cursor(text: &str) -> Option<(u32, u32)> {
    let (next, left_out) = text.split_once(' ')?;
    Some((next.parse().ok()?, left_out.parse().ok()?))
}
