//! What jobs cost in requests, counted on the wire.

use std::path::Path;
use std::process::{Child, Stdio};

use gantz_testkit::wire::Relay;
use serde_json::{Value, json};

use crate::fleet::{Fleet, fleet, number, success, text};
use crate::functions::request;
use crate::roles;
use crate::worker::terminate;

/// As `TransactWriteItems` and the like would do for a deferral what `UpdateItem` might, all of them count.
const WRITES: [&str; 5] = ["UpdateItem", "PutItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"];

fn sqs(relay: &Relay, action: &str) -> usize {
    relay.count(&format!("AmazonSQS.{action}\r"))
}

/// `gantz worker` on a lane, with the relay between it and AWS.
fn worker(fleet: &Fleet, relay: &Relay, stack: &str, lane: &str) -> Child {
    let mut worker = fleet.command(&["worker", "--stack", stack, "--lane", lane, "--concurrency", "32"]);
    worker.env("AWS_ENDPOINT_URL", &relay.endpoint).stdout(Stdio::null()).stderr(Stdio::null());
    worker.spawn().unwrap()
}

fn numbered(file: &Path, jobs: usize) {
    let lines: String = (0..jobs).map(|n| format!("{}\n", json!({"n": n}))).collect();
    std::fs::write(file, lines).unwrap();
}

/// How often something was written.
fn writes(relay: &Relay) -> usize {
    WRITES.iter().map(|action| relay.count(&format!("DynamoDB_20120810.{action}\r"))).sum()
}

/// Publishes jobs of a tool, runs them, and counts what was written and charged for it.
async fn written(
    fleet: &Fleet,
    stack: &Stack<'_>,
    publish: impl AsyncFn(&str),
    name: &str,
    end: (&str, u64),
) -> (u32, f64) {
    let before = (writes(stack.relay), stack.relay.charged_units());
    let ids: Vec<String> = (0..Stack::JOBS).map(|n| format!("{name}-{n:04}")).collect();
    for id in &ids {
        publish(id).await;
    }
    for id in &ids {
        let row = async || fleet.row_of(stack.output("TableName"), id).await.unwrap_or_default();
        let row = fleet.until(row, |row| row.contains_key("finished_at")).await;
        assert_eq!((text(&row, "status"), number(&row, "attempt")), end, "{row:?}");
    }
    // A job's last write is the one that was waited for; its answer may come a moment later than its effect.
    let since = async || {
        let written = u32::try_from(writes(stack.relay) - before.0).unwrap();
        (written, stack.relay.charged_units() - before.1)
    };
    fleet.until(since, |(written, charged)| *charged >= f64::from(*written)).await
}

/// A stack whose functions reach AWS through a relay.
struct Stack<'a> {
    relay: &'a Relay,
    outputs: Value,
}

impl Stack<'_> {
    const NAME: &'static str = "costs";
    /// Published each way.
    const JOBS: u32 = 10;

    fn output(&self, name: &str) -> &str {
        self.outputs[name].as_str().unwrap()
    }
}

async fn jobs_cost_three_writes_and_two_more_for_a_retry(fleet: &Fleet, stack: &Stack<'_>) {
    let each = |writes: u32| (writes * Stack::JOBS, f64::from(writes * Stack::JOBS));
    let job = |tool: &str, id: &str| json!({"tool": tool, "parameters": {}, "job_id": id});
    let by_event = async |tool: &str, id: &str| {
        fleet.publish_on(stack.output("EventBusName"), "Gantz Job", &job(tool, id)).await;
    };
    let by_api = async |id: &str| {
        let mut call = request("POST", "/jobs");
        call["headers"] = json!({"content-type": "application/json"});
        call["body"] = json!(job("echo", id).to_string());
        let answer = fleet.invoke_by_name(stack.output("DispatcherFunction"), &call).await;
        assert_eq!(answer["statusCode"], 202, "{answer}");
    };
    // To accept it, to claim it, and to finish it.
    let (succeeded, failed) = (("SUCCEEDED", 1), ("FAILED", 2));
    assert_eq!(written(fleet, stack, by_api, "by-api", succeeded).await, each(3));
    assert_eq!(
        written(fleet, stack, async |id: &str| by_event("echo", id).await, "by-event", succeeded).await,
        each(3)
    );
    // To release it, and to claim it again.
    assert_eq!(
        written(fleet, stack, async |id: &str| by_event("crash", id).await, "retried", failed).await,
        each(3 + 2)
    );
}

