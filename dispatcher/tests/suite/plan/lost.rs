//! What planning needs is gone when it goes on: the batch ends as failed and says why.

use std::fs;

use gantz_core::job::JobStatus;
use serde_json::json;

use crate::plan::world::World;

fn lines(number: u32) -> String {
    (0..number).map(|n| format!("{{\"text\": \"{n}\"}}\n")).collect()
}

async fn ends_failed(world: &World, reason: &str) {
    world.plan_all().await;
    world.work(|_| false).await;
    let end = world.progress().await.batch;
    assert!(end.is_finished() && end.open_shards.is_empty(), "{end:?}");
    assert_eq!(end.status, JobStatus::Failed);
    let error = end.planning_error.unwrap();
    assert!(error.contains(reason), "{error}");
}

#[tokio::test]
async fn the_source() {
    // Whatever the moment of the crash.
    for polls in 1.. {
        let mut world = World::new();
        let path = world.write("items.jsonl", lines(401));
        world.submit(json!({"tool": "echo", "jsonl": path, "tolerate": "100%"})).await;
        world.plan_interrupted(polls).await;
        if world.progress().await.batch.planning_done {
            assert!(polls > 5, "planning was interrupted {polls} times");
            return;
        }
        fs::remove_file(&path).unwrap();
        world.reopen();
        let batch = world.progress().await.batch;
        if batch.page.is_some() && batch.planned == 400 {
            // The last page was written: nothing of the source is needed any more.
            let (end, ran) = world.finish().await;
            assert_eq!((end.batch.status, ran.len()), (JobStatus::Succeeded, 401));
            continue;
        }
        ends_failed(&world, "cannot open").await;
    }
}

#[tokio::test]
async fn the_source_after_a_crash_in_mid_shard() {
    for opened in [1, 200] {
        let world = World::new();
        let path = world.write("items.jsonl", lines(201));
        world.submit(json!({"tool": "echo", "jsonl": path, "tolerate": "100%"})).await;
        world.open_shard(0, opened).await;
        fs::remove_file(&path).unwrap();
        ends_failed(&world, "cannot open").await;
        assert_eq!(world.progress().await.totals.failed, opened);
    }
}

#[tokio::test]
async fn the_blob() {
    let world = World::new();
    world.submit(json!({"tool": "echo", "items": [{"text": "a"}]})).await;
    fs::remove_dir_all(world.data().join("blobs")).unwrap();
    ends_failed(&world, "blob").await;
}

#[tokio::test]
async fn the_tool() {
    for opened in [None, Some(1), Some(200)] {
        let mut world = World::new();
        let path = world.write("items.jsonl", lines(201));
        world.submit(json!({"tool": "echo", "jsonl": path, "tolerate": "100%"})).await;
        if let Some(children) = opened {
            world.open_shard(0, children).await;
        }
        world.reopen_without_tools();
        ends_failed(&world, "the manifest no longer has the tool `echo`").await;
    }
}

#[tokio::test]
async fn a_part_of_the_source() {
    // The shard was opened for more children than the source still has.
    for (opened, left) in [(200, 150), (200, 1), (200, 0), (50, 49)] {
        let world = World::new();
        let path = world.write("items.jsonl", lines(opened));
        world.submit(json!({"tool": "echo", "jsonl": path})).await;
        world.open_shard(0, opened).await;
        fs::write(&path, lines(left)).unwrap();
        world.plan_all().await;
        let ran = world.work(|_| false).await;
        assert_eq!(ran.len(), left as usize);
        let end = world.progress().await;
        assert!(end.batch.is_finished() && end.batch.open_shards.is_empty(), "{end:?}");
        assert_eq!((end.batch.status, end.totals.failed), (JobStatus::Failed, opened - left));
    }
}
