//! Batches of a schedule that take only new objects: each is taken once, whatever overlaps or is interrupted.

use std::collections::{BTreeMap, BTreeSet};

use gantz_core::admit::{Origin, Rejection};
use gantz_core::admit_batch::BatchSpec;
use gantz_core::batch::BatchRecord;
use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::ids::{Lane, QueueName};
use gantz_core::limits::LEASE_MS;
use gantz_core::ports::{JobFilter, NewObjects as _, PortError, Receive};
use gantz_dispatcher::SubmitError;
use gantz_dispatcher::plan::StepEnd;
use gantz_testkit::builders::NOW_MS;
use serde_json::json;

use crate::plan::bucket::BUCKET;
use crate::plan::world::World;

const HOUR_MS: u64 = 60 * 60 * 1_000;
const LONG_MS: u64 = 600_000;
const SCHEDULE: &str = "nightly";
const ORIGIN: Origin = Origin { source: "schedule", occurrence: None };

fn spec(due_ms: u64) -> BatchSpec {
    let spec = json!({
        "tool": "fetch", "parameters": {"mood": "calm"}, "s3": {"bucket": BUCKET, "prefix": "in/"},
        "batch_id": format!("run-at-{due_ms}"),
    });
    serde_json::from_value(spec).unwrap()
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

async fn start(world: &World, due_ms: u64) -> BatchRecord {
    let submitted = world.dispatcher().submit_new_objects(spec(due_ms), &ORIGIN, SCHEDULE, due_ms).await;
    submitted.unwrap().record
}

/// One run, now, to its end. Gives its batch as it is then.
async fn run(world: &World) -> BatchRecord {
    let batch = start(world, world.now_ms()).await;
    let message = world.take_plan().await;
    assert_eq!(world.steps(&message, LONG_MS).await, 1);
    row(world, &batch).await
}

async fn row(world: &World, batch: &BatchRecord) -> BatchRecord {
    world.ports().batches.progress(&batch.id).await.unwrap().unwrap().batch
}

async fn looked_at_until_ms(world: &World) -> u64 {
    world.marks().looked_at_until_ms(SCHEDULE).await.unwrap()
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
    assert_eq!(run(&world).await.planned, 501);
    assert_eq!(sent(&world).await, once(stock(501)));
    assert_eq!(looked_at_until_ms(&world).await, NOW_MS);

    world.wait(HOUR_MS);
    world.bucket().put("in/new", "content", world.now_ms() - 1);
    // A listing shows what a multipart upload made with the time when it began.
    world.bucket().put("in/large", "content", NOW_MS - 23 * HOUR_MS);
    world.bucket().put("in/00007", "other content", world.now_ms() - 1);
    assert_eq!(run(&world).await.planned, 3);
    assert_eq!(sent(&world).await, once(["in/new", "in/large", "in/00007"]));

    world.wait(HOUR_MS);
    let empty = run(&world).await;
    assert!(empty.is_finished() && empty.planned == 0, "{empty:?}");
    assert_eq!(sent(&world).await, BTreeMap::new(), "found again, and known by their marks");
    assert_eq!((jobs(&world).await, looked_at_until_ms(&world).await), (504, NOW_MS + 2 * HOUR_MS));
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
async fn none_is_lost_or_repeated_though_every_planner_is_interrupted_a_little_later() {
    let mut world = stocked(645);
    start(&world, NOW_MS).await;
    let mut polls = 0;
    while world.plans_left().await > 0 {
        polls += 1;
        world.plan_interrupted(polls).await;
        if polls % 5 == 0 {
            world.reopen();
        }
    }
    assert!(polls > 5, "it was never interrupted");
    let keys: BTreeSet<String> = sent(&world).await.into_keys().collect();
    assert_eq!(keys, stock(645).collect());
    assert_eq!((jobs(&world).await, looked_at_until_ms(&world).await), (645, NOW_MS));
}

#[tokio::test]
async fn a_run_goes_on_over_many_steps_from_where_it_stopped() {
    let world = stocked(1_301);
    start(&world, NOW_MS).await;
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
async fn a_run_that_is_told_twice_is_one_and_runs_side_by_side_share() {
    let world = stocked(645);
    let first = start(&world, NOW_MS).await;
    assert_eq!(start(&world, NOW_MS).await.id, first.id);
    world.wait(1);
    let second = start(&world, NOW_MS + 1).await;
    let messages = [world.take_plan().await, world.take_plan().await, world.take_plan().await];
    let steps = futures_util::future::join_all(messages.iter().map(|message| world.steps(message, LONG_MS)));
    steps.await;
    let (first, second) = (row(&world, &first).await, row(&world, &second).await);
    assert_eq!(first.planned + second.planned, 645, "{first:?} {second:?}");
    assert_eq!((jobs(&world).await, looked_at_until_ms(&world).await), (645, NOW_MS + 1));
    assert_eq!(sent(&world).await.into_keys().collect::<BTreeSet<_>>(), stock(645).collect());
}

#[tokio::test]
async fn what_a_run_did_not_get_to_is_left_to_the_next() {
    let world = stocked(645);
    let cut_short = start(&world, NOW_MS).await;
    let message = world.take_plan().await;
    world.let_time_pass();
    assert_eq!(world.try_step(&message, 5_010).await.unwrap(), StepEnd::More);
    let planned = row(&world, &cut_short).await.planned;
    world.bucket().fail([PortError::Permanent("AccessDenied".into())]);
    world.steps(&message, LONG_MS).await;
    assert_eq!((row(&world, &cut_short).await.planned, looked_at_until_ms(&world).await), (planned, 0));
    // The message comes once more: its run has not looked at everything all the same.
    world.steps(&message, LONG_MS).await;
    assert_eq!(looked_at_until_ms(&world).await, 0);
    assert!((1..645).contains(&planned), "{planned}");
    assert_eq!(run(&world).await.planned, 645 - planned);
    assert_eq!(sent(&world).await, once(stock(645)));
}

#[tokio::test]
async fn a_listing_that_fails_is_repeated() {
    let world = stocked(200);
    start(&world, NOW_MS).await;
    let message = world.take_plan().await;
    world.bucket().fail([PortError::Transient("it broke off".into())]);
    assert!(matches!(
        world.try_step(&message, LONG_MS).await,
        Err(SubmitError::Port(PortError::Transient(_)))
    ));
    assert_eq!(world.steps(&message, LONG_MS).await, 1);
    assert_eq!(sent(&world).await, once(stock(200)));
}

#[tokio::test]
async fn what_cannot_be_run_is_refused_when_it_is_started() {
    let world = stocked(1);
    let submit = async |world: &World, spec: BatchSpec| match world
        .dispatcher()
        .submit_new_objects(spec, &ORIGIN, SCHEDULE, NOW_MS)
        .await
    {
        Err(SubmitError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    };
    submit(&world, BatchSpec { tool: "echo".into(), ..spec(NOW_MS) }).await;
    let elsewhere = BatchSpec { s3: None, items: Some(vec![json!({})]), ..spec(NOW_MS) };
    assert!(submit(&world, elsewhere).await.to_string().contains("only objects can be new"));
    let here = World::new();
    match submit(&here, spec(NOW_MS)).await {
        Rejection::Field { pointer: "/s3", message } => assert!(message.contains("no S3"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!((world.plans_left().await, here.plans_left().await), (0, 0));
}
