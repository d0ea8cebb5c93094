//! Real processes that die before and after each call that writes: the same command again, and all is as if nothing had
//! happened.
//!
//! The points are those of `gantz_core::ports::failpoints`, which this binary has because it is built for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use gantz_core::ids::{JobId, Lane, QueueName};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::policy::Effects;
use gantz_core::ports::failpoints::{CALLS, VARIABLE};
use gantz_core::ports::{Depth, JobQueue, NewMessage};
use gantz_embedded::View;
use gantz_testkit::fault_table::{Level, fault};

use crate::crash::{check_events, left_in_queues, open};
use crate::support::{Project, until};

/// Each run of a tool leaves its key in the file `started`. `flaky` fails once for each `n`, `refusing` always.
const MANIFEST: &str = r#"
name: failpoints
version: 1.0.0
defaults:
  retry: {max_attempts: 6, first: 1ms, max: 5ms}
tools:
  flaky:
    description: Fail for the moment, once
    handler: command
    command:
      program: sh
      args: ["-c", "echo $GANTZ_IDEMPOTENCY_KEY >> started; test -e seen-$1 && echo 7 && exit; touch seen-$1; exit 75", "flaky", "{n}"]
    parameters: {n: {type: integer, required: true}}
  slow:
    description: Take longer than a worker is silent, once
    handler: command
    command:
      program: sh
      args: ["-c", "echo $GANTZ_IDEMPOTENCY_KEY >> started; test -e seen-$1 && echo 7 && exit; touch seen-$1; sleep 20", "slow", "{n}"]
    parameters: {n: {type: integer, required: true}}
  once:
    description: Must not start twice
    handler: command
    effects: at_most_once
    command: {program: sh, args: ["-c", "echo $GANTZ_IDEMPOTENCY_KEY >> started; echo 7"]}
  refusing:
    description: Fail for good
    handler: command
    command: {program: sh, args: ["-c", "echo $GANTZ_IDEMPOTENCY_KEY >> started; exit 65"]}
    parameters: {n: {type: integer}}
"#;

/// Points that are tried at once.
const AT_ONCE: usize = 32;
const JOB: &str = "job-00001";
const BATCH: &str = "batch-0001";
/// Calls that nothing but the passing of time leads to.
const OF_A_LONG_JOB: [&str; 2] = ["heartbeat", "extend"];
const OF_A_JOB: [&str; 7] = ["accept", "send", "receive", "claim", "finish", "publish", "delete"];
const OF_A_RETRY: [&str; 2] = ["release", "postpone"];
const OF_A_BATCH: [&str; 6] = ["open_batch", "put_blob", "open_shard", "advance", "end_planning", "mark"];
const OF_OTHERS: [&str; 5] = ["keep", "give_up", "cancel", "cancel_batch", "quarantine"];

#[test]
fn no_point_is_left_out() {
    let mut named = [&OF_A_JOB[..], &OF_A_RETRY, &OF_A_LONG_JOB, &OF_A_BATCH, &OF_OTHERS].concat();
    named.sort_unstable();
    let mut calls = CALLS.to_vec();
    calls.sort_unstable();
    assert_eq!(named, calls);
}

#[tokio::test]
async fn a_job_that_is_retried() {
    let shown = [3, 19, 41].map(|row| fault(row, Level::Process));
    let points = points(&[&OF_A_JOB[..], &OF_A_RETRY].concat());
    at_each(&points, async |project, point| {
        let words = ["run", "flaky", "--n", "1", "--job-id", JOB];
        dies(&project, &point, &words).await;
        assert_eq!(project.gantz(&words).await.ok(), "7\n", "{point}");
        let row = ends(&project, &point, JOB).await.remove(0);
        assert_eq!(row.status, JobStatus::Succeeded, "{point}: {row:?}");
    })
    .await;
    let figure = format!("{} points of a job that is retried, killed at each", points.len());
    shown.into_iter().for_each(|shown| shown.in_runs(points.len() as u64, &figure));
}

