//! Scans: each new object is one job, whatever overlaps or is interrupted.

use std::collections::{BTreeMap, BTreeSet};

use gantz_core::admit::Rejection;
use gantz_core::admit_scan::admit_scan;
use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::ids::{Lane, QueueName};
use gantz_core::job::JobStatus;
use gantz_core::limits::LEASE_MS;
use gantz_core::ports::{JobFilter, Object, PortError, Receive, Watermark, Watermarks as _};
use gantz_dispatcher::SubmitError;
use gantz_dispatcher::plan::StepEnd;
use gantz_dispatcher::scan::Scan;
use gantz_testkit::builders::NOW_MS;
use serde_json::{Map, json};

use crate::plan::bucket::BUCKET;
use crate::plan::world::World;

const HOUR_MS: u64 = 60 * 60 * 1_000;
const LONG_MS: u64 = 600_000;

fn scan() -> Scan {
    Scan {
        name: "nightly".into(),
        tool: "fetch".into(),
        s3: format!("s3://{BUCKET}/in/"),
        parameters: Map::from_iter([("mood".to_owned(), json!("calm"))]),
        lane: None,
        tenant: None,
    }
}

fn stocked(number: u32) -> World {
    let world = World::on_aws();
    for n in 0..number {
        world.bucket().put(&format!("in/{n:05}"), "content", NOW_MS - 100 * HOUR_MS);
    }
    world.bucket().put("in/", "", NOW_MS);
    world.bucket().put("else/where", "content", NOW_MS);
    world
}

/// One run, now, to its end.
async fn run(world: &World) {
    world.dispatcher().start_scan(scan(), world.now_ms()).await.unwrap();
    let message = world.take_plan().await;
    assert_eq!(world.steps(&message, LONG_MS).await, 1);
}

async fn mark(world: &World) -> Watermark {
    world.marks().get("nightly").await.unwrap().unwrap()
}

/// The keys that messages were sent for since the last time, and how many for each.
async fn sent(world: &World) -> BTreeMap<String, usize> {
    let (lane, queue) = (QueueName::Lane(Lane::default_lane()), &world.ports().queue);
    let ask = Receive { max: 256, visibility_ms: LEASE_MS, wait_ms: 0 };
    let mut sent = BTreeMap::new();
    loop {
        let messages = queue.receive(&lane, ask).await.unwrap();
        if messages.is_empty() {
            return sent;
        }
        for message in &messages {
            *sent.entry(key_of(&message.body)).or_default() += 1;
        }
        queue.delete(&lane, messages.into_iter().map(|message| message.receipt).collect()).await.unwrap();
    }
}

fn key_of(body: &str) -> String {
    let Parameters::Inline(parameters) = Envelope::parse(body).unwrap().parameters else { panic!("{body}") };
    assert_eq!((&parameters["bucket"], &parameters["mood"]), (&json!(BUCKET), &json!("calm")));
    parameters["key"].as_str().unwrap().to_owned()
}

fn once(keys: impl IntoIterator<Item = impl Into<String>>) -> BTreeMap<String, usize> {
    keys.into_iter().map(|key| (key.into(), 1)).collect()
}

fn stock(number: u32) -> impl Iterator<Item = String> {
    (0..number).map(|n| format!("in/{n:05}"))
}

async fn jobs(world: &World) -> usize {
    world.ports().jobs.list(&JobFilter::default(), 1_000, None).await.unwrap().jobs.len()
}

#[tokio::test]
async fn the_first_run_takes_everything_and_each_later_one_what_is_new() {
    let world = stocked(501);
    run(&world).await;
    assert_eq!(sent(&world).await, once(stock(501)));
    assert_eq!(mark(&world).await, Watermark { until_ms: NOW_MS, cursor: None, running_until_ms: None });

    world.wait(HOUR_MS);
    world.bucket().put("in/new", "content", world.now_ms() - 1);
    // A listing shows what a multipart upload made with the time when it began.
    world.bucket().put("in/large", "content", NOW_MS - 23 * HOUR_MS);
    world.bucket().put("in/00007", "other content", world.now_ms() - 1);
    run(&world).await;
    assert_eq!(sent(&world).await, once(["in/new", "in/large", "in/00007"]));

    world.wait(HOUR_MS);
    run(&world).await;
    assert_eq!(sent(&world).await, BTreeMap::new(), "found again, and known by the jobs' ids");
    assert_eq!(jobs(&world).await, 504);
    assert_eq!(mark(&world).await.until_ms, NOW_MS + 2 * HOUR_MS);
}

#[tokio::test]
async fn jobs_that_still_wait_are_not_sent_again_by_a_later_run() {
    let world = stocked(0);
    for n in 0..250 {
        world.bucket().put(&format!("in/{n:05}"), "content", NOW_MS);
    }
    for _ in 0..5 {
        run(&world).await;
        world.wait(HOUR_MS);
    }
    assert_eq!(sent(&world).await, once(stock(250)));
}

#[tokio::test]
async fn a_job_that_was_recorded_by_a_run_that_died_before_it_was_sent_is_sent() {
    let world = stocked(3);
    world.dispatcher().start_scan(scan(), NOW_MS).await.unwrap();
    let object =
        Object { key: "in/00001".into(), size_bytes: 7, etag: "of content".into(), modified_at_ms: 1 };
    let (job, refused) = admit_scan(scan(), &world.dispatcher().manifest).unwrap().job(&object, NOW_MS + 5);
    assert_eq!(refused, None);
    let _created = world.ports().jobs.accept(vec![job.record]).await.unwrap();
    world.wait(30_000);
    let message = world.take_plan().await;
    assert_eq!(world.steps(&message, LONG_MS).await, 1);
    assert_eq!((sent(&world).await, jobs(&world).await), (once(stock(3)), 3));
}

