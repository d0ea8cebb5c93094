//! The event source of a function: polls a queue, invokes the function with batches, deletes what was not reported.

use std::sync::Arc;
use std::time::Duration;

use gantz_core::ids::QueueName;
use gantz_core::ports::{JobQueue, Message, Receipt, Receive};
use gantz_dispatcher::lambda::{self as front, Lambda};
use gantz_workers::lambda::{Duty, Function, Invocation};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{FleetPlan, dead, dispatcher, lane, manifest, worker};
use crate::ports::visible;
use crate::process::Process;
use crate::world::World;

/// What the planner has: a step should have half a minute at least, by a clock that may be off.
const PLAN_TIMEOUT_MS: u64 = 60_000;
/// How long the service waits for messages before it asks again.
const POLL: Duration = Duration::from_secs(20);
/// A batch that is throttled is tried until its messages are visible again; here it is not tried again.
const THROTTLED_MS: u64 = 500;

/// The functions of a fleet, and how they are invoked.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Invocations of the worker at once.
    pub sandboxes: usize,
    /// Milliseconds that an invocation has.
    pub timeout_ms: u64,
    /// Messages in a batch.
    pub batch: usize,
    /// Batches of a thousand that are received, and never reach the function.
    pub throttled: u64,
    /// Invocations of a thousand whose process is ended early, by its memory say.
    pub killed: u64,
    /// Milliseconds after which the process of the very first invocation is ended.
    pub first_dies_after_ms: Option<u64>,
    /// Whether the lane is first in, first out.
    pub is_fifo: bool,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            sandboxes: 2,
            timeout_ms: 25_000,
            batch: 10,
            throttled: 0,
            killed: 0,
            first_dies_after_ms: None,
            is_fifo: false,
        }
    }
}

/// What a function is there for.
#[derive(Clone, Copy)]
enum Job {
    Work,
    Bury,
    Plan,
}

/// A function in its sandbox.
enum Program {
    Workers(Function),
    Front(Box<Lambda>),
}

pub(super) fn start(world: &Arc<World>, plan: &FleetPlan, mapping: &Mapping) {
    if mapping.is_fifo {
        world.with(|state| state.queues.make_fifo(&lane()));
    }
    let work = std::iter::repeat_n(Job::Work, mapping.sandboxes);
    let plans = plan.has_planner.then_some(Job::Plan);
    for (n, job) in work.chain([Job::Bury]).chain(plans).enumerate() {
        let (world, mapping, skew_ms) = (Arc::clone(world), mapping.clone(), plan.skew_ms(n));
        tokio::spawn(async move {
            for life in 0u32.. {
                let name = match job {
                    Job::Work => "function",
                    Job::Bury => "burial",
                    Job::Plan => "planner",
                };
                let process = Process::start(&world, format!("{name}-{n}.{life}"), skew_ms);
                let program = program(job, &process);
                serve(&process, &program, job, &mapping).await;
            }
        });
    }
}

fn program(job: Job, process: &Process) -> Program {
    let of_workers =
        |duty| Program::Workers(Function::new(duty, worker(process), manifest(), "gantz-".into()));
    match job {
        Job::Work => of_workers(Duty::Jobs),
        Job::Bury => of_workers(Duty::DeadLetters),
        Job::Plan => Program::Front(Box::new(Lambda::new(dispatcher(process), Arc::new(|_: &str| {})))),
    }
}

