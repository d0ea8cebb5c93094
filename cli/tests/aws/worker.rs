//! `gantz worker` beside the functions, and in their stead.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gantz_core::limits::LEASE_MS;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, fleet, number, size, text};

/// Jobs that are drained, unless `GANTZ_E2E_JOBS` says otherwise.
const JOBS: usize = 600;
/// So many jobs on an emulator take their time.
const DRAINED_WITHIN: Duration = Duration::from_secs(900);

/// `gantz worker` on a lane, and what it writes.
struct Process {
    child: Child,
    metrics: PathBuf,
    log: PathBuf,
}

impl Process {
    fn start(fleet: &Fleet, name: &str, lane: &str, drain: &str) -> Self {
        let (metrics, log) =
            (fleet.scratch(&format!("{name}.metrics")), fleet.scratch(&format!("{name}.log")));
        let words = ["-v", "worker", "--stack", Fleet::STACK, "--lane", lane, "--concurrency", "64"];
        let mut worker = fleet.command(&[&words[..], &["--drain", drain, "--metrics"]].concat());
        worker.stdout(File::create(&metrics).unwrap()).stderr(File::create(&log).unwrap());
        Self { child: worker.spawn().unwrap(), metrics, log }
    }

    /// Returns once it works: the functions could do all there is before a process has started.
    async fn ready(&self, fleet: &Fleet) {
        let log = async || fs::read_to_string(&self.log).unwrap();
        fleet.until(log, |log| log.contains("worker=\"")).await;
    }

    /// The name that rows have for it.
    fn name(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap();
        let name = log.split("worker=\"").nth(1).and_then(|rest| rest.split('"').next());
        name.unwrap_or_else(|| panic!("no name in {log}")).to_owned()
    }

    /// How many jobs it says it has ended.
    fn finished(&self) -> u64 {
        let text = fs::read_to_string(&self.metrics).unwrap();
        // Its last line may be half written.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line["JobsFinished"].as_u64()).sum()
    }

    /// Sends it one signal, and waits until it has ended.
    async fn stop(&mut self, fleet: &Fleet, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let child = RefCell::new(&mut self.child);
        let end = fleet.until(async || child.borrow_mut().try_wait().unwrap(), Option::is_some).await;
        end.unwrap().code()
    }
}

