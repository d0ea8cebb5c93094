//! A batch of those children of another one that ended without success.

use gantz_core::batch::BatchRecord;
use gantz_core::ids::JobId;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_dispatcher::{Retried, RetryError};
use gantz_testkit::builders::job_id;
use serde_json::{Value, json};

use crate::plan::world::{World, batch};

fn items(number: u32) -> Vec<Value> {
    (0..number).map(|n| json!({"text": n.to_string()})).collect()
}

/// Submits the batch that does the children of [`batch`] again.
async fn retry(world: &World, even_if_it_ran: bool) -> BatchRecord {
    match world.dispatcher().retry(&batch(), even_if_it_ran).await.unwrap() {
        Retried::Batch(submitted) => submitted.record,
        Retried::Job(submitted) => panic!("{submitted:?}"),
    }
}

/// The places of the old children that these do again.
fn done_again(children: &[JobRecord]) -> Vec<u32> {
    let place = |child: &JobRecord| {
        let old = child.retry_of.as_ref().unwrap();
        assert_eq!(child.effect_key(), old, "a keyed effect stays the same");
        (0..1_000).find(|index| JobId::child(&batch(), *index) == *old).unwrap()
    };
    children.iter().map(place).collect()
}

#[tokio::test]
async fn what_did_not_succeed_is_planned_again_and_nothing_else() {
    let world = World::new();
    let mut all = items(450);
    all[7] = json!({"times": "three"});
    world.submit(json!({"tool": "echo", "items": all, "parameters": {"mood": "calm"}})).await;
    world.plan_all().await;
    world.work(|index| [3, 199, 200, 449].contains(&index)).await;
    assert_eq!(world.progress().await.batch.status, JobStatus::Failed);

    let again = retry(&world, false).await;
    assert_eq!((again.retry_of, again.tool.as_str()), (Some(batch()), "echo"));
    world.plan_all().await;
    let ran = world.work(|_| false).await;
    let children = world.children_of(&again.id).await;
    assert_eq!(done_again(&children), [3, 7, 199, 200, 449]);
    let texts: Vec<_> = ran.values().map(|parameters| parameters["text"].clone()).collect();
    assert_eq!(texts, ["3", "199", "200", "449"]);
    assert!(ran.values().all(|parameters| parameters["mood"] == "calm"), "{ran:?}");
    let wrong = children[1].error.clone().unwrap().message;
    assert!(wrong.contains("/text") && wrong.contains("/times"), "{wrong}");
    let progress = world.progress_of(&again.id).await;
    assert_eq!((progress.batch.left_out, progress.totals.succeeded, progress.totals.failed), (0, 4, 1));
    // Asked for once more, it is the same.
    assert_eq!(retry(&world, false).await.id, again.id);
    assert_eq!(world.plans_left().await, 0);
}

#[tokio::test]
async fn what_may_have_happened_is_left_out_and_counted() {
    let world = World::new();
    world.submit(json!({"tool": "pay", "items": items(300), "tolerate": "100%"})).await;
    world.plan_all().await;
    let bodies = world.take_lane().await;
    world.put_lane(bodies[..40].to_vec()).await;
    world.work(|index| index % 2 == 0).await;
    world.cancel().await;
    world.plan_all().await;
    assert!(world.progress().await.batch.is_finished());

    let again = retry(&world, false).await;
    world.plan_all().await;
    let progress = world.progress_of(&again.id).await;
    assert_eq!((progress.batch.planned, progress.batch.left_out), (260, 20));
    // Those never ran, so nobody had kept their parameters: they are as they were planned.
    let ran = world.work(|_| false).await;
    assert_eq!((ran.len(), &ran[&0]["text"], &ran[&259]["text"]), (260, &json!("40"), &json!("299")));
    assert_eq!(done_again(&world.children_of(&again.id).await), (40..300).collect::<Vec<_>>());

    let other = world.dispatcher().retry(&batch(), true).await.unwrap_err();
    assert!(matches!(other, RetryError::Otherwise { .. }), "{other}");
}

#[tokio::test]
async fn all_of_it_if_that_is_asked_for() {
    let world = World::new();
    world.submit(json!({"tool": "pay", "items": items(3)})).await;
    world.plan_all().await;
    world.work(|index| index == 1).await;
    let again = retry(&world, true).await;
    world.plan_all().await;
    assert_eq!(done_again(&world.children_of(&again.id).await), [1]);
    assert_eq!(world.progress_of(&again.id).await.batch.left_out, 0);
}

#[tokio::test]
async fn planners_that_die_change_nothing() {
    let mut world = World::new();
    world.submit(json!({"tool": "pay", "items": items(900), "tolerate": "100%"})).await;
    world.plan_all().await;
    let bodies = world.take_lane().await;
    world.put_lane(bodies[..500].to_vec()).await;
    world.work(|index| index % 100 == 99).await;
    world.cancel().await;
    world.plan_all().await;
    let again = retry(&world, false).await;
    for polls in 1..40 {
        world.plan_interrupted(polls).await;
        if polls % 10 == 0 {
            world.reopen();
        }
    }
    world.plan_all().await;
    world.work(|_| false).await;
    let progress = world.progress_of(&again.id).await;
    assert_eq!((progress.batch.status, progress.totals.succeeded), (JobStatus::Succeeded, 400));
    assert_eq!(progress.batch.left_out, 5);
    assert_eq!(done_again(&world.children_of(&again.id).await), (500..900).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_that_is_not_retried_says_why() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": items(2)})).await;
    let told = async |id: &JobId| world.dispatcher().retry(id, false).await.unwrap_err().to_string();
    assert_eq!(told(&batch()).await, "`batch-0001` is not retried: it is RUNNING, and has not ended");
    world.finish().await;
    assert_eq!(told(&batch()).await, "`batch-0001` is not retried: all its children have SUCCEEDED");
    assert_eq!(told(&job_id("nobodys-1")).await, "there is no job and no batch `nobodys-1`");
}
