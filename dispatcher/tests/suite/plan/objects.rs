//! Objects of a bucket as a batch's source.

use gantz_core::admit::Rejection;
use gantz_core::job::JobStatus;
use gantz_core::ports::PortError;
use gantz_dispatcher::SubmitError;
use serde_json::{Value, json};

use crate::plan::bucket::BUCKET;
use crate::plan::world::World;

fn place(prefix: &str) -> String {
    format!("s3://{BUCKET}/{prefix}")
}

fn keys(number: u32) -> Vec<String> {
    (0..number).map(|n| format!("in/{n:05} größe.pdf")).collect()
}

fn stocked(number: u32) -> World {
    let world = World::on_aws();
    for key in keys(number) {
        world.bucket().put(&key, "content", 1);
    }
    world.bucket().put("else/where", "content", 1);
    world
}

#[tokio::test]
async fn each_object_is_a_child_in_the_order_of_keys() {
    for number in [0, 1, 199, 200, 201, 745] {
        let world = stocked(number);
        // What stands for folders is no object, what is empty or named like a folder is one.
        world.bucket().put("in/", "", 1);
        world.bucket().put("in/00100/", "", 1);
        world.bucket().put("in/y", "", 1);
        world.bucket().put("in/z/", "content", 1);
        world.submit(json!({"tool": "fetch", "s3": place("in/"), "parameters": {"mood": "calm", "key": "not mine"}})).await;
        let (progress, ran) = world.finish().await;
        assert_eq!((progress.batch.status, progress.batch.planning_error), (JobStatus::Succeeded, None));
        let mut expected = keys(number);
        expected.extend(["in/y".to_owned(), "in/z/".to_owned()]);
        let parameters: Vec<Value> = ran.into_values().collect();
        let all: Vec<Value> =
            expected.iter().map(|key| json!({"bucket": BUCKET, "key": key, "mood": "calm"})).collect();
        assert_eq!(parameters, all);
        let labels: Vec<_> =
            world.assert_children(number + 2).await.into_iter().map(|child| child.label.unwrap()).collect();
        assert_eq!(labels, expected);
    }
}

#[tokio::test]
async fn none_is_lost_or_planned_twice_though_every_planner_is_interrupted_a_little_later() {
    let mut world = stocked(645);
    world.submit(json!({"tool": "fetch", "s3": place("in/")})).await;
    let mut polls = 0;
    while world.plans_left().await > 0 {
        polls += 1;
        world.plan_interrupted(polls).await;
        if polls % 5 == 0 {
            world.reopen();
        }
    }
    assert!(polls > 5, "planning was never interrupted");
    let (_, ran) = world.finish().await;
    let ran: Vec<Value> = ran.into_values().map(|parameters| parameters["key"].clone()).collect();
    assert_eq!(ran, keys(645));
    world.assert_children(645).await;
}

#[tokio::test]
async fn a_listing_that_fails_for_the_moment_is_repeated() {
    let world = stocked(300);
    let throttled = || PortError::Throttled("slow down".into());
    world.submit(json!({"tool": "fetch", "s3": place("in/")})).await;
    let plan = world.take_plan().await;
    world.bucket().fail([throttled()]);
    assert!(matches!(world.try_step(&plan, 60_000).await, Err(SubmitError::Port(PortError::Throttled(_)))));
    assert_eq!(world.steps(&plan, 60_000).await, 1);
    world.finish().await;
    world.assert_children(300).await;
}

#[tokio::test]
async fn a_listing_that_fails_for_good_ends_the_batch_with_the_reason() {
    let world = stocked(300);
    world.submit(json!({"tool": "fetch", "s3": place("in/")})).await;
    world.bucket().fail([PortError::Permanent("AccessDenied".into())]);
    world.plan_all().await;
    let end = world.progress().await.batch;
    assert_eq!((end.status, end.planned), (JobStatus::Failed, 0));
    assert_eq!(end.planning_error.unwrap(), format!("cannot list `{BUCKET}`: AccessDenied"));
}

#[tokio::test]
async fn a_wrong_submission_is_refused_at_once() {
    let world = stocked(1);
    let table = [
        (json!({"tool": "echo", "s3": place("in/")}), "/s3", "the tool `echo` has no parameter `bucket`"),
        (json!({"tool": "fetch", "s3": "in/"}), "/s3", "expected `s3://bucket/prefix`"),
        (json!({"tool": "fetch", "s3": "s3://Acme/in"}), "/s3", "`Acme` is no bucket's name"),
        (json!({"tool": "fetch", "s3": place(""), "items": []}), "/items", "exactly one of"),
        (json!({"tool": "fetch", "s3": place(""), "files": "."}), "/items", "exactly one of"),
        (json!({"tool": "fetch", "s3": place(""), "jsonl": "x"}), "/items", "exactly one of"),
    ];
    for (spec, pointer, part) in table {
        assert_refused(&world, spec, pointer, part).await;
    }
}

#[tokio::test]
async fn a_fleet_without_s3_says_so() {
    let world = World::new();
    let spec = json!({"tool": "fetch", "s3": place("in/")});
    assert_refused(&world, spec, "/s3", "this fleet has no S3").await;
    assert_eq!(world.plans_left().await, 0);
    assert!(world.ports().batches.list_batches(None, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_objects_are_the_same_batch_and_others_a_conflict() {
    let world = stocked(3);
    let row = world.submit(json!({"tool": "fetch", "s3": place("in/")})).await;
    assert_eq!(world.submit(json!({"tool": "fetch", "s3": place("in/")})).await, row);
    for other in [place("in"), format!("s3://{BUCKET}-2/in/")] {
        let spec = json!({"tool": "fetch", "s3": other, "batch_id": row.id});
        assert!(matches!(world.try_submit(spec).await, Err(SubmitError::Conflict { .. })));
    }
}

async fn assert_refused(world: &World, spec: Value, expected: &str, part: &str) {
    match world.try_submit(spec.clone()).await {
        Err(SubmitError::Rejected(Rejection::Field { pointer, message })) => {
            assert_eq!(pointer, expected, "{spec}");
            assert!(message.contains(part), "{spec}: {message}");
        }
        other => panic!("{spec}: {other:?}"),
    }
}
