//! The test kit does what its users rely on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gantz_core::host::Clock;
use gantz_core::manifest::Manifest;
use gantz_core::policy::Effects;
use gantz_testkit::builders::{MANIFEST, NOW_MS, shards_of};
use gantz_testkit::env::Env;
use gantz_testkit::suite::{Case, Suite};

type Ran = Arc<AtomicU32>;

fn env() -> Env {
    Env::sleeping(Clock::new(|| NOW_MS), 10)
}

async fn passes(case: Case<Ran>) {
    case.port.fetch_add(1, Ordering::Relaxed);
}

async fn fails(case: Case<Ran>) {
    case.port.fetch_add(1, Ordering::Relaxed);
    assert_eq!(case.name("this"), "that");
}

#[tokio::test]
async fn a_suite_runs_every_case_and_names_those_that_failed() {
    let ran = Ran::default();
    let mut suite = Suite::new("anything", Arc::clone(&ran), env());
    suite.case(fails).await;
    suite.case(passes).await;
    let failure = tokio::spawn(async move { suite.finish() }).await.unwrap_err().into_panic();
    let report = failure.downcast_ref::<String>().unwrap();
    assert!(report.starts_with("1 of 2 cases failed for anything\n  fails: assertion"), "{report}");
    assert_eq!(ran.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn cases_share_no_names() {
    async fn names(case: Case<std::sync::mpsc::Sender<String>>) {
        case.port.send(case.id("job").to_string()).unwrap();
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    for _ in 0..2 {
        let mut suite = Suite::new("anything", sender.clone(), env());
        suite.case(names).await;
        suite.case(names).await;
        suite.finish();
    }
    drop(sender);
    let names: std::collections::BTreeSet<_> = receiver.iter().collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_runner_jumps_over_waits() {
    let start = tokio::time::Instant::now();
    let env = Env::sleeping(Clock::new(move || NOW_MS + start.elapsed().as_millis() as u64), 1_000);
    env.advance(env.ticks(3_600)).await;
    assert_eq!(env.now_ms(), NOW_MS + 3_600_000);
}

#[test]
fn the_manifest_is_one() {
    let manifest = Manifest::parse("testkit", MANIFEST).unwrap_or_else(|error| panic!("{error}"));
    for (tool, effects) in
        [("echo", Effects::ReadOnly), ("charge", Effects::Keyed), ("launch", Effects::AtMostOnce)]
    {
        assert_eq!(manifest.tool(tool).unwrap().policy.effects, effects);
    }
}

#[test]
fn shards_cover_the_children() {
    for (children, expected) in [(0, vec![]), (1, vec![1]), (200, vec![200]), (401, vec![200, 200, 1])] {
        assert_eq!(shards_of(children).map(|shard| shard.children).collect::<Vec<_>>(), expected);
    }
}