#[tokio::test]
async fn none_is_lost_or_repeated_though_every_planner_is_interrupted_a_little_later() {
    let mut world = stocked(645);
    world.dispatcher().start_scan(scan(), NOW_MS).await.unwrap();
    let mut polls = 0;
    while world.plans_left().await > 0 {
        polls += 1;
        world.plan_interrupted(polls).await;
        if polls % 5 == 0 {
            world.reopen();
        }
    }
    assert!(polls > 5, "the scan was never interrupted");
    let keys: BTreeSet<String> = sent(&world).await.into_keys().collect();
    assert_eq!(keys, stock(645).collect());
    assert_eq!(jobs(&world).await, 645);
    assert_eq!(mark(&world).await, Watermark { until_ms: NOW_MS, ..Watermark::default() });
}

#[tokio::test]
async fn a_scan_goes_on_over_many_steps_from_where_it_stopped() {
    let world = stocked(1_301);
    world.dispatcher().start_scan(scan(), NOW_MS).await.unwrap();
    let message = world.take_plan().await;
    assert_eq!(world.try_step(&message, 5_000).await.unwrap(), StepEnd::More);
    assert_eq!(world.bucket().pages(), 0, "nothing is begun when time is short");
    world.let_time_pass();
    let steps = world.steps(&message, 5_010).await;
    let pages = world.bucket().pages();
    assert!(steps > 1 && pages <= 11 + steps, "{steps} steps, {pages} pages");
    assert_eq!(sent(&world).await, once(stock(1_301)));
}

#[tokio::test]
async fn steps_side_by_side_do_it_once() {
    let world = stocked(645);
    world.dispatcher().start_scan(scan(), NOW_MS).await.unwrap();
    world.wait(1);
    world.dispatcher().start_scan(scan(), NOW_MS + 1).await.unwrap();
    let (a, b) = (world.take_plan().await, world.take_plan().await);
    let (a, b) = tokio::join!(world.try_step(&a, LONG_MS), world.try_step(&b, LONG_MS));
    assert_eq!((a.unwrap(), b.unwrap()), (StepEnd::Done, StepEnd::Done));
    assert_eq!(jobs(&world).await, 645);
    assert_eq!(sent(&world).await.into_keys().collect::<BTreeSet<_>>(), stock(645).collect());
    assert_eq!(mark(&world).await, Watermark { until_ms: NOW_MS + 1, ..Watermark::default() });
}

#[tokio::test]
async fn a_run_that_was_never_finished_is_finished_by_the_next_one_which_then_begins_anew() {
    let world = stocked(645);
    let dead = Watermark { until_ms: 0, cursor: Some("in/00400".into()), running_until_ms: Some(NOW_MS) };
    assert!(world.marks().save("nightly", None, &dead).await.unwrap());
    world.wait(HOUR_MS);
    // It arrived behind the cursor of the one that died.
    world.bucket().put("in/00100 late", "content", NOW_MS + 1);
    run(&world).await;
    let expected = stock(645).skip(401).chain(["in/00100 late".to_owned()]);
    assert_eq!(sent(&world).await, once(expected));
    assert_eq!(mark(&world).await.until_ms, NOW_MS + HOUR_MS);
    // The late message of the one that died finds nothing to do.
    let pages = world.bucket().pages();
    world.dispatcher().start_scan(scan(), NOW_MS).await.unwrap();
    let message = world.take_plan().await;
    assert_eq!((world.steps(&message, LONG_MS).await, world.bucket().pages()), (1, pages));
}

#[tokio::test]
async fn an_object_that_does_not_fit_is_a_job_that_failed() {
    let world = stocked(2);
    world.bucket().put(&format!("in/{}", "long".repeat(20)), "content", NOW_MS);
    run(&world).await;
    world.wait(HOUR_MS);
    run(&world).await;
    assert_eq!(sent(&world).await, once(stock(2)));
    let filter = JobFilter { status: Some(JobStatus::Failed), ..JobFilter::default() };
    let failed = world.ports().jobs.list(&filter, 10, None).await.unwrap().jobs;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].error.as_ref().unwrap().message.contains("/key"), "{:?}", failed[0].error);
}

#[tokio::test]
async fn a_listing_that_fails_is_repeated_or_left_to_the_next_run() {
    let world = stocked(200);
    world.dispatcher().start_scan(scan(), NOW_MS).await.unwrap();
    let message = world.take_plan().await;
    world.bucket().fail([PortError::Transient("it broke off".into())]);
    assert!(matches!(
        world.try_step(&message, LONG_MS).await,
        Err(SubmitError::Port(PortError::Transient(_)))
    ));
    world.bucket().fail([PortError::Permanent("AccessDenied".into())]);
    assert_eq!(world.steps(&message, LONG_MS).await, 1);
    assert_eq!(world.marks().get("nightly").await.unwrap(), None);
    run(&world).await;
    assert_eq!(sent(&world).await, once(stock(200)));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_when_it_is_started() {
    let world = stocked(1);
    let wrong = Scan { tool: "echo".into(), ..scan() };
    assert!(matches!(world.dispatcher().start_scan(wrong, NOW_MS).await, Err(SubmitError::Rejected(_))));
    let here = World::new();
    match here.dispatcher().start_scan(scan(), NOW_MS).await {
        Err(SubmitError::Rejected(Rejection::Field { pointer: "/s3", message })) => {
            assert!(message.contains("no S3"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((world.plans_left().await, here.plans_left().await), (0, 0));
}
