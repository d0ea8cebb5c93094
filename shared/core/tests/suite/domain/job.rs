use gantz_core::job::{JobRecord, JobResult, JobStatus, NewJob, ResultPlace};
use gantz_core::lifecycle::{Ending, FinishVerdict, ReleaseVerdict, finish, release};
use gantz_core::limits;
use gantz_core::outcome::{ErrorKind, JobError, truncate};
use gantz_testkit::fault_table::{Level, fault};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::common::*;

#[test]
fn statuses_have_names() {
    for status in JobStatus::ALL {
        assert_eq!(JobStatus::from_wire(status.as_str()), Some(status));
        assert_eq!(serde_json::to_value(status).unwrap(), json!(status.as_str()));
    }
    assert_eq!(JobStatus::from_wire("queued"), None);
    let live: Vec<_> = JobStatus::ALL.into_iter().filter(|status| !status.is_terminal()).collect();
    assert_eq!(live, [JobStatus::Queued, JobStatus::Running, JobStatus::Waiting]);
}

/// What a person who polls the table sees of a job that was just accepted.
#[test]
fn a_queued_row_on_the_wire() {
    let expected = json!({
        "job_id": "job-00001", "tool": "echo", "tenant": "default", "lane": "fast", "status": "QUEUED",
        "attempt": 0, "max_attempts": 3, "effects": "keyed", "params_hash": "0".repeat(64),
        "created_at": NOW_MS, "updated_at": NOW_MS, "history": [format!("QUEUED 0 {NOW_MS}")],
    });
    assert_eq!(serde_json::to_value(queued()).unwrap(), expected);
}

