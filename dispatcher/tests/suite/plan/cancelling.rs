//! Cancelling a batch before, while and after it is planned, with and without an earlier crash. It always ends, and as
//! cancelled.

use gantz_core::batch::{BatchProgress, PlannedShard, PlanningEnd};
use gantz_core::job::JobStatus;
use gantz_core::limits::BATCH_SHARD_CHILDREN;
use serde_json::{Value, json};

use crate::plan::world::{World, batch};

fn items(number: u32) -> Value {
    (0..number).map(|n| json!({"text": n.to_string()})).collect()
}

async fn submitted(number: u32) -> World {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": items(number), "tolerate": "100%"})).await;
    world
}

/// Nothing runs any more, and the batch ends as cancelled.
async fn ends_cancelled(world: &World) -> BatchProgress {
    world.plan_all().await;
    let ran = world.work(|_| false).await;
    assert!(ran.is_empty(), "{} ran", ran.len());
    let end = world.progress().await;
    assert_eq!(end.batch.status, JobStatus::Cancelled, "{end:?}");
    assert!(end.batch.is_finished() && end.batch.open_shards.is_empty());
    world.assert_children(end.batch.planned).await;
    world.assert_counted().await;
    end
}

#[tokio::test]
async fn before_planning() {
    let world = submitted(201).await;
    world.cancel().await;
    let end = ends_cancelled(&world).await;
    assert_eq!(end.batch.planned, 0);
    assert_eq!(end.batch.planning_error.as_deref(), Some("cancelled before it was planned"));
    // Cancelled again, and submitted again: it stays as it is.
    world.cancel().await;
    world.submit(json!({"tool": "echo", "items": items(201)})).await;
    assert_eq!(ends_cancelled(&world).await, end);
}

#[tokio::test]
async fn after_planning() {
    let world = submitted(201).await;
    world.plan().await;
    world.cancel().await;
    let end = ends_cancelled(&world).await;
    assert_eq!((end.batch.planned, end.totals.cancelled), (201, 201));
    assert_eq!(end.batch.planning_error, None);
}

#[tokio::test]
async fn after_some_children_ended() {
    let world = submitted(10).await;
    world.plan_all().await;
    world.work(|_| false).await;
    let done = world.progress().await;
    world.cancel().await;
    assert_eq!(world.plan_all().await, done, "a batch that ended cannot be cancelled");
}

#[tokio::test]
async fn at_any_moment_of_planning() {
    // As many polls as it takes, until one planner comes to the end.
    for polls in 1.. {
        let mut world = submitted(401).await;
        world.plan_interrupted(polls).await;
        let all_planned = world.progress().await.batch.planning_done;
        world.cancel().await;
        if polls % 2 == 0 {
            world.reopen();
        }
        let end = ends_cancelled(&world).await;
        assert_eq!(end.totals.cancelled, end.batch.planned);
        if all_planned {
            return;
        }
    }
}

#[tokio::test]
async fn while_a_planner_is_at_work() {
    let world = submitted(1_000).await;
    tokio::select! {
        () = world.planner() => panic!("a planner ends only when it is stopped"),
        () = async {
            world.until(async |world| world.progress().await.batch.planned >= 200).await;
            world.cancel().await;
            world.until(async |world| world.plans_left().await == 0).await;
        } => {}
    }
    ends_cancelled(&world).await;
}

#[tokio::test]
async fn after_a_crash_in_mid_shard() {
    // Children of the batch, shards planned in full, and children of the shard that was opened and no more.
    for (number, full, opened) in
        [(1, 0, 1), (200, 0, 200), (201, 0, 200), (201, 1, 1), (450, 1, 200), (450, 2, 50)]
    {
        let world = submitted(number).await;
        plan_shards(&world, number, full).await;
        world.open_shard(full, opened).await;
        world.cancel().await;
        let end = ends_cancelled(&world).await;
        assert_eq!(
            end.batch.planned,
            full * BATCH_SHARD_CHILDREN + opened,
            "the shard is settled, no other begun"
        );
    }
}

#[tokio::test]
async fn after_a_crash_in_mid_shard_when_the_wish_is_handled_first() {
    for (number, opened) in [(1, 1), (200, 200), (201, 200)] {
        let world = submitted(number).await;
        // The plan is with a planner that died; only the wish to cancel can be received.
        world.hold_plans().await;
        world.open_shard(0, opened).await;
        world.cancel().await;
        world.plan_until_left(1).await;
        world.outlast_leases();
        ends_cancelled(&world).await;
    }
}

#[tokio::test]
async fn after_a_crash_in_mid_shard_when_the_earlier_ones_are_done() {
    let world = submitted(1_000).await;
    plan_shards(&world, 1_000, 2).await;
    world.work(|_| false).await;
    world.open_shard(2, 200).await;
    world.ports().batches.cancel_batch(&batch(), world.now_ms()).await.unwrap();
    world.plan_all().await;
    world.work(|_| false).await;
    let end = world.progress().await;
    assert_eq!((end.batch.status, end.totals.succeeded), (JobStatus::Cancelled, 400));
    world.assert_counted().await;
}

#[tokio::test]
async fn planning_that_ended_while_another_planner_opened_a_shard_leaves_nothing_open() {
    let world = submitted(1_000).await;
    plan_shards(&world, 1_000, 1).await;
    world.open_shard(1, 200).await;
    let batches = &world.ports().batches;
    let early = PlanningEnd { error: Some("the other one found no source".into()), left_out: 0 };
    batches.end_planning(&batch(), early, world.now_ms()).await.unwrap();
    world.plan_all().await;
    world.work(|_| false).await;
    let end = world.progress().await;
    assert_eq!((end.batch.status, end.totals.succeeded), (JobStatus::Failed, 200), "{end:?}");
    assert!(end.batch.is_finished() && end.batch.open_shards.is_empty());
}

/// Has a planner plan, and drops it once so many shards are planned in full and no other is begun.
async fn plan_shards(world: &World, number: u32, full: u32) {
    if full == 0 {
        return;
    }
    // What a planner does, by hand: the real one is not to be stopped between two steps.
    let planned = full * BATCH_SHARD_CHILDREN;
    let twin = World::new();
    twin.submit(json!({"tool": "echo", "items": items(number.min(planned))})).await;
    twin.plan_all().await;
    let cursor = twin.progress().await.batch.cursor;
    let rows = twin.children().await;
    let messages = twin.take_lane().await;
    for shard in 0..full {
        let shard = PlannedShard::new(shard, BATCH_SHARD_CHILDREN);
        let batches = &world.ports().batches;
        batches.open_shard(&batch(), shard.clone()).await.unwrap();
        batches.advance(&batch(), shard, cursor.clone()).await.unwrap();
    }
    let _all_new = world.ports().jobs.accept(rows).await.unwrap();
    world.put_lane(messages).await;
}
