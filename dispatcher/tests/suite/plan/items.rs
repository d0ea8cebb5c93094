//! Items of a submission.

use gantz_core::job::JobStatus;
use gantz_core::limits::{INLINE_PARAMETERS_MAX_BYTES, PARAMETERS_MAX_BYTES};
use gantz_core::outcome::ErrorKind;
use gantz_dispatcher::SubmitError;
use serde_json::{Value, json};

use crate::plan::world::World;

#[tokio::test]
async fn every_item_becomes_one_child_whatever_their_number() {
    for number in [1, 199, 200, 201, 1_000] {
        let world = World::new();
        let items: Vec<Value> = (0..number).map(|n| json!({"text": format!("item {n}")})).collect();
        world.submit(json!({"tool": "echo", "items": items})).await;
        let planned = world.plan_all().await.batch;
        assert_eq!((planned.planned, planned.planning_done, planned.planning_error), (number, true, None));
        let children = world.assert_children(number).await;
        let labels: Vec<_> = children.iter().filter_map(|child| child.label.clone()).collect();
        assert_eq!(labels, (1..=number).map(|line| format!("line {line}")).collect::<Vec<_>>());
        assert!(children.iter().all(|child| child.status == JobStatus::Queued));

        let (end, ran) = world.finish().await;
        let expected: Vec<_> =
            (0..number).map(|n| json!({"text": format!("item {n}"), "times": 1})).collect();
        assert_eq!(ran.into_values().collect::<Vec<_>>(), expected);
        assert_eq!((end.batch.status, end.totals.succeeded), (JobStatus::Succeeded, number));
    }
}

#[tokio::test]
async fn a_batch_of_nothing_succeeds_at_once() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": []})).await;
    let end = world.plan_all().await;
    assert_eq!((end.batch.status, end.batch.planned, end.totals.finished()), (JobStatus::Succeeded, 0, 0));
    assert!(end.batch.is_finished() && world.children().await.is_empty());
}

#[tokio::test]
async fn a_childs_own_parameters_go_before_the_shared_ones() {
    let world = World::new();
    let items = json!([{}, {"text": "own"}, {"mood": "sad", "times": 3}, {"text": null}]);
    world
        .submit(json!({"tool": "echo", "items": items, "parameters": {"text": "shared", "mood": "glad"}}))
        .await;
    let (end, ran) = world.finish().await;
    let expected = [
        (0, json!({"text": "shared", "mood": "glad", "times": 1})),
        (1, json!({"text": "own", "mood": "glad", "times": 1})),
        (2, json!({"text": "shared", "mood": "sad", "times": 3})),
    ];
    assert_eq!(ran.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!((end.totals.succeeded, end.totals.failed), (3, 1), "a null is given, and is no text");
}

#[tokio::test]
async fn a_wrong_item_is_a_failed_child_that_says_why() {
    let world = World::new();
    let items = json!([
        {"text": "right"}, {}, {"text": 5}, {"text": "x", "unknown": 1}, 7, null, [], {"text": "right too"},
    ]);
    world.submit(json!({"tool": "echo", "items": items, "tolerate": 6})).await;
    let planned = world.plan_all().await;
    assert_eq!(planned.totals.failed, 6, "counted as soon as it is planned");
    let children = world.assert_children(8).await;
    let reasons: Vec<_> = children
        .iter()
        .filter_map(|child| child.error.as_ref())
        .map(|error| {
            assert_eq!(error.kind, ErrorKind::Invalid);
            error.message.clone()
        })
        .collect();
    let expected =
        ["/text", "/text", "/unknown", "line 5 is no JSON", "line 6 is no JSON", "line 7 is no JSON"];
    assert_eq!(reasons.len(), expected.len());
    for (reason, part) in reasons.iter().zip(expected) {
        assert!(reason.contains(part), "{reason}");
    }

    let (end, ran) = world.finish().await;
    assert_eq!(ran.into_keys().collect::<Vec<_>>(), [0, 7]);
    assert_eq!((end.batch.status, end.totals.succeeded), (JobStatus::Succeeded, 2), "six were tolerated");
    world.assert_counted().await;
}

#[tokio::test]
async fn only_wrong_items_end_the_batch_without_a_worker() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": vec![json!(1); 201]})).await;
    let end = world.plan_all().await;
    assert_eq!((end.batch.status, end.totals.failed), (JobStatus::Failed, 201));
    world.assert_counted().await;
}

#[tokio::test]
async fn large_parameters_travel_by_reference_and_too_large_ones_fail() {
    let world = World::new();
    let large = "x".repeat(INLINE_PARAMETERS_MAX_BYTES + 1);
    // Its line is within the bound; with what all share it no longer is.
    let huge = "x".repeat(PARAMETERS_MAX_BYTES - 100);
    let items = json!([{"text": large}, {"text": huge}, {"text": "small"}]);
    let shared = json!({"mood": "y".repeat(200)});
    world.submit(json!({"tool": "echo", "items": items, "parameters": shared, "tolerate": 1})).await;
    let (end, ran) = world.finish().await;
    assert_eq!((end.totals.succeeded, end.totals.failed), (2, 1));
    assert_eq!((ran[&0]["text"].as_str(), ran[&2]["text"].as_str()), (Some(large.as_str()), Some("small")));
    let error = world.children().await[1].error.clone().unwrap();
    assert!(error.message.contains("at most 5242880"), "{}", error.message);
}

#[tokio::test]
async fn shared_parameters_that_no_message_can_carry_are_refused_before_anything_is_recorded() {
    let world = World::new();
    let shared = json!({"text": "x".repeat(2 * 1024 * 1024)});
    let refused = world.try_submit(json!({"tool": "echo", "items": [{}], "parameters": shared})).await;
    assert!(matches!(refused, Err(SubmitError::Rejected(_))), "{refused:?}");
    assert!(world.ports().batches.list_batches(None, 10).await.unwrap().is_empty());
}
