//! The functions' own programs are killed before and after each call that writes; Lambda, its event sources and the callers
//! come again, and all is as if nothing had happened.

use futures_util::StreamExt;
use gantz_core::ports::failpoints::CALLS;
use gantz_testkit::fault_table::{Level, fault};
use serde_json::{Value, json};

use crate::fleet::{Fleet, fleet, number, text};
use crate::instance::Function::{self, DeadLetter, Dispatcher, Worker};
use crate::outcomes::Outcomes;
use crate::site::{Death, Site};

/// Each run of a tool leaves its key in the file `started`. `flaky` fails once for each `n`.
const MANIFEST: &str = r#"
name: killed
version: 1.0.0
defaults:
  timeout: 1s
  retry: {max_attempts: 6, first: 1ms, max: 5ms}
tools:
  flaky:
    description: Fail for the moment, once
    handler: command
    command:
      program: sh
      args: ["-c", "echo $GANTZ_IDEMPOTENCY_KEY >> started; test -e seen-$1 && echo 7 && exit; touch seen-$1; exit 75", "flaky", "{n}"]
    parameters: {n: {type: integer, required: true}}
  once:
    description: Must not start twice
    handler: command
    effects: at_most_once
    command: {program: sh, args: ["-c", "echo $GANTZ_IDEMPOTENCY_KEY >> started; echo 7"]}
"#;

/// Points that are tried at once.
const AT_ONCE: usize = 12;
const CHILDREN: u64 = 3;
/// Calls that no function makes: Lambda receives and deletes, and an invocation's lease lasts as long as the invocation.
const OF_NO_FUNCTION: [&str; 4] = ["receive", "delete", "heartbeat", "extend"];

/// What happens at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// A batch, whose children fail once each.
    Batch,
    /// A batch that is cancelled before it is planned.
    CancelledBatch,
    /// A job that is cancelled before it runs.
    Cancelled,
    /// An event that asks for a tool that is not there.
    Refused,
    /// An at-most-once job whose worker dies before the tool starts: the next one finds that out.
    InDoubt,
    /// The same, when the queue has given up on its message.
    DeadInDoubt,
    /// A message that the queue has given up on, although its job has never run.
    PutBack,
    /// A body that no program of ours sends.
    Unreadable,
}

/// The points of each story.
const POINTS: [(Story, Function, &[&str]); 11] = [
    (
        Story::Batch,
        Dispatcher,
        &["put_blob", "open_batch", "send", "open_shard", "accept", "advance", "end_planning"],
    ),
    (Story::Batch, Worker, &["claim", "release", "postpone", "finish", "mark", "publish"]),
    (Story::CancelledBatch, Dispatcher, &["cancel_batch"]),
    (Story::Cancelled, Dispatcher, &["accept", "send", "cancel"]),
    (Story::Cancelled, Worker, &["keep", "publish"]),
    (Story::Refused, Dispatcher, &["accept", "publish"]),
    (Story::InDoubt, Worker, &["give_up", "publish"]),
    (Story::DeadInDoubt, DeadLetter, &["give_up", "publish"]),
    (Story::PutBack, DeadLetter, &["send"]),
    (Story::Unreadable, Worker, &["quarantine"]),
    (Story::Unreadable, DeadLetter, &["quarantine"]),
];

#[test]
fn no_point_of_a_function_is_left_out() {
    let mut named: Vec<&str> = POINTS.iter().flat_map(|(.., calls)| calls.iter().copied()).collect();
    named.extend(OF_NO_FUNCTION);
    named.sort_unstable();
    named.dedup();
    let mut calls = CALLS.to_vec();
    calls.sort_unstable();
    assert_eq!(named, calls);
}

#[tokio::test]
async fn functions_that_die_around_a_write_have_successors() {
    let fleet = fleet();
    let shown = [19, 41].map(|row| fault(row, Level::Process));
    let jobs = Outcomes::of(fleet, "killed-").await;
    let batches = Outcomes::of_batches(fleet, "killed-").await;
    let points: Vec<(Story, Death)> = POINTS
        .iter()
        .flat_map(|(story, function, calls)| calls.iter().map(|call| (*story, *function, *call)))
        .flat_map(|(story, function, call)| {
            ["before", "after"].map(|moment| (story, (function, format!("{call}:{moment}"))))
        })
        .collect();
    let each = points.iter().enumerate().map(async |(n, (story, death))| {
        let id = format!("killed-{n:04}");
        story.told(fleet, &id, death).await;
        (*story != Story::Unreadable).then_some((story.is_batch(), id))
    });
    let ids: Vec<_> = futures_util::stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    let ids: Vec<(bool, String)> = ids.into_iter().flatten().collect();
    for (are_batches, outcomes) in [(false, jobs), (true, batches)] {
        let ids: Vec<&str> = ids.iter().filter(|(is, _)| *is == are_batches).map(|(_, id)| &**id).collect();
        outcomes.told(fleet, &ids).await;
    }
    let figure = format!("{} points of the three functions' programs, killed at each", points.len());
    shown.into_iter().for_each(|shown| shown.in_runs(points.len() as u64, &figure));
}

