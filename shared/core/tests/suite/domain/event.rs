use gantz_core::event::{batch_completion, completion};
use gantz_core::job::{JobRecord, JobResult};
use gantz_core::lifecycle::{Ending, FinishVerdict, finish};
use serde_json::{Value, json};

use crate::domain::common::*;

fn ended(ending: &Ending) -> JobRecord {
    let row = claimed(&queued(), "me", NOW_MS);
    match finish(Some(&row), &held(&row), ending, NOW_MS + 5) {
        FinishVerdict::Committed(row) => *row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_ending_has_its_event() {
    let types: Vec<_> =
        endings().iter().map(|ending| completion(&ended(ending)).unwrap().detail_type).collect();
    let expected =
        ["Succeeded", "Failed", "Cancelled", "Expired", "In Doubt"].map(|s| format!("Gantz Job {s}"));
    assert_eq!(types, expected);
}

#[test]
fn an_event_holds_what_a_consumer_needs() {
    let base = json!({
        "job_id": "job-00001", "tool": "echo", "tenant": "default", "attempt": 1, "status": "SUCCEEDED",
    });
    let with = |extra: Value| {
        let mut detail = base.clone();
        detail.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        detail
    };
    let table = [
        (Ending::succeeded(JobResult::Inline(json!({"n": 1}))), with(json!({"result": {"n": 1}}))),
        (Ending::succeeded(JobResult::Inline(json!(null))), with(json!({"result": null}))),
        (Ending::succeeded(JobResult::Ref("blob".into())), with(json!({"result_ref": "blob"}))),
        (
            Ending::cancelled("as asked"),
            with(json!({"status": "CANCELLED", "error": {"kind": "cancelled", "message": "as asked"}})),
        ),
    ];
    for (ending, expected) in table {
        let event = completion(&ended(&ending)).unwrap();
        assert_eq!(event.detail, expected);
        assert_eq!((event.job_id, event.time_ms), (job_id("job-00001"), NOW_MS + 5));
    }
}

#[test]
fn silence_before_the_end_and_from_children_that_were_not_asked_to_tell() {
    assert_eq!(completion(&queued()), None);
    assert_eq!(completion(&claimed(&queued(), "me", NOW_MS)), None);
    let child = JobRecord { parent: Some(job_id("batch-0001")), index: Some(0), ..ended(&endings()[0]) };
    assert_eq!(completion(&child), None);
    let told = completion(&JobRecord { child_events: true, ..child }).unwrap();
    assert_eq!((&told.detail["parent"], &told.detail["index"]), (&json!("batch-0001"), &json!(0)));
}

#[test]
fn a_batch_speaks_once_it_has_ended() {
    let mut batch: gantz_core::batch::BatchRecord = serde_json::from_value(json!({
        "batch_id": "batch-0001", "tool": "echo", "tenant": "default", "lane": "fast", "status": "RUNNING",
        "tolerate": "2.5%", "source_hash": "0", "planned": 3, "planning_done": true, "created_at": NOW_MS,
        "counts": {"succeeded": 2, "failed": 1, "cancelled": 0, "expired": 0, "in_doubt": 0},
    }))
    .unwrap();
    assert_eq!(batch_completion(&batch), None);
    assert!(batch.finish_if_complete(NOW_MS + 9));
    let event = batch_completion(&batch).unwrap();
    assert_eq!((event.detail_type.as_str(), event.time_ms), ("Gantz Batch Failed", NOW_MS + 9));
    let expected = json!({
        "batch_id": "batch-0001", "tool": "echo", "tenant": "default", "lane": "fast", "status": "FAILED",
        "total": 3, "planned": 3, "by_status": {"SUCCEEDED": 2, "FAILED": 1}, "tolerate": "2.5%",
        "started_at": NOW_MS, "finished_at": NOW_MS + 9,
    });
    assert_eq!(event.detail, expected);
}
