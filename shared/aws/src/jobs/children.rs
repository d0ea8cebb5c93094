//! Listings of one batch's children: their ids follow from the batch's and their places in it, so they are read by key,
//! from the last one planned. That costs half a read unit for each row looked at, however large the table is.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::limits::{BATCH_CHILDREN_MAX, BATCH_SHARD_CHILDREN, PAGE_MAX, PAGE_SCAN_MAX};
use gantz_core::ports::{JobFilter, JobPage, PortResult};

use super::{Jobs, row};
use crate::error::port_error;
use crate::item::{BATCH_PREFIX, PK, names, text, whole};
use crate::rows::{self, KEYS_MAX};

/// What a batch's row says of its planning.
const PLANNED: &str = "#planned, #planning_done";

impl Jobs {
    /// The place after the last child that may have a row. `None` if the batch has no row.
    pub(super) async fn children_end(&self, parent: &JobId) -> PortResult<Option<u32>> {
        let call = self.client().get_item().table_name(&self.settings.table);
        let answer = call
            .key(PK, text(format!("{BATCH_PREFIX}{parent}")))
            .projection_expression(PLANNED)
            .set_expression_attribute_names(Some(names([PLANNED])))
            .send()
            .await
            .map_err(|error| port_error("GetItem", &error))?;
        let Some(batch) = answer.item else { return Ok(None) };
        let Some(planned) = batch.get("planned").and_then(whole::<u32>) else { return Ok(None) };
        let planning_done = batch.get("planning_done") == Some(&AttributeValue::Bool(true));
        // The children of a shard are recorded before they count as planned.
        let ahead = if planning_done { 0 } else { BATCH_SHARD_CHILDREN };
        Ok(Some(planned.saturating_add(ahead).min(BATCH_CHILDREN_MAX)))
    }

    /// A page of the children before `end`, last one first. Its cursor is the place of the page's last child.
    pub(super) async fn children(
        &self,
        parent: &JobId,
        filter: &JobFilter,
        limit: usize,
        mut end: u32,
    ) -> PortResult<JobPage> {
        let limit = limit.clamp(1, PAGE_MAX);
        let now_s = self.clock.now_ms() / 1_000;
        let (mut jobs, mut looked_at) = (Vec::new(), 0);
        while end > 0 && looked_at < PAGE_SCAN_MAX {
            let start = end.saturating_sub(KEYS_MAX.into());
            let ids: Vec<_> = (start..end).map(|index| JobId::child(parent, index)).collect();
            let mut found = self.rows(&ids).await?;
            looked_at += ids.len();
            for (index, id) in (start..end).zip(&ids).rev() {
                let Some(row) = found.remove(id) else { continue };
                let expired = row.expires_at_s.is_some_and(|expires_at_s| expires_at_s <= now_s);
                if expired || !filter.matches(&row) {
                    continue;
                }
                jobs.push(row);
                if jobs.len() == limit {
                    return Ok(JobPage { jobs, next: (index > 0).then(|| index.to_string()) });
                }
            }
            end = start;
        }
        Ok(JobPage { jobs, next: (end > 0).then(|| end.to_string()) })
    }

    /// The rows that there are, in no order.
    async fn rows(&self, ids: &[JobId]) -> PortResult<HashMap<JobId, JobRecord>> {
        let keys = ids.iter().map(JobId::to_string);
        let found = rows::read(&self.session, &self.settings.table, keys, false).await?;
        let rows = found.into_iter().map(|item| row::read(item).map(|row| (row.id.clone(), row)));
        rows.collect()
    }
}