impl Drop for Process {
    /// It would outlive a test that fails, and poll an emulator that is gone.
    fn drop(&mut self) {
        // It may have ended, and been waited for.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn terminate(worker: &Child) {
    let terminate = Command::new("kill").arg(worker.id().to_string()).status().unwrap();
    assert!(terminate.success());
}

/// The name of the worker that ended a job: the claims of one worker have more after it.
fn worker_of(row: &BTreeMap<String, AttributeValue>) -> &str {
    text(row, "finished_by").split('/').next().unwrap_or_default()
}

/// A batch's children that have ended: how many of them succeeded in their one attempt, by who ended them.
async fn children(fleet: &Fleet, batch: &str) -> BTreeMap<String, usize> {
    let table = aws_sdk_dynamodb::Client::new(&fleet.aws().await);
    let (mut ended, mut start) = (BTreeMap::new(), None);
    loop {
        let scan = table.scan().table_name(fleet.output("TableName")).set_exclusive_start_key(start);
        let scan = scan.filter_expression("parent = :batch AND attribute_exists(finished_at)");
        let page =
            scan.expression_attribute_values(":batch", AttributeValue::S(batch.into())).send().await.unwrap();
        for row in page.items() {
            let row = row.clone().into_iter().collect();
            assert_eq!((text(&row, "status"), number(&row, "attempt")), ("SUCCEEDED", 1), "{row:?}");
            *ended.entry(worker_of(&row).to_owned()).or_default() += 1;
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            return ended;
        }
    }
}

#[tokio::test]
async fn a_process_and_the_functions_drain_a_lane_together() {
    let fleet = fleet();
    // Whoever takes the first messages may take them all: functions wait until a process has had some.
    fleet.feed("mixed", false).await;
    let mut first = Process::start(fleet, "first", "mixed", "20");
    first.ready(fleet).await;
    let jobs = size("GANTZ_E2E_JOBS", JOBS);
    let lines: String = (0..jobs).map(|n| format!("{}\n", json!({"n": n}))).collect();
    let file = fleet.scratch("jobs.jsonl");
    fs::write(&file, lines).unwrap();
    let words = ["batch", "mixed", "--jsonl", file.to_str().unwrap(), "--id", "drained-0001", "--detach"];
    assert_eq!(fleet.ask(&words)["batch_id"], "drained-0001");
    // Told to stop in the middle of it, while it holds messages that it has not begun with.
    fleet
        .until(async || children(fleet, "drained-0001").await, |ended| ended.contains_key(&first.name()))
        .await;
    assert!(!fleet.row("batch#drained-0001").await.unwrap().contains_key("finished_at"));
    assert_eq!(first.stop(fleet, "TERM").await, Some(0));
    assert!(first.finished() > 0, "what it ended is in its metrics");

    let by_first = children(fleet, "drained-0001").await.values().sum::<usize>();
    fleet.feed("mixed", true).await;
    let ended = async || children(fleet, "drained-0001").await.values().sum::<usize>();
    fleet.until(ended, |ended| *ended > by_first).await;
    let mut second = Process::start(fleet, "second", "mixed", "20");
    let deadline = Instant::now() + DRAINED_WITHIN;
    let row = loop {
        match fleet.row("batch#drained-0001").await {
            Some(row) if row.contains_key("finished_at") => break row,
            row => assert!(Instant::now() < deadline, "the batch does not end: {row:?}"),
        }
        sleep(Duration::from_secs(1)).await;
    };
    assert_eq!(second.stop(fleet, "TERM").await, Some(0));
    assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");
    let shown = fleet.ask(&["status", "drained-0001"]);
    // Each child is counted by the one write that ends it: a second one would show here.
    assert_eq!(shown["by_status"]["SUCCEEDED"], jobs);
    let ended = children(fleet, "drained-0001").await;
    assert_eq!(ended.values().sum::<usize>(), jobs);
    let by_processes: usize = [first.name(), second.name()].iter().filter_map(|name| ended.get(name)).sum();
    let by_functions = ended.values().sum::<usize>() - by_processes;
    assert!(by_processes > 0 && by_functions > 0, "{by_processes} and {by_functions}: {ended:?}");
    println!("{by_processes} by processes, {by_functions} by functions");
}

#[tokio::test]
async fn a_process_keeps_its_jobs_beyond_their_lease_and_hands_them_back_when_it_is_stopped() {
    let fleet = fleet();
    let hold = fleet.scratch("hold");
    fs::write(&hold, "").unwrap();
    let ids: Vec<String> = (0..20).map(|n| format!("handed-{n:04}")).collect();
    for id in &ids {
        let job = json!({"tool": "long", "parameters": {"while": hold}, "job_id": id});
        fleet.invoke("DispatcherFunction", &job).await;
    }
    let mut first = Process::start(fleet, "keeper", "long", "1");
    let lease = async |id: &str| number(&fleet.row(id).await.unwrap_or_default(), "lease_until");
    let mut leases = Vec::new();
    for id in &ids {
        leases.push(fleet.until(async || lease(id).await, |until| *until > 0).await);
    }
    for (id, taken) in ids.iter().zip(leases) {
        fleet.until(async || lease(id).await, |until| *until > taken + LEASE_MS * 3 / 2).await;
        let row = fleet.row(id).await.unwrap();
        assert_eq!((text(&row, "status"), number(&row, "attempt")), ("RUNNING", 1), "{row:?}");
    }
    // One signal: the jobs do not end by themselves in the second that they have.
    assert_eq!(first.stop(fleet, "TERM").await, Some(0));
    for id in &ids {
        let row = fleet.row(id).await.unwrap();
        assert_eq!((text(&row, "status"), number(&row, "clean_attempt")), ("WAITING", 1), "{row:?}");
        assert!(!row.contains_key("owner") && !row.contains_key("lease_until"), "{row:?}");
    }

    // The lane's visibility timeout is hours: what was not handed back would not come.
    fs::remove_file(&hold).unwrap();
    let mut second = Process::start(fleet, "heir", "long", "20");
    for id in &ids {
        let row = fleet.ended(id).await;
        assert_eq!((text(&row, "status"), number(&row, "attempt")), ("SUCCEEDED", 2), "{row:?}");
        assert_eq!(worker_of(&row), second.name());
    }
    assert_eq!(second.stop(fleet, "INT").await, Some(130));
}
