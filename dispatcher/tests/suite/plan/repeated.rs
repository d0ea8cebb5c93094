//! The same batch submitted again, and the same plan handled twice.

use std::fmt::Write as _;

use gantz_core::job::JobStatus;
use gantz_dispatcher::SubmitError;
use serde_json::{Value, json};

use crate::plan::world::{BATCH, World, batch};

fn spec(number: u32) -> Value {
    let items: Vec<_> = (0..number).map(|n| json!({"text": n.to_string()})).collect();
    json!({"tool": "echo", "items": items, "batch_id": BATCH})
}

#[tokio::test]
async fn a_repeated_submission_is_the_same_batch_and_is_planned_once() {
    let world = World::new();
    let first = world.try_submit(spec(201)).await.unwrap();
    assert!(first.created);
    // Before planning began, its message is sent again: the first may never have left.
    let second = world.try_submit(spec(201)).await.unwrap();
    assert_eq!((second.created, second.record), (false, first.record));
    assert_eq!(world.plans_left().await, 2);

    let (end, ran) = world.finish().await;
    assert_eq!((end.batch.status, ran.len()), (JobStatus::Succeeded, 201));
    world.assert_children(201).await;
    let third = world.try_submit(spec(201)).await.unwrap();
    assert_eq!((third.created, third.record), (false, end.batch));
    assert_eq!(world.plans_left().await, 0, "nothing is left to plan");
    assert_eq!(world.ports().batches.list_batches(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_stands_for_one_batch() {
    let world = World::new();
    let spec = json!({"tool": "echo", "items": [{"text": "a"}], "idempotency_key": "monday"});
    let first = world.try_submit(spec.clone()).await.unwrap();
    let again = world.try_submit(spec).await.unwrap();
    assert_eq!((again.created, again.record.id), (false, first.record.id));
}

#[tokio::test]
async fn another_batch_under_the_same_id_is_a_conflict() {
    let world = World::new();
    world.try_submit(spec(3)).await.unwrap();
    let mut others = vec![spec(2), spec(0)];
    for (field, value) in
        [("tool", json!("read")), ("parameters", json!({"mood": "glad"})), ("tenant", json!("another"))]
    {
        let mut other = spec(3);
        other[field] = value;
        others.push(other);
    }
    for other in others {
        let refused = world.try_submit(other).await;
        assert!(matches!(&refused, Err(SubmitError::Conflict { id }) if *id == batch()), "{refused:?}");
    }
    assert_eq!(world.plans_left().await, 1);
    let (end, ran) = world.finish().await;
    assert_eq!((end.batch.planned, ran.len()), (3, 3));
}

#[tokio::test]
async fn two_planners_at_once_plan_it_once() {
    let world = World::new();
    let mut text = String::new();
    for n in 0..601 {
        writeln!(text, "{}", if n % 9 == 0 { "bad".into() } else { format!("{{\"text\": \"{n}\"}}") })
            .unwrap();
    }
    let path = world.write("items.jsonl", text);
    let spec = json!({"tool": "echo", "jsonl": path, "tolerate": 67});
    world.submit(spec.clone()).await;
    world.submit(spec).await;
    assert_eq!(world.plans_left().await, 2, "one message for each");
    tokio::select! {
        () = world.planner() => panic!("a planner ends only when it is stopped"),
        () = world.planner() => panic!("a planner ends only when it is stopped"),
        () = world.until(async |world| world.plans_left().await == 0) => {}
    }
    let ran = world.work(|_| false).await;
    assert_eq!(ran.len(), 601 - 67);
    world.assert_children(601).await;
    let end = world.progress().await;
    assert_eq!((end.batch.status, end.batch.planned, end.totals.failed), (JobStatus::Succeeded, 601, 67));
    world.assert_counted().await;
}

#[tokio::test]
async fn a_slow_planner_whose_message_came_back_does_no_harm() {
    // The first one is dropped after so many polls, but only once a second one has planned all and a worker has
    // worked all of it off.
    for polls in 1.. {
        let world = World::new();
        world.try_submit(spec(401)).await.unwrap();
        let mut slow = Box::pin(world.planner());
        for _ in 0..polls {
            world.poll_once(&mut slow).await;
        }
        if world.progress().await.batch.planning_done {
            assert!(polls > 5, "it was never too slow");
            return;
        }
        world.outlast_leases();
        let (_, ran) = world.finish().await;
        assert_eq!(ran.len(), 401);
        let end = world.progress().await;
        assert_eq!((end.batch.status, end.totals.succeeded), (JobStatus::Succeeded, 401));
        // The slow one is done with the first batch once it has planned another.
        let other = world.try_submit(json!({"tool": "echo", "items": []})).await.unwrap().record.id;
        let planned = async |world: &World| {
            world.ports().batches.progress(&other).await.unwrap().unwrap().batch.is_finished()
        };
        tokio::select! {
            () = slow => panic!("a planner ends only when it is stopped"),
            () = world.until(planned) => {}
        }
        assert!(world.work(|_| false).await.is_empty());
        assert_eq!(world.progress().await, end);
        world.assert_children(401).await;
    }
}
