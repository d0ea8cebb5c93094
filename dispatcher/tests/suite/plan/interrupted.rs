//! Planning is dropped at any point and repeated by a new planner.

use std::fmt::Write as _;
use std::fs;

use gantz_core::job::JobStatus;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::json;

use crate::plan::bucket::BUCKET;
use crate::plan::world::World;

/// One planner's life: how often it is polled before it is dropped, and what happens before the next one.
#[derive(Debug, Clone)]
struct Life {
    polls: usize,
    reopened: bool,
    worked: bool,
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let life = (1usize..40, any::<bool>(), any::<bool>()).prop_map(|(polls, reopened, worked)| Life {
        polls,
        reopened,
        worked,
    });
    prop::collection::vec(life, 1..7)
}

/// Every seventh item is wrong, and of the others every fifth fails.
fn is_wrong(index: u32) -> bool {
    index % 7 == 3
}

fn fails(index: u32) -> bool {
    index.is_multiple_of(5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_child_is_lost_or_planned_twice(items in 0u32..620, source in 0..3, lives in lives()) {
        run(async move {
            let mut world = World::on_aws();
            let all: Vec<_> =
                (0..items).map(|n| if is_wrong(n) { json!({"text": n}) } else { json!({"text": n.to_string()}) }).collect();
            if source == 0 {
                world.submit(json!({"tool": "echo", "items": all})).await;
            } else {
                let mut text = String::new();
                for item in all {
                    writeln!(text, "{item}\n").unwrap();
                }
                let place = if source == 1 {
                    world.write("items.jsonl", text)
                } else {
                    world.bucket().put("items.jsonl", &text, 1);
                    format!("s3://{BUCKET}/items.jsonl")
                };
                world.submit(json!({"tool": "echo", "jsonl": place})).await;
            }
            let ran = live(&mut world, lives).await;
            let expected: Vec<_> = (0..items).filter(|n| !is_wrong(*n)).map(|n| (n, json!(n.to_string()))).collect();
            prop_assert_eq!(ran, expected);
            settled(&world, items, |n| is_wrong(n) || fails(n)).await
        })?;
    }

    #[test]
    fn no_file_is_lost_or_planned_twice(files in 0u32..420, lives in lives()) {
        run(async move {
            let mut world = World::new();
            let mut paths: Vec<_> =
                (0..files).map(|n| world.write(&format!("{}/{}/file {n}", n % 3, n % 7), "content")).collect();
            paths.sort_by_key(|path| path.split('/').map(str::to_owned).collect::<Vec<_>>());
            world.submit(json!({"tool": "read", "files": world.source()})).await;
            let ran = live(&mut world, lives).await;
            let expected: Vec<_> = (0..files).zip(paths.into_iter().map(|path| json!(path))).collect();
            prop_assert_eq!(ran, expected);
            settled(&world, files, fails).await
        })?;
    }
}

/// Lets planners live and die, then one plan to the end, with a worker at times. Returns what ran: the first parameter
/// of each child.
async fn live(world: &mut World, lives: Vec<Life>) -> Vec<(u32, serde_json::Value)> {
    let mut ran = std::collections::BTreeMap::new();
    for life in lives {
        world.plan_interrupted(life.polls).await;
        if life.worked {
            for (index, parameters) in world.work(fails).await {
                assert!(ran.insert(index, parameters).is_none(), "child {index} ran twice");
            }
        }
        if life.reopened {
            world.reopen();
        }
    }
    world.plan_all().await;
    for (index, parameters) in world.work(fails).await {
        assert!(ran.insert(index, parameters).is_none(), "child {index} ran twice");
    }
    let first = |parameters: serde_json::Value| {
        let text = parameters.get("text").or(parameters.get("path"));
        text.cloned().unwrap()
    };
    ran.into_iter().map(|(index, parameters)| (index, first(parameters))).collect()
}

async fn settled(world: &World, children: u32, failed: impl Fn(u32) -> bool) -> TestCaseResult {
    let rows = world.assert_children(children).await;
    for (index, row) in (0..).zip(&rows) {
        let expected = if failed(index) { JobStatus::Failed } else { JobStatus::Succeeded };
        prop_assert_eq!(row.status, expected, "child {}", index);
    }
    let batch = world.progress().await.batch;
    let any_failed = (0..children).any(failed);
    prop_assert_eq!(batch.status, if any_failed { JobStatus::Failed } else { JobStatus::Succeeded });
    prop_assert!(batch.open_shards.is_empty() && batch.is_finished());
    prop_assert_eq!((batch.planned, batch.planning_error), (children, None));
    world.assert_counted().await;
    Ok(())
}

fn run(test: impl Future<Output = TestCaseResult>) -> TestCaseResult {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// One planner after another, each with one poll more than the one before, until one comes to the end.
#[tokio::test]
async fn a_batch_is_planned_though_every_planner_is_interrupted_a_little_later() {
    let mut world = World::new();
    let items: Vec<_> = (0..401).map(|n| json!({"text": n.to_string()})).collect();
    world.submit(json!({"tool": "echo", "items": items})).await;
    let mut polls = 0;
    while world.plans_left().await > 0 {
        polls += 1;
        world.plan_interrupted(polls).await;
        if polls % 5 == 0 {
            world.reopen();
        }
        let progress = world.progress().await.batch;
        assert!(world.children().await.len() >= progress.planned as usize, "noted only once it is recorded");
    }
    assert!(polls > 5, "planning was never interrupted");
    world.finish().await;
    world.assert_children(401).await;
    world.assert_counted().await;
}

/// What was listed once is planned so, also by a planner that finds other files there.
#[tokio::test]
async fn files_that_come_and_go_change_nothing_that_was_planned() {
    let mut world = World::new();
    for n in 0..450 {
        world.write(&format!("m{n:03}"), "content");
    }
    world.submit(json!({"tool": "read", "files": world.source()})).await;
    let mut polls = 0;
    while world.plans_left().await > 0 {
        polls += 1;
        world.plan_interrupted(polls).await;
        // One that would move all others by a place, and one less at the end.
        world.write(&format!("a{polls:03}"), "content");
        fs::remove_file(world.source().join(format!("m{:03}", 450 - polls))).unwrap();
        world.reopen();
    }
    assert!(polls > 5, "planning was never interrupted");
    let (end, ran) = world.finish().await;
    let children = world.assert_children(end.batch.planned).await;
    assert_eq!(ran.len(), children.len());
    let mut paths = std::collections::BTreeSet::new();
    for (index, parameters) in ran {
        assert_eq!(parameters["path"].as_str(), children[index as usize].label.as_deref());
        assert!(paths.insert(parameters["path"].to_string()), "{parameters} was planned twice");
    }
    world.assert_counted().await;
}
