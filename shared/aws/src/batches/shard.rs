//! A shard's row: sets of its children's offsets, those that have not ended and those that ended in each way.
//!
//! A child's end moves its offset from one set to another: the row is as large as before, and below a kilobyte.

use aws_sdk_dynamodb::types::AttributeValue;
use gantz_core::batch::{BatchRecord, Counts, PlannedShard, Shard, ShardRecord};
use gantz_core::ids::JobId;
use gantz_core::job::JobStatus;
use gantz_core::limits::{DEADLINE_MAX_AHEAD_MS, RETENTION_MS};

use crate::item::{BATCH_PREFIX, Item, PK, number, text};

/// Children that have not ended. Without any there is no such attribute: DynamoDB has no empty sets.
const PENDING: &str = "pending";
const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";
const CANCELLED: &str = "cancelled";
const EXPIRED: &str = "expired";
const IN_DOUBT: &str = "in_doubt";
const EXPIRES_AT: &str = "expires_at";
/// The blob in which the shard's children are written down.
const PAGE: &str = "page";
const ENDINGS: [(&str, JobStatus); 5] = [
    (SUCCEEDED, JobStatus::Succeeded),
    (FAILED, JobStatus::Failed),
    (CANCELLED, JobStatus::Cancelled),
    (EXPIRED, JobStatus::Expired),
    (IN_DOUBT, JobStatus::InDoubt),
];

/// A shard's row is kept past the end of every child that it may have: without its row the batch would never end. A
/// year of one kilobyte for 200 children costs less than the write that would shorten it.
const KEPT_MS: u64 = DEADLINE_MAX_AHEAD_MS + RETENTION_MS;

pub(super) fn key(id: &JobId, number: u32) -> String {
    format!("{BATCH_PREFIX}{id}#{number}")
}

/// The row of a shard none of whose children has ended.
pub(super) fn opened(batch: &BatchRecord, shard: &PlannedShard) -> Item {
    let pending = (0..shard.children).map(|offset| offset.to_string()).collect();
    let mut item = Item::from([
        (PK.into(), text(key(&batch.id, shard.number))),
        (PENDING.into(), AttributeValue::Ns(pending)),
        (EXPIRES_AT.into(), number((batch.created_at_ms + KEPT_MS) / 1_000)),
    ]);
    if let Some(page) = &shard.page {
        item.insert(PAGE.into(), text(page));
    }
    item
}

/// A shard's row as it was read.
#[derive(Debug)]
pub(super) struct ShardRow(pub(super) Item);

impl ShardRow {
    /// The name of the set of children that ended so; none for a child that has not.
    pub(super) fn set_of(status: JobStatus) -> Option<&'static str> {
        ENDINGS.into_iter().find(|(_, ending)| *ending == status).map(|(name, _)| name)
    }

    /// Whether every child has ended.
    pub(super) fn is_complete(&self) -> bool {
        self.set(PENDING).is_empty()
    }

    /// Whether the child at `offset` is one of this shard's and has ended.
    pub(super) fn has_ended(&self, offset: u32) -> bool {
        let offset = offset.to_string();
        ENDINGS.iter().any(|(name, _)| self.set(name).contains(&offset))
    }

    /// Totals of the children that have ended.
    pub(super) fn counts(&self) -> Counts {
        // At most 200 in each.
        let count = |name| u32::try_from(self.set(name).len()).unwrap_or(u32::MAX);
        Counts {
            succeeded: count(SUCCEEDED),
            failed: count(FAILED),
            cancelled: count(CANCELLED),
            expired: count(EXPIRED),
            in_doubt: count(IN_DOUBT),
        }
    }

    pub(super) fn into_record(self) -> ShardRecord {
        let offsets = |name| self.set(name).iter().filter_map(|offset| offset.parse::<u32>().ok());
        let all = ENDINGS.iter().flat_map(|(name, _)| offsets(name)).chain(offsets(PENDING));
        let mut shard = Shard::open(all.max().map_or(0, |last| last + 1));
        for (name, status) in ENDINGS {
            for offset in offsets(name) {
                // Each is in one set only.
                let _counted = shard.mark(offset, status);
            }
        }
        let page = self.0.get(PAGE).and_then(|page| page.as_s().ok()).cloned();
        ShardRecord { shard, page }
    }

    fn set(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(AttributeValue::Ns(offsets)) => offsets,
            _ => &[],
        }
    }
}