fn finished(ending: &Ending) -> JobRecord {
    let row = claimed(&queued(), "worker-1/delivery-1", NOW_MS);
    match finish(Some(&row), &held(&row), ending, NOW_MS) {
        FinishVerdict::Committed(row) => *row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_is_a_key_of_the_row() {
    let table = [
        (JobResult::Inline(json!({"n": 1})), "result", json!({"n": 1})),
        (JobResult::Inline(json!(null)), "result", json!(null)),
        (JobResult::Ref("blob".into()), "result_ref", json!("blob")),
    ];
    for (result, key, value) in table {
        let row = finished(&Ending::succeeded(result));
        let wire = serde_json::to_value(&row).unwrap();
        assert_eq!(wire.get(key), Some(&value));
        assert_eq!(serde_json::from_value::<JobRecord>(wire).unwrap(), row);
    }
    let wire = serde_json::to_value(finished(&endings()[1])).unwrap();
    assert!(wire.get("result").is_none() && wire.get("result_ref").is_none());
}

/// A row's bytes as DynamoDB counts them are close to those of its JSON.
#[test]
fn a_result_is_kept_where_it_fits() {
    let shown = fault(39, Level::Unit);
    let table = [
        (8 * 1024, ResultPlace::Row),
        (8 * 1024 + 1, ResultPlace::Blob),
        (399 * 1024, ResultPlace::Blob),
        (401 * 1024, ResultPlace::Blob),
        (7 * 1024 * 1024, ResultPlace::Blob),
        (16 * 1024 * 1024, ResultPlace::Blob),
        (16 * 1024 * 1024 + 1, ResultPlace::Nowhere),
    ];
    for (bytes, place) in table {
        assert_eq!(ResultPlace::of(bytes), place, "{bytes}");
    }
    shown.in_runs(table.len() as u64, "from 8 KiB to 16 MiB and a byte");
}

fn bytes(row: &JobRecord) -> usize {
    serde_json::to_string(row).unwrap().len()
}

/// An ordinary job costs one write unit of a kilobyte at each step of its life, also as the child of a batch with a
/// path for its label, and after a failed attempt.
#[test]
fn a_row_of_an_ordinary_job_is_at_most_a_kilobyte() {
    let job = NewJob {
        id: job_id("reports-2023-11-14.0012345"),
        tool: "analyze_document".into(),
        parent: Some(job_id("reports-2023-11-14")),
        index: Some(12_345),
        label: Some("s3://acme-incoming/reports/2023/11/14/quarterly-figures.pdf".into()),
        deadline_ms: Some(NOW_MS + 3_600_000),
        ..new_job()
    };
    let row = JobRecord::queued(job);
    let running = claimed(&row, "worker-7f3a9c/0190b6c2-0000-7000-8000-000000000001", NOW_MS);
    let waiting = match release(Some(&running), &held(&running), &release_at(NOW_MS + 1_000, true), NOW_MS) {
        ReleaseVerdict::Released(row) => *row,
        other => panic!("{other:?}"),
    };
    let again = claimed(&waiting, "worker-7f3a9c/0190b6c2-0000-7000-8000-000000000002", NOW_MS + 1_000);
    let ending = Ending::succeeded(JobResult::Inline(json!({"pages": 12, "language": "en"})));
    let done = match finish(Some(&again), &held(&again), &ending, NOW_MS + 2_000) {
        FinishVerdict::Committed(row) => *row,
        other => panic!("{other:?}"),
    };
    for row in [row, running, waiting, again, done] {
        assert!(bytes(&row) <= 1_024, "{} has {} bytes", row.status.as_str(), bytes(&row));
    }
}

/// I10: no row outgrows a bound, whatever tools and callers put into it.
#[test]
fn the_largest_row_is_bounded() {
    let mut row = JobRecord { max_attempts: limits::ATTEMPTS_MAX, ..queued() };
    row.label = Some("l".repeat(limits::LABEL_MAX_BYTES));
    for n in 0..limits::ATTEMPTS_MAX - 1 {
        let error = JobError::new(ErrorKind::ToolError, "e".repeat(1_000_000));
        let wish = gantz_core::lifecycle::Release { error, ..release_at(NOW_MS, true) };
        let running = claimed(&row, &format!("owner {n}"), NOW_MS);
        row = match release(Some(&running), &held(&running), &wish, NOW_MS) {
            ReleaseVerdict::Released(row) => *row,
            other => panic!("{other:?}"),
        };
    }
    let errors = (limits::PAST_ATTEMPTS_MAX + 1) * (limits::ERROR_MESSAGE_MAX_BYTES + 200);
    assert!(bytes(&row) <= 2_048 + errors, "{} bytes", bytes(&row));
}

#[test]
fn cutting_keeps_characters_whole() {
    let table = [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "…"),
        ("abcdef", 5, "ab…"),
        ("äöü", 5, "ä…"),
        ("äöü", 6, "äöü"),
    ];
    for (text, max_bytes, expected) in table {
        let mut cut = text.to_owned();
        truncate(&mut cut, max_bytes);
        assert_eq!(cut, expected, "{text} to {max_bytes}");
    }
}

proptest! {
    #[test]
    fn rows_survive_the_wire(
        row in prop_oneof![any_live_row(), any_finished_row()],
        label in any::<Option<String>>(),
    ) {
        let row = JobRecord { label, ..row };
        let text = serde_json::to_string(&row).unwrap();
        prop_assert_eq!(serde_json::from_str::<JobRecord>(&text).unwrap(), row);
    }

    /// A later version may add keys; this one still reads what it knows.
    #[test]
    fn unknown_keys_are_ignored(row in any_finished_row()) {
        let mut wire = serde_json::to_value(&row).unwrap();
        wire.as_object_mut().unwrap().insert("from_the_future".into(), Value::Bool(true));
        prop_assert_eq!(serde_json::from_value::<JobRecord>(wire).unwrap(), row);
    }

    #[test]
    fn messages_are_cut_to_their_bound(text in ".{0,900}", max_bytes in 3..2_000_usize) {
        let mut cut = text.clone();
        truncate(&mut cut, max_bytes);
        prop_assert!(cut.len() <= max_bytes.max(text.len().min(max_bytes)));
        let kept = cut.strip_suffix('…').unwrap_or(&cut);
        prop_assert!(text.starts_with(kept));
    }
}