impl Story {
    fn is_batch(self) -> bool {
        matches!(self, Self::Batch | Self::CancelledBatch)
    }

    /// Lets it happen, with a death in it, and looks at what has become of it.
    async fn told(self, fleet: &Fleet, id: &str, death: &Death) {
        let mut deaths = vec![death.clone()];
        if matches!(self, Self::InDoubt | Self::DeadInDoubt) {
            deaths.insert(0, (Worker, "claim:after".to_owned()));
        }
        let receives = if self == Self::DeadInDoubt { 1 } else { 1_000 };
        let mut site = Site::new(fleet, id, MANIFEST, receives, &deaths).await;
        self.begins(&mut site, id).await;
        let parked = site.settled().await;

        assert!(site.deaths().is_empty(), "{self:?}: {:?} is not reached: {}", site.deaths(), site.log());
        assert_eq!(parked, u64::from(self == Self::Unreadable), "{self:?}, {death:?}");
        let rows = match self {
            Self::Unreadable => return,
            Self::Batch => (0..CHILDREN).map(|n| format!("{id}.{n:07}")).collect(),
            Self::CancelledBatch => vec![],
            _ => vec![id.to_owned()],
        };
        let status = match self {
            Self::Batch | Self::PutBack | Self::Unreadable => "SUCCEEDED",
            Self::CancelledBatch | Self::Cancelled => "CANCELLED",
            Self::Refused => "FAILED",
            Self::InDoubt | Self::DeadInDoubt => "IN_DOUBT",
        };
        let mut started = site.started();
        for id in &rows {
            let row = fleet.row(id).await;
            let row = row.unwrap_or_else(|| panic!("{self:?}, {death:?}: {id} is lost: {}", site.log()));
            assert_eq!(text(&row, "status"), status, "{self:?}, {death:?}: {row:?}");
            let starts = started.extract_if(.., |key| key == id).count() as u64;
            assert!(starts <= number(&row, "attempt"), "{self:?}, {death:?}: {starts} starts of {row:?}");
        }
        assert!(started.is_empty(), "{self:?}, {death:?}: {started:?}");
        if self.is_batch() {
            let shown = fleet.gantz(&["status", id, "--stack", Fleet::STACK, "--output", "json"]);
            let batch: Value = serde_json::from_slice(&shown.stdout).unwrap();
            assert_eq!(batch["status"], status, "{death:?}: {batch}");
        }
    }

    async fn begins(self, site: &mut Site<'_>, id: &str) {
        let items: Vec<Value> = (0..CHILDREN).map(|n| json!({ "n": n })).collect();
        let batch = json!({"tool": "flaky", "items": items, "batch_id": id});
        let flaky = json!({"tool": "flaky", "parameters": {"n": 1}, "job_id": id});
        let once = json!({"tool": "once", "parameters": {}, "job_id": id});
        let nothing = json!({});
        match self {
            Self::Batch => drop(site.ask("/batches", &batch).await),
            Self::CancelledBatch => {
                site.ask("/batches", &batch).await;
                site.ask(&format!("/jobs/{id}/cancel"), &nothing).await;
            }
            Self::Cancelled => {
                site.ask("/jobs", &flaky).await;
                site.ask(&format!("/jobs/{id}/cancel"), &nothing).await;
            }
            Self::Refused => {
                let detail = json!({"tool": "missing", "parameters": {}, "job_id": id});
                let event = json!({"id": id, "source": "shop", "detail-type": "Gantz Job", "detail": detail});
                site.publish(&event).await;
            }
            Self::InDoubt | Self::DeadInDoubt => drop(site.ask("/jobs", &once).await),
            Self::PutBack => {
                let body = crate::records::envelope(id, "flaky", "fast", &flaky["parameters"]);
                site.send("dead-fast", &body.to_string()).await;
            }
            Self::Unreadable => site.send("lane-fast", "no envelope").await,
        }
    }
}