#[tokio::test]
async fn jobs_cost_three_writes_and_less_than_four_requests_of_sqs_for_ten() {
    let fleet = fleet();
    let relay = Relay::before(fleet.endpoint());
    // Its functions are given the endpoint that it was deployed through.
    let mut deploy = fleet.deployment(Stack::NAME, &[]);
    let deployed = success(&deploy.env("AWS_ENDPOINT_URL", &relay.endpoint).output().unwrap());
    roles::translate(fleet.endpoint(), Stack::NAME).await;
    let stack = Stack { relay: &relay, outputs: deployed["outputs"].clone() };
    jobs_cost_three_writes_and_two_more_for_a_retry(fleet, &stack).await;
    let figures = a_full_stream_takes_less_than_four_requests_of_sqs_for_ten_jobs(fleet, &stack).await;
    println!("{figures}");
}

async fn a_full_stream_takes_less_than_four_requests_of_sqs_for_ten_jobs(
    fleet: &Fleet,
    stack: &Stack<'_>,
) -> String {
    const JOBS: usize = 1_000;
    let relay = stack.relay;
    let count = |action: &str| sqs(relay, action);
    let (before, sent_before) = (relay.count("AmazonSQS."), count("SendMessageBatch"));

    let file = fleet.scratch("counted.jsonl");
    numbered(&file, JOBS);
    let words = ["batch", "counted", "--jsonl", file.to_str().unwrap(), "--id", "counted-0001", "--detach"];
    success(&fleet.gantz(&[&words[..], &["--stack", Stack::NAME, "--output", "json"]].concat()));
    let row =
        async || fleet.row_of(stack.output("TableName"), "batch#counted-0001").await.unwrap_or_default();
    fleet.until(row, |row| number(row, "planned") == JOBS as u64).await;
    let sends = count("SendMessageBatch") - sent_before;
    assert!((JOBS / 10..JOBS / 8).contains(&sends), "{sends} calls to send {JOBS} messages");

    let mut worker = worker(fleet, relay, Stack::NAME, "counted");
    let row = fleet.until(row, |row| row.contains_key("finished_at")).await;
    terminate(&worker);
    worker.wait().unwrap();
    assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");
    let requests = relay.count("AmazonSQS.") - before;
    let each = ["SendMessage", "ReceiveMessage", "DeleteMessageBatch", "DeleteMessage", "GetQueueAttributes"]
        .map(|action| format!("{action}: {}", count(action)));
    assert!(requests * 10 <= JOBS * 4, "{requests} requests for {JOBS} jobs; {sends} to send; {each:?}");
    format!("{requests} requests of SQS for {JOBS} jobs: {sends} to send, {each:?}")
}

#[tokio::test]
async fn a_deferral_writes_nothing() {
    const JOBS: usize = 5;
    let fleet = fleet();
    let relay = Relay::before(fleet.endpoint());
    let ids: Vec<String> = (0..JOBS).map(|n| format!("deferred-{n:04}")).collect();
    for id in &ids {
        fleet.invoke("DispatcherFunction", &json!({"tool": "limited", "job_id": id})).await;
    }
    let mut worker = worker(fleet, &relay, Fleet::STACK, "limited");
    for id in &ids {
        let row = fleet.ended(id).await;
        assert_eq!((text(&row, "status"), number(&row, "attempt")), ("SUCCEEDED", 1), "{row:?}");
    }
    terminate(&worker);
    worker.wait().unwrap();
    let deferrals = sqs(&relay, "ChangeMessageVisibility");
    assert!(deferrals >= JOBS - 1, "the rate lets one job start at once: {deferrals}");
    // To claim it and to finish it.
    assert_eq!(writes(&relay), 2 * JOBS, "with {deferrals} deferrals");
}
