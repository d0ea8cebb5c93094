//! The reads.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use gantz_core::batch::{BatchRecord, Counts};
use gantz_core::ids::{JobId, Tenant};
use gantz_core::ports::PortResult;

use super::Batches;
use super::row::{self, Row};
use super::shard::{self, ShardRow};
use crate::error::port_error;
use crate::item::{BATCH_PREFIX, Item, PK, names, text};
use crate::rows::{self, KEYS_MAX};

/// Enough to hide the way there and back; more would only be throttled.
const READS_AT_ONCE: usize = 4;
/// Shards have no tool.
const IS_BATCH: &str = "begins_with(#pk, :prefix) AND attribute_exists(#tool)";
const IS_BATCH_OF_TENANT: &str =
    "begins_with(#pk, :prefix) AND attribute_exists(#tool) AND #tenant = :tenant";

impl Batches {
    pub(super) async fn read(&self, id: &JobId) -> PortResult<Option<Row>> {
        self.item(row::key(id)).await?.map(Row::read).transpose()
    }

    pub(super) async fn read_shard(&self, id: &JobId, number: u32) -> PortResult<Option<ShardRow>> {
        Ok(self.item(shard::key(id, number)).await?.map(ShardRow))
    }

    async fn item(&self, key: String) -> PortResult<Option<Item>> {
        let output = self
            .session
            .dynamodb()
            .get_item()
            .table_name(&self.settings.table)
            .key(PK, text(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error("GetItem", &error))?;
        Ok(output.item)
    }

    /// Totals of each of these shards, in no order.
    pub(super) async fn counts_of(&self, id: &JobId, shards: &BTreeSet<u32>) -> PortResult<Vec<Counts>> {
        let keys: Vec<String> = shards.iter().map(|number| shard::key(id, *number)).collect();
        let chunks: Vec<Vec<String>> = keys.chunks(KEYS_MAX.into()).map(<[String]>::to_vec).collect();
        let read = |keys| rows::read(&self.session, &self.settings.table, keys, true);
        let reads = stream::iter(chunks).map(read).buffer_unordered(READS_AT_ONCE);
        let found: Vec<Vec<Item>> = reads.try_collect().await?;
        Ok(found.into_iter().flatten().map(|item| ShardRow(item).counts()).collect())
    }

    /// The newest batches of the table, by reading all of it: batches are few, and listed by people.
    pub(super) async fn newest(&self, tenant: Option<&Tenant>, limit: usize) -> PortResult<Vec<BatchRecord>> {
        let filter = if tenant.is_some() { IS_BATCH_OF_TENANT } else { IS_BATCH };
        let scan = self
            .session
            .dynamodb()
            .scan()
            .table_name(&self.settings.table)
            .filter_expression(filter)
            .set_expression_attribute_names(Some(names([filter])))
            .expression_attribute_values(":prefix", text(BATCH_PREFIX));
        let scan = tenant
            .into_iter()
            .fold(scan, |scan, tenant| scan.expression_attribute_values(":tenant", text(tenant.as_str())));
        let mut newest = Vec::new();
        let mut pages = scan.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error("Scan", &error))?;
            newest.extend(page.items.unwrap_or_default().into_iter().filter_map(readable));
            newest.sort_unstable_by_key(|batch| Reverse((batch.created_at_ms, batch.id.clone())));
            newest.truncate(limit);
        }
        Ok(newest)
    }
}

/// One row that cannot be read must not hide the others.
fn readable(item: Item) -> Option<BatchRecord> {
    match Row::read(item) {
        Ok(row) => Some(row.record),
        Err(error) => {
            tracing::warn!(%error, "a batch is left out of the listing");
            None
        }
    }
}