/// A process that works on whatever is queued.
#[tokio::test]
async fn a_worker() {
    let shown = fault(19, Level::Process);
    let of_a_job = ["receive", "claim", "finish", "publish", "delete"];
    let points = points(&[&of_a_job[..], &OF_A_RETRY, &OF_A_LONG_JOB].concat());
    at_each(&points, async |project, point| {
        let is_long = OF_A_LONG_JOB.iter().any(|call| point.starts_with(call));
        let tool = if is_long { "slow" } else { "flaky" };
        project.gantz(&["submit", tool, "--n", "1", "--job-id", JOB]).await;
        dies(&project, &point, &["worker"]).await;
        let row = ends(&project, &point, JOB).await.remove(0);
        assert_eq!(row.status, JobStatus::Succeeded, "{point}: {row:?}");
    })
    .await;
    let figure = format!("{} points of a worker, killed at each", points.len());
    shown.in_runs(points.len() as u64, &figure);
}

/// A body that no program of ours sends is kept aside, whoever dies of it.
#[tokio::test]
async fn a_message_that_is_no_envelope() {
    let (lane, aside) = (QueueName::Lane(Lane::default_lane()), QueueName::Dead(Lane::default_lane()));
    at_each(&points(&["quarantine"]), async |project, point| {
        let folder = project.path("");
        let sent = open(&folder).send(&lane, vec![NewMessage::of("no envelope")]).await.expect("the queue");
        assert_eq!(sent, [Ok(())]);
        dies(&project, &point, &["worker"]).await;
        let worker = project.start(&["worker"]);
        until(&format!("the message is kept aside after {point}"), async || {
            let store = open(&folder);
            let (left, kept) =
                (store.depth(&lane).await.expect("left"), store.depth(&aside).await.expect("kept"));
            (left == Depth::default() && kept.visible + kept.in_flight + kept.delayed == 1).then_some(())
        })
        .await;
        worker.signal("TERM");
        worker.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_job_that_must_not_start_twice() {
    let shown = fault(31, Level::Process);
    let points = points(&OF_A_JOB);
    // Whether the tool had started is not known once its worker had the job and ended without a word.
    let doubtful = ["claim:after", "finish:before"];
    at_each(&points, async |project, point| {
        let words = ["run", "once", "--job-id", JOB];
        dies(&project, &point, &words).await;
        project.gantz(&words).await;
        let row = ends(&project, &point, JOB).await.remove(0);
        let is_doubtful = doubtful.contains(&&*point);
        let expected = if is_doubtful { JobStatus::InDoubt } else { JobStatus::Succeeded };
        assert_eq!(row.status, expected, "{point}: {row:?}");
    })
    .await;
    let [points, doubtful] = [points.len(), doubtful.len()];
    let figure = format!("{points} points of an at-most-once job, {doubtful} of them leave it in doubt");
    shown.in_runs(points as u64, &figure);
}

/// Whoever ends a job in doubt may die of it, too.
#[tokio::test]
async fn a_job_that_is_given_up() {
    for point in points(&["give_up"]) {
        let project = Project::with(MANIFEST);
        let words = ["run", "once", "--job-id", JOB];
        dies(&project, "claim:after", &words).await;
        dies(&project, &point, &words).await;
        project.gantz(&words).await;
        let row = ends(&project, &point, JOB).await.remove(0);
        assert_eq!(row.status, JobStatus::InDoubt, "{point}: {row:?}");
    }
}

#[tokio::test]
async fn a_batch() {
    let shown = fault(43, Level::Process);
    let points = points(&[&OF_A_JOB[..], &OF_A_RETRY, &OF_A_BATCH].concat());
    at_each(&points, async |project, point| {
        project.write("items.jsonl", "{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n");
        let words = ["batch", "flaky", "--jsonl", "items.jsonl", "--id", BATCH, "-o", "json"];
        dies(&project, &point, &words).await;
        let ran = project.gantz(&words).await;
        assert_eq!(ran.json()["by_status"]["SUCCEEDED"], 3, "{point}: {ran}");
        let rows = ends(&project, &point, BATCH).await;
        assert!(
            rows.len() == 3 && rows.iter().all(|row| row.status == JobStatus::Succeeded),
            "{point}: {rows:?}"
        );
    })
    .await;
    let figure = format!("{} points of a batch of three, killed at each", points.len());
    shown.in_runs(points.len() as u64, &figure);
}

#[tokio::test]
async fn parameters_that_are_kept() {
    for point in points(&["keep"]) {
        let project = Project::with(MANIFEST);
        project.gantz(&["submit", "refusing", "--n", "1", "--job-id", JOB]).await;
        project.gantz(&["cancel", JOB]).await;
        // Whoever finds it ended is the one who knows its parameters.
        dies(&project, &point, &["worker"]).await;
        let row = ends(&project, &point, JOB).await.remove(0);
        assert_eq!(row.status, JobStatus::Cancelled, "{point}: {row:?}");
        assert!(row.parameters.is_some(), "{point}: {row:?}");
    }
}

#[tokio::test]
async fn cancellations() {
    for point in points(&["cancel"]) {
        let project = Project::with(MANIFEST);
        project.gantz(&["submit", "once", "--job-id", JOB]).await;
        dies(&project, &point, &["cancel", JOB]).await;
        project.gantz(&["cancel", JOB]).await.failed(0);
        project.gantz(&["run", "once", "--job-id", JOB]).await;
        let row = ends(&project, &point, JOB).await.remove(0);
        assert_eq!(row.status, JobStatus::Cancelled, "{point}: {row:?}");
        assert_eq!(project.read("started"), None, "{point}");
    }
    for point in points(&["cancel_batch"]) {
        let project = Project::with(MANIFEST);
        project.write("items.jsonl", "{\"n\": 1}\n{\"n\": 2}\n");
        let words = ["batch", "flaky", "--jsonl", "items.jsonl", "--id", BATCH];
        project.gantz(&[&words[..], &["--detach"]].concat()).await.failed(0);
        dies(&project, &point, &["cancel", BATCH]).await;
        project.gantz(&["cancel", BATCH]).await.failed(0);
        project.gantz(&words).await;
        ends(&project, &point, BATCH).await;
        let status = project.status(BATCH).await.expect("the batch");
        assert_eq!(status["status"], "CANCELLED", "{point}: {status}");
    }
}

fn points(calls: &[&str]) -> Vec<String> {
    calls.iter().flat_map(|call| ["before", "after"].map(|moment| format!("{call}:{moment}"))).collect()
}

/// Does the same at each point, in a project of its own, a few at a time: most of it is waiting, as what is delivered twice
/// waits for its lease.
async fn at_each(points: &[String], act: impl AsyncFn(Project, String)) {
    let each = points.iter().map(|point| act(Project::with(MANIFEST), point.clone()));
    futures_util::stream::iter(each).buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// Runs the command to the point where it aborts.
async fn dies(project: &Project, point: &str, words: &[&str]) {
    let mut command = project.command(words);
    command.env(VARIABLE, point);
    let ran = project.run(command).await;
    assert!(ran.was_aborted(), "{point} was not reached: {ran}");
}

/// The job, or the batch's children, once it is sure that each has one end, told of once and with no message left, and that
/// no tool started more often than it may. Whatever messages the dead have left, a worker finds.
async fn ends(project: &Project, point: &str, id: &str) -> Vec<JobRecord> {
    let worker = project.start(&["worker"]);
    let folder = project.path("");
    until(&format!("no message is left after {point}"), async || {
        // A look is a process's joining: many at once would keep the workers from their work.
        tokio::time::sleep(Duration::from_millis(300)).await;
        (left_in_queues(&folder).await == 0).then_some(())
    })
    .await;
    worker.signal("TERM");
    worker.end().await;

    let view = View::open(&project.path(".gantz")).expect("the database").expect("the database");
    let id = JobId::try_new(id).expect("an id");
    let batch = view.batch(&id).await.expect("the database");
    let children = view.children(&id, 0..100).await.expect("the database");
    let single = view.job(&id).await.expect("the database");
    assert!(single.is_some() || batch.is_some(), "{point}: {id} is lost");
    check_events(&view, single.as_slice(), batch.as_ref()).await;

    let rows: Vec<JobRecord> = single.into_iter().chain(children).collect();
    let mut started = BTreeMap::new();
    for key in project.read("started").unwrap_or_default().lines() {
        *started.entry(key.to_owned()).or_insert(0) += 1;
    }
    for row in &rows {
        assert!(row.is_finished() && row.attempt <= row.max_attempts, "{point}: {row:?}");
        let starts = started.remove(row.id.as_str()).unwrap_or(0);
        let most = if row.effects == Effects::AtMostOnce { 1 } else { row.attempt };
        assert!(starts <= most, "{point}: started {starts} times: {row:?}");
    }
    assert!(started.is_empty(), "{point}: {started:?}");
    rows
}
