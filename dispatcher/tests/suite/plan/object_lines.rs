//! JSON Lines in an object.

use gantz_core::admit::Rejection;
use gantz_core::job::JobStatus;
use gantz_core::limits::PARAMETERS_MAX_BYTES;
use gantz_core::ports::{PortError, SourceError};
use gantz_dispatcher::SubmitError;
use gantz_dispatcher::plan::StepEnd;
use serde_json::json;

use crate::plan::bucket::BUCKET;
use crate::plan::world::{SHORT_MS, World};
const KEY: &str = "in/größe +%20.jsonl";

fn place() -> String {
    format!("s3://{BUCKET}/{KEY}")
}

fn lines(count: usize) -> String {
    (0..count).map(|n| format!("{{\"text\": \"{n}\"}}\n")).collect()
}

/// A world with that content as an object, and a batch of its lines.
async fn submitted(content: &str) -> World {
    let world = World::on_aws();
    world.bucket().put(KEY, content, 1);
    world.submit(json!({"tool": "echo", "jsonl": place(), "tolerate": "100%"})).await;
    world
}

fn unavailable() -> SourceError {
    SourceError::Unavailable { place: place(), source: "connection reset".into() }
}

#[tokio::test]
async fn its_lines_become_children() {
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(2 * PARAMETERS_MAX_BYTES));
    let world = submitted(&format!("{}\n{long}\n[1]\n{{\"text\": \"last\"}}", lines(450))).await;
    world.plan_all().await;
    let children = world.assert_children(453).await;
    let told = |index: usize| children[index].error.as_ref().map(|error| error.message.clone());
    let too_long = format!("line 452 has more than {PARAMETERS_MAX_BYTES} bytes");
    assert_eq!((told(449), told(450), told(452)), (None, Some(too_long), None));
    assert_eq!(told(451).as_deref(), Some("line 453 is no JSON object of parameters"));
    let (_, ran) = world.finish().await;
    let texts: Vec<_> =
        ran.values().map(|parameters| parameters["text"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<_> = (0..450).map(|n| n.to_string()).chain(["last".to_owned()]).collect();
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn a_read_that_fails_for_the_moment_is_repeated() {
    let world = submitted(&lines(450)).await;
    let plan = world.take_plan().await;
    world.bucket().fail_reads([SourceError::Throttled { place: place(), retry_after_ms: None }]);
    assert!(matches!(world.try_step(&plan, 60_000).await, Err(SubmitError::Port(PortError::Throttled(_)))));
    world.bucket().fail_reads([unavailable()]);
    match world.try_step(&plan, 60_000).await {
        Err(SubmitError::Port(PortError::Transient(why))) => {
            assert!(why.contains("connection reset"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.steps(&plan, 60_000).await, 1);
    world.finish().await;
    world.assert_children(450).await;
}

#[tokio::test]
async fn other_content_is_not_planned_into_the_same_batch() {
    let world = submitted(&lines(650)).await;
    let plan = world.take_plan().await;
    world.let_time_pass();
    assert_eq!(world.try_step(&plan, SHORT_MS).await.unwrap(), StepEnd::More);
    let planned = world.progress().await.batch.planned;
    world.bucket().put(KEY, &lines(700), 2);
    assert_eq!(world.try_step(&plan, 60_000).await.unwrap(), StepEnd::Done);
    let end = world.progress().await.batch;
    assert_eq!(end.planning_error.as_deref(), Some("the object was overwritten while it was planned"));
    assert_eq!(end.planned, planned, "a page that was written down is planned before anything is read");
    assert!(planned > 0 && planned < 650, "{planned} were planned in one step");
}

#[tokio::test]
async fn an_object_that_is_not_there_ends_the_batch_with_the_reason() {
    let world = World::on_aws();
    world.submit(json!({"tool": "echo", "jsonl": place()})).await;
    world.plan_all().await;
    let end = world.progress().await.batch;
    let expected = format!("{} does not exist", place());
    assert_eq!((end.status, end.planning_error), (JobStatus::Failed, Some(expected)));
}

#[tokio::test]
async fn a_place_that_is_no_object_is_refused() {
    let world = World::on_aws();
    for (place, part) in [
        ("s3://", "3 to 63"),
        ("s3://acme-incoming", "expected `s3://bucket/key`"),
        ("s3://acme-incoming/folder/", "expected `s3://bucket/key`"),
    ] {
        match world.try_submit(json!({"tool": "echo", "jsonl": place})).await {
            Err(SubmitError::Rejected(Rejection::Field { pointer: "/jsonl", message })) => {
                assert!(message.contains(part), "{place}: {message}");
            }
            other => panic!("{place}: {other:?}"),
        }
    }
}
