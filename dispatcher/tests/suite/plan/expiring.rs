//! A batch whose deadline passes before, while and after it is planned, with nobody at work on its lane. It always ends,
//! and no child is begun.

use gantz_core::job::JobStatus;
use gantz_core::lifecycle::{ClaimVerdict, FinishVerdict};
use gantz_core::limits::{BATCH_SHARD_CHILDREN, POSTPONE_MAX_MS};
use gantz_dispatcher::plan::StepEnd;
use gantz_testkit::builders::{claim, held, succeeded};
use serde_json::{Value, json};

use crate::plan::world::{World, batch};

const AHEAD_MS: u64 = 60_000;
const LONG_MS: u64 = 600_000;

fn items(number: u32) -> Value {
    (0..number).map(|n| json!({"text": n.to_string()})).collect()
}

async fn submitted(number: u32) -> World {
    due_in(AHEAD_MS, number).await
}

async fn due_in(ahead_ms: u64, number: u32) -> World {
    let world = World::new();
    let deadline = world.now_ms() + ahead_ms;
    world.submit(json!({"tool": "echo", "items": items(number), "deadline": deadline})).await;
    world
}

#[tokio::test]
async fn what_waits_ends_though_nobody_works() {
    let world = submitted(201).await;
    let planned = world.plan().await;
    assert_eq!((planned.batch.status, planned.totals.finished()), (JobStatus::Running, 0));
    world.wait(AHEAD_MS);
    let end = world.plan_all().await;
    assert_eq!((end.batch.status, end.totals.expired), (JobStatus::Expired, 201));
    assert!(end.batch.open_shards.is_empty() && end.batch.planning_error.is_none(), "{end:?}");
    world.assert_counted().await;
    assert!(world.work(|_| false).await.is_empty(), "what comes late is not begun");
}

#[tokio::test]
async fn before_planning() {
    let world = submitted(201).await;
    world.wait(AHEAD_MS);
    let end = world.plan_all().await;
    assert_eq!((end.batch.status, end.batch.planned), (JobStatus::Expired, 0));
    assert_eq!(end.batch.planning_error.as_deref(), Some("its deadline passed before it was planned"));
}

#[tokio::test]
async fn at_any_moment_of_planning() {
    for polls in (1..).step_by(3) {
        let mut world = submitted(401).await;
        world.plan_interrupted(polls).await;
        let all_planned = world.progress().await.batch.planning_done;
        world.wait(AHEAD_MS);
        if polls % 2 == 0 {
            world.reopen();
        }
        let end = world.plan_all().await;
        assert_eq!(end.batch.status, JobStatus::Expired, "{end:?}");
        assert_eq!(end.totals.expired, end.batch.planned);
        assert_eq!(end.batch.planned == 401, end.batch.planning_error.is_none(), "{end:?}");
        world.assert_counted().await;
        if all_planned {
            return;
        }
    }
}

#[tokio::test]
async fn after_a_crash_in_mid_shard() {
    let world = submitted(401).await;
    world.open_shard(0, BATCH_SHARD_CHILDREN).await;
    world.wait(AHEAD_MS);
    let end = world.plan_all().await;
    assert_eq!((end.batch.status, end.totals.expired), (JobStatus::Expired, BATCH_SHARD_CHILDREN));
    world.assert_counted().await;
    assert_eq!(end.batch.planning_error.as_deref(), Some("its deadline passed while it was planned"));
}

#[tokio::test]
async fn what_runs_is_left_to_its_worker() {
    let world = submitted(3).await;
    world.plan().await;
    let [first, ..] = &world.children().await[..] else { unreachable!("three") };
    world.wait(AHEAD_MS - 1);
    let ClaimVerdict::Granted(running) =
        world.ports().jobs.claim(claim(first, "worker", world.now_ms())).await.unwrap()
    else {
        unreachable!("nobody else has it")
    };
    world.wait(1);
    let open = world.plan_all().await;
    assert_eq!((open.batch.status, open.totals.expired), (JobStatus::Running, 2));
    let finish = world.ports().jobs.finish(&held(&running), succeeded(), world.now_ms()).await.unwrap();
    assert!(matches!(finish, FinishVerdict::Committed(_)), "{finish:?}");
    let ended = world.ports().batches.mark(&batch(), 0, JobStatus::Succeeded, world.now_ms()).await.unwrap();
    assert_eq!(ended.unwrap().status, JobStatus::Expired);
    world.assert_counted().await;
}

#[tokio::test]
async fn a_batch_that_ended_in_time_stays_as_it_is() {
    let world = submitted(10).await;
    world.plan().await;
    world.work(|_| false).await;
    let done = world.progress().await;
    assert_eq!(done.batch.status, JobStatus::Succeeded);
    world.wait(AHEAD_MS);
    assert_eq!(world.plan_all().await, done);
}

#[tokio::test]
async fn a_message_that_comes_early_waits() {
    let (days, margin_ms) = (3, 7);
    let world = due_in(days * 2 * POSTPONE_MAX_MS + margin_ms, 1).await;
    world.plan().await;
    world.wait(margin_ms);
    // As often as the longest time that a message may be kept back is shorter than what is left.
    for _ in 0..days * 2 {
        world.wait(POSTPONE_MAX_MS - 1);
        let early = world.try_expire(LONG_MS).await;
        assert_eq!(early, StepEnd::NotBefore(world.progress().await.batch.deadline_ms.unwrap()));
        world.wait(1);
    }
    assert_eq!(world.try_expire(LONG_MS).await, StepEnd::Done);
    assert_eq!(world.progress().await.batch.status, JobStatus::Expired);
}
