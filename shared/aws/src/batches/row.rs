//! A batch's row: its record under the names that it has everywhere, and what only this adapter knows.

use aws_sdk_dynamodb::types::AttributeValue;
use gantz_core::batch::BatchRecord;
use gantz_core::ids::JobId;
use gantz_core::limits::RETENTION_MS;
use gantz_core::ports::{PortError, PortResult};
use serde_json::Value;

use crate::item::{BATCH_PREFIX, Item, PK, attributes, fields, number, text, whole};

const VERSION: &str = "version";
const ENDED_BY: &str = "ended_by";
const EXPIRES_AT: &str = "expires_at";
/// The record's sets of numbers. An empty set has no attribute.
const SETS: [&str; 2] = ["open_shards", "closed_ahead"];

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) record: BatchRecord,
    /// Grows with every write, each of which is conditional on the one before.
    pub(super) version: u64,
    /// The child whose mark ended the batch, if a mark did.
    pub(super) ended_by: Option<u32>,
}

pub(super) fn key(id: &JobId) -> String {
    format!("{BATCH_PREFIX}{id}")
}

impl Row {
    pub(super) fn new(record: BatchRecord) -> Self {
        Self { record, version: 1, ended_by: None }
    }

    pub(super) fn read(mut item: Item) -> PortResult<Self> {
        let version =
            item.remove(VERSION).as_ref().and_then(whole).ok_or_else(|| unreadable("no version"))?;
        let ended_by = item.remove(ENDED_BY).as_ref().and_then(whole);
        let sets = SETS.map(|name| (name, item.remove(name)));
        let mut record =
            fields(item).ok_or_else(|| unreadable("an attribute of a type that is never written"))?;
        for (name, set) in sets {
            if let Some(set) = set {
                record.insert(name.into(), members(&set).ok_or_else(|| unreadable(name))?);
            }
        }
        let record = serde_json::from_value(Value::Object(record)).map_err(|error| unreadable(&error))?;
        Ok(Self { record, version, ended_by })
    }

    pub(super) fn to_item(&self) -> PortResult<Item> {
        let Value::Object(mut record) =
            serde_json::to_value(&self.record).map_err(|error| unreadable(&error))?
        else {
            return Err(unreadable("a record is an object"));
        };
        let sets = SETS.map(|name| (name, record.remove(name)));
        let mut item = attributes(record);
        for (name, members) in sets {
            if let Some(set) = members.as_ref().and_then(set) {
                item.insert(name.into(), set);
            }
        }
        item.insert(PK.into(), text(key(&self.record.id)));
        item.insert(VERSION.into(), number(self.version));
        if let Some(index) = self.ended_by {
            item.insert(ENDED_BY.into(), number(index));
        }
        if let Some(finished_at_ms) = self.record.finished_at_ms {
            item.insert(EXPIRES_AT.into(), number((finished_at_ms + RETENTION_MS) / 1_000));
        }
        Ok(item)
    }
}

fn unreadable(why: &(impl std::fmt::Display + ?Sized)) -> PortError {
    PortError::Permanent(format!("a batch's row cannot be read or written: {why}"))
}

fn set(members: &Value) -> Option<AttributeValue> {
    let members = members.as_array().filter(|members| !members.is_empty())?;
    Some(AttributeValue::Ns(members.iter().map(Value::to_string).collect()))
}

fn members(set: &AttributeValue) -> Option<Value> {
    let members: Result<Vec<u32>, _> = set.as_ns().ok()?.iter().map(|member| member.parse()).collect();
    Some(Value::from(members.ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gantz_core::batch::{Counts, Tolerance};
    use gantz_testkit::builders::{NOW_MS, batch, job_id};

    use super::*;

    #[test]
    fn rows_survive_as_items() {
        let fresh = batch(&job_id("batch-of-files"));
        let full = BatchRecord {
            tolerate: Tolerance::Percent(2.5),
            cursor: Some("17".into()),
            planning_error: Some("row 17 is no JSON object".into()),
            open_shards: BTreeSet::from([0, 7, 4_999]),
            retry_of: Some(job_id("batch-before")),
            left_out: 3,
            closed_ahead: BTreeSet::from([8]),
            counts: Counts { succeeded: 1_000_000, in_doubt: 1, ..Counts::default() },
            cancel_requested_at_ms: Some(NOW_MS + 5),
            deadline_ms: Some(NOW_MS + 9),
            finished_at_ms: Some(NOW_MS + 7),
            ..fresh.clone()
        };
        for row in [Row::new(fresh), Row { record: full, version: 12, ended_by: Some(999_999) }] {
            assert_eq!(Row::read(row.to_item().unwrap()).unwrap(), row);
        }
    }

    #[test]
    fn what_was_not_written_here_is_not_read() {
        let item = Row::new(batch(&job_id("batch-of-files"))).to_item().unwrap();
        for (name, wrong) in [
            (VERSION, AttributeValue::S("1".into())),
            ("open_shards", AttributeValue::Ss(vec!["1".into()])),
            ("planned", AttributeValue::N("-1".into())),
            ("cursor", AttributeValue::Ss(vec!["1".into()])),
        ] {
            let mut item = item.clone();
            item.insert(name.into(), wrong);
            assert!(matches!(Row::read(item), Err(PortError::Permanent(_))), "{name}");
        }
    }
}
