//! A job's record as the table's row: the record's own names, but for the key.

use aws_sdk_dynamodb::types::AttributeValue;
use gantz_core::history::HistoryEntry;
use gantz_core::job::JobRecord;
use gantz_core::ports::{PortError, PortResult};
use serde_json::Value;

use crate::item::{self, Item, PK};

const JOB_ID: &str = "job_id";
/// What is a tool's own is kept as its JSON text: exact to the last digit, however deep.
const AS_TEXT: [&str; 2] = ["result", "parameters"];
/// The attempt at which the job has no attempts left. Conditions can compare attributes but not add them up.
const CLAIMS_MAX: &str = "claims_max";

/// The row as it is written.
pub(super) fn to_item(record: &JobRecord) -> PortResult<Item> {
    let mut fields = match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err(unreadable("a record is an object")),
        Err(error) => return Err(unreadable(error)),
    };
    fields.remove(JOB_ID);
    for name in AS_TEXT {
        if let Some(value) = fields.get_mut(name) {
            *value = Value::String(value.to_string());
        }
    }
    let mut item = item::attributes(fields);
    item.insert(PK.into(), item::text(record.id.as_str()));
    item.insert(CLAIMS_MAX.into(), item::number(claims_max(record)));
    Ok(item)
}

/// A row that [`to_item`] or an update made.
pub(super) fn read(mut item: Item) -> PortResult<JobRecord> {
    item.remove(CLAIMS_MAX);
    let mut values = Vec::new();
    for name in AS_TEXT {
        match item.remove(name) {
            Some(AttributeValue::S(json)) => {
                let value: Value = serde_json::from_str(&json).map_err(unreadable)?;
                values.push((name.to_owned(), value));
            }
            Some(_) => return Err(unreadable(format!("its {name} is no text"))),
            None => {}
        }
    }
    let mut fields = item::fields(item).ok_or_else(|| unreadable("it has an attribute of a foreign type"))?;
    if let Some(id) = fields.remove(PK) {
        fields.insert(JOB_ID.into(), id);
    }
    fields.extend(values);
    serde_json::from_value(Value::Object(fields)).map_err(unreadable)
}

/// Entries of a history as the attribute has them.
pub(super) fn history(entries: &[HistoryEntry]) -> AttributeValue {
    AttributeValue::L(entries.iter().map(|entry| item::text(entry.to_string())).collect())
}

/// Below it, the job has attempts left: exactly where [`JobRecord::attempts_used`] is below `max_attempts`.
fn claims_max(record: &JobRecord) -> u32 {
    if record.max_attempts == 0 { 0 } else { record.max_attempts.saturating_add(record.deferrals) }
}

fn unreadable(why: impl std::fmt::Display) -> PortError {
    PortError::Damaged(format!("the row of a job cannot be read or written: {why}"))
}

#[cfg(test)]
mod tests {
    use gantz_core::history::PastAttempt;
    use gantz_core::job::{JobResult, JobStatus};
    use gantz_core::limits;
    use gantz_testkit::builders::{NOW_MS, child_record, job_error, job_id, record};
    use serde_json::json;

    use super::*;

    fn full() -> JobRecord {
        let attempt = PastAttempt {
            at_ms: NOW_MS,
            started_at_ms: Some(NOW_MS),
            attempt: 1,
            counted: false,
            error: job_error(),
            retry_at_ms: NOW_MS + 1,
        };
        JobRecord {
            result: Some(JobResult::Inline(json!({"n": [u64::MAX, 0.1, -0.0, null]}))),
            error: Some(job_error()),
            label: Some("#1".into()),
            deferrals: 2,
            attempts: vec![attempt],
            ..child_record(&job_id("a-batch-01"), 7)
        }
    }

    #[test]
    fn records_survive_as_items() {
        let null = JobRecord { result: Some(JobResult::Inline(Value::Null)), ..full() };
        let by_reference = JobRecord { result: Some(JobResult::Ref("sha256-abc".into())), ..full() };
        for record in [record(&job_id("plain-job")), full(), null, by_reference] {
            assert_eq!(read(to_item(&record).unwrap()).unwrap(), record);
        }
    }

    #[test]
    fn results_are_text() {
        let item = to_item(&full()).unwrap();
        assert_eq!(item["result"], item::text(r#"{"n":[18446744073709551615,0.1,-0.0,null]}"#));
    }

    #[test]
    fn the_last_claim_is_where_attempts_end() {
        for max_attempts in 0..3 {
            for deferrals in 0..3 {
                for attempt in 0..6 {
                    let row = JobRecord { attempt, max_attempts, deferrals, ..record(&job_id("some-job")) };
                    assert_eq!(attempt < claims_max(&row), row.attempts_used() < row.max_attempts, "{row:?}");
                }
            }
        }
    }

    /// Half of it is room for what a job brings along: its ids, its label, a short error.
    #[test]
    fn an_ordinary_row_fits_a_write_unit() {
        let result = JobResult::Inline(json!({"status": "ok", "count": 3}));
        let row = JobRecord {
            owner: Some("a-worker-0123456789/0123456789abcdef".into()),
            lease_until_ms: Some(NOW_MS + limits::LEASE_MS),
            started_at_ms: Some(NOW_MS),
            finished_at_ms: Some(NOW_MS),
            expires_at_s: Some(NOW_MS / 1_000),
            result: Some(result),
            history: [JobStatus::Queued, JobStatus::Running, JobStatus::Succeeded]
                .map(|status| HistoryEntry { status, attempt: 1, at_ms: NOW_MS })
                .into(),
            ..child_record(&job_id(&"b".repeat(limits::BATCH_ID_MAX_CHARS)), 999_999)
        };
        let bytes = |(name, value): (String, AttributeValue)| match value {
            AttributeValue::S(text) => name.len() + text.len(),
            // A list's own bytes, and one for each of its elements.
            AttributeValue::L(texts) => {
                let of_text = |text: &AttributeValue| text.as_s().unwrap().len() + 1;
                name.len() + 3 + texts.iter().map(of_text).sum::<usize>()
            }
            _ => name.len() + 21,
        };
        let size: usize = to_item(&row).unwrap().into_iter().map(bytes).sum();
        assert!(size < 1_024, "{size} bytes");
    }
}
