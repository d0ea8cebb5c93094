//! Planning in steps that each have a deadline, as on Lambda.

use gantz_core::ids::JobId;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::ClaimVerdict;
use gantz_dispatcher::plan::StepEnd;
use gantz_testkit::builders::claim;
use serde_json::{Value, json};

use crate::plan::world::{SHORT_MS, World, batch};

const LONG_MS: u64 = 600_000;

fn items(number: u32) -> Value {
    (0..number).map(|n| json!({"text": n.to_string()})).collect()
}

#[tokio::test]
async fn a_batch_is_planned_over_many_steps() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": items(1_001)})).await;
    let plan = world.take_plan().await;
    world.let_time_pass();
    let steps = world.steps(&plan, SHORT_MS).await;
    assert!(steps > 1, "one step had the time for all");
    let (progress, ran) = world.finish().await;
    assert_eq!((progress.batch.status, ran.len()), (JobStatus::Succeeded, 1_001));
    world.assert_children(1_001).await;
    world.assert_counted().await;
}

#[tokio::test]
async fn nothing_is_begun_when_time_is_short() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": items(1_001)})).await;
    let plan = world.take_plan().await;
    let before = world.progress().await;
    for budget_ms in [0, 1, 4_999, 5_000] {
        assert_eq!(world.try_step(&plan, budget_ms).await.unwrap(), StepEnd::More);
        assert_eq!(world.progress().await, before);
    }
    assert_eq!(world.steps(&plan, 5_001).await, 1, "time stands still");
    world.cancel().await;
    let wish = world.take_plan().await;
    let before = world.progress().await;
    assert_eq!(world.try_step(&wish, 5_000).await.unwrap(), StepEnd::More);
    assert_eq!(world.progress().await, before);
}

#[tokio::test]
async fn a_batch_is_cancelled_over_many_steps_and_ends_before_its_messages_are_gone() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": items(4_001)})).await;
    world.plan_all().await;
    world.cancel().await;
    let wish = world.take_plan().await;
    world.let_time_pass();
    let mut open = world.progress().await.batch.open_shards.len();
    assert_eq!(open, 21);
    let mut steps = 1;
    while world.try_step(&wish, SHORT_MS).await.unwrap() == StepEnd::More {
        let left = world.progress().await.batch.open_shards.len();
        assert!(left < open, "a step goes on where the last one stopped: {left} of {open} left");
        (open, steps) = (left, steps + 1);
    }
    assert!(steps > 1, "one step had the time for all");
    let end = world.progress().await;
    assert_eq!((end.batch.status, end.totals.cancelled), (JobStatus::Cancelled, 4_001));
    // Repeated, and met by the messages of the children: it stays as it is.
    assert_eq!(world.steps(&wish, LONG_MS).await, 1);
    assert!(world.work(|_| false).await.is_empty());
    assert_eq!(world.progress().await, end);
    world.assert_counted().await;
}

#[tokio::test]
async fn planning_is_cancelled_over_many_steps() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": items(4_001)})).await;
    let plan = world.take_plan().await;
    world.let_time_pass();
    while world.progress().await.batch.planned < 3_000 {
        assert_eq!(world.try_step(&plan, SHORT_MS).await.unwrap(), StepEnd::More);
    }
    // The wish comes to the planner by the row alone.
    world.ports().batches.cancel_batch(&batch(), world.now_ms()).await.unwrap();
    let steps = world.steps(&plan, SHORT_MS).await;
    assert!(steps > 1, "one step had the time for all");
    let end = world.progress().await;
    assert_eq!((end.batch.status, end.totals.cancelled), (JobStatus::Cancelled, end.batch.planned));
    assert!(end.batch.planned < 4_001 && end.batch.is_finished());
}

#[tokio::test]
async fn a_cancelled_batch_waits_for_children_that_run() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": items(401)})).await;
    world.plan_all().await;
    let child = world.ports().jobs.get(&JobId::child(&batch(), 300)).await.unwrap().unwrap();
    let wish = claim(&JobRecord::queued(child.accepted()), "worker", world.now_ms());
    let ClaimVerdict::Granted(_) = world.ports().jobs.claim(wish).await.unwrap() else { panic!("not idle") };
    world.cancel().await;
    let message = world.take_plan().await;
    assert_eq!(world.steps(&message, LONG_MS).await, 1);
    let progress = world.progress().await;
    assert!(!progress.batch.is_finished());
    assert_eq!((progress.totals.cancelled, progress.batch.open_shards), (400, [1].into()));
    // Its worker died, and its tool may run twice: nothing is left to wait for.
    world.outlast_leases();
    world.cancel().await;
    world.plan_all().await;
    let end = world.progress().await;
    assert_eq!((end.batch.status, end.totals.cancelled), (JobStatus::Cancelled, 401));
}

#[tokio::test]
async fn a_step_with_a_deadline_leaves_the_visibility_of_its_message_alone() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": items(1_001)})).await;
    let plan = world.take_plan().await;
    world.wait(20_000);
    assert_eq!(world.try_step(&plan, LONG_MS).await.unwrap(), StepEnd::Done);
    world.wait(20_000);
    // The thirty seconds it was received for are over, and were not made longer.
    assert_eq!(world.take_plan().await.id, plan.id);
}