/// Invokes the function in this sandbox until it dies.
async fn serve(process: &Process, program: &Program, job: Job, mapping: &Mapping) {
    let (world, queue) = (process.world(), queue_of(job));
    let max = if matches!(job, Job::Plan) { 1 } else { mapping.batch };
    let timeout_ms = if matches!(job, Job::Plan) { PLAN_TIMEOUT_MS } else { mapping.timeout_ms };
    let ask = Receive { max, visibility_ms: 6 * timeout_ms, wait_ms: 0 };
    while process.is_alive() {
        if !visible(world, &queue, Instant::now() + POLL).await {
            continue;
        }
        let (messages, is_throttled, dies_after_ms) = world.with(|state| {
            let may_fail = !state.faults.are_over();
            let throttled = may_fail && state.random.below(1_000) < mapping.throttled;
            let killed = may_fail && state.random.below(1_000) < mapping.killed;
            let after_ms = killed.then(|| state.random.below(timeout_ms));
            state.invocations += 1;
            let first = mapping.first_dies_after_ms.filter(|_| state.invocations == 1);
            (state.receive(&queue, ask), throttled, first.or(after_ms))
        });
        if messages.is_empty() {
            continue;
        }
        world.with(|state| {
            state.note(process.name(), || {
                let bodies = messages.iter().map(|message| message.id.as_str()).collect::<Vec<_>>().join(" ");
                format!("is invoked with {bodies}, throttled {is_throttled}")
            });
        });
        if is_throttled {
            tokio::time::sleep(Duration::from_millis(THROTTLED_MS)).await;
            continue;
        }
        let arn = arn(&queue, mapping.is_fifo && matches!(job, Job::Work));
        let groups = world.with(|state| {
            let group = |message: &Message| state.queues.group(&queue, &message.receipt);
            messages.iter().map(group).collect::<Vec<_>>()
        });
        let records = messages.iter().zip(groups).map(|(message, group)| record(&arn, message, group));
        let event = json!({ "Records": records.collect::<Vec<_>>() });
        let invoked = invoke(process, program, event, timeout_ms, dies_after_ms);
        let Some(answer) = invoked.await else { continue };
        let gone: Vec<Receipt> = messages
            .iter()
            .filter(|message| !answer.contains(&format!("\"{}\"", message.id)))
            .map(|message| message.receipt.clone())
            .collect();
        delete(world, &queue, gone).await;
    }
}

/// One invocation. `None` if it came to nothing: the function failed, or its process was ended.
async fn invoke(
    process: &Process,
    program: &Program,
    event: Value,
    timeout_ms: u64,
    dies_after_ms: Option<u64>,
) -> Option<String> {
    let world = process.world();
    let deadline_ms = world.now_ms() + timeout_ms;
    let left_ms = dies_after_ms.unwrap_or(timeout_ms);
    let answer = async {
        match program {
            Program::Workers(function) => {
                let invocation = Invocation::new("sim", deadline_ms);
                let answer = function.handle(event, &invocation).await.ok()?;
                serde_json::to_string(&answer).ok()
            }
            Program::Front(function) => {
                let invocation = front::Invocation { request_id: "sim".into(), deadline_ms, trace: None };
                function.handle(&event, &invocation).await.ok().map(|answer| answer.to_string())
            }
        }
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        () = process.died() => None,
        () = tokio::time::sleep(Duration::from_millis(left_ms)) => {
            process.kill();
            None
        }
    }
}

/// The service deletes, too, in calls that may fail: it has a process of its own that does nothing else.
async fn delete(world: &Arc<World>, queue: &QueueName, receipts: Vec<Receipt>) {
    if receipts.is_empty() {
        return;
    }
    let service = Process::unlisted(world, "mapping");
    // What is not deleted comes back.
    tokio::select! {
        _answers = service.delete(queue, receipts) => {}
        () = service.died() => {}
    }
}

fn queue_of(job: Job) -> QueueName {
    match job {
        Job::Work => lane(),
        Job::Bury => dead(),
        Job::Plan => QueueName::Plan,
    }
}

fn arn(queue: &QueueName, is_fifo: bool) -> String {
    let fifo = if is_fifo { ".fifo" } else { "" };
    format!("arn:aws:sqs:eu-west-1:123456789012:gantz-{queue}{fifo}")
}

fn record(arn: &str, message: &Message, group: Option<String>) -> Value {
    let mut record = json!({
        "messageId": message.id,
        "receiptHandle": message.receipt.0,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receives.to_string(),
            "SentTimestamp": message.sent_at_ms.to_string(),
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
    });
    if let Some(group) = group {
        record["attributes"]["MessageGroupId"] = group.into();
    }
    record
}
