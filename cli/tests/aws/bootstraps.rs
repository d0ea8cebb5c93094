//! Real bootstraps that die in the midst of a tool, or are frozen after a batch, as AWS Lambda does with them.

use std::fs;

use gantz_testkit::fault_table::{Level, fault};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fleet::{Fleet, fleet, number, text};
use crate::instance::{self, Instance};
use crate::records::envelope;

/// Each run of the tool leaves its key in the file `started`.
const MANIFEST: &str = r#"
name: bootstraps
version: 1.0.0
tools:
  count:
    description: Answer, or take the worker's own process down
    handler: command
    timeout: 1s
    command:
      program: sh
      args: ["-c", "echo $GANTZ_IDEMPOTENCY_KEY >> started; if $1; then kill -9 $PPID; fi; echo 7", "count", "{kill}"]
    parameters: {kill: {type: boolean, required: true}}
"#;

/// The worker function's package, and the instances that run in it one after another.
struct Function {
    package: TempDir,
}

impl Function {
    fn new() -> Self {
        let package = tempfile::tempdir().unwrap();
        fs::write(package.path().join("gantz.yaml"), MANIFEST).unwrap();
        Self { package }
    }

    async fn instance(&self, fleet: &Fleet) -> Instance {
        Instance::start(fleet, instance::Function::Worker, self.package.path(), &[], None).await
    }

    /// Has instances work on the records until none comes back.
    async fn empties(&self, fleet: &Fleet, records: &[Value]) {
        let instance = tokio::sync::Mutex::new(self.instance(fleet).await);
        let answer =
            async || instance.lock().await.invoke(&json!({ "Records": records })).await.unwrap().unwrap();
        fleet.until(answer, |answer| answer["batchItemFailures"] == json!([])).await;
    }

    /// The keys of the runs, in order.
    fn started(&self) -> Vec<String> {
        let started = fs::read_to_string(self.package.path().join("started")).unwrap_or_default();
        started.lines().map(str::to_owned).collect()
    }

    /// What the instances have written.
    fn log(&self) -> String {
        fs::read_to_string(self.package.path().join("log")).unwrap()
    }
}

fn record(fleet: &Fleet, id: &str, effects: &str, kill: bool) -> Value {
    let mut body = envelope(id, "count", "fast", &json!({ "kill": kill }));
    body["effects"] = json!(effects);
    fleet.record("lane-fast", &format!("message of {id}"), &body.to_string())
}

#[tokio::test]
async fn of_a_group_that_was_cut_off_only_what_ran_is_in_doubt() {
    let fleet = fleet();
    let [shown_21, shown_31] = [21, 31].map(|row| fault(row, Level::Process));
    let function = Function::new();
    let ids = ["grouped-0001", "grouped-0002", "grouped-0003"];
    let records = ids.map(|id| {
        let mut record = record(fleet, id, "at_most_once", id == ids[0]);
        record["eventSourceARN"] = json!(fleet.queue_arn("lane-fast.fifo"));
        record["attributes"]["MessageGroupId"] = json!("one after another");
        record
    });
    let answer = function.instance(fleet).await.invoke(&json!({ "Records": records })).await;
    assert_eq!(answer, None, "it lives");
    assert_eq!(function.started(), ids[..1]);
    function.empties(fleet, &records).await;
    assert_eq!(function.started(), ids);
    for (id, status) in ids.into_iter().zip(["IN_DOUBT", "SUCCEEDED", "SUCCEEDED"]) {
        let row = fleet.row(id).await.unwrap();
        assert_eq!((text(&row, "status"), number(&row, "attempt")), (status, 1), "{row:?}");
    }
    shown_21
        .in_runs(1, "a bootstrap killed in the first of three: it is in doubt, the others ran later, once");
    shown_31.in_runs(1, "the tool started once, its job is in doubt");
}

#[tokio::test]
async fn what_is_measured_is_out_before_the_answer() {
    let fleet = fleet();
    let shown = fault(34, Level::Process);
    let function = Function::new();
    let mut instance = function.instance(fleet).await;
    let mut record = record(fleet, "frozen-0001", "keyed", false);
    let mut body: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
    body["v"] = json!(5);
    body["traceparent"] = json!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    record["body"] = json!(body.to_string());
    let records = [record];
    let answer = instance.invoke(&json!({ "Records": records })).await;
    instance.signal("STOP");
    assert_eq!(answer, Some(Ok(json!({ "batchItemFailures": [] }))));
    let log = function.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let (measured, told): (Vec<Value>, Vec<Value>) = lines.partition(|line| line.get("_aws").is_some());
    assert!(measured.iter().any(|line| line["Status"] == "SUCCEEDED"), "{log}");
    let told = told.iter().find(|line| line["fields"]["message"] == "processed").expect(&log);
    assert_eq!(told["fields"]["outcome"], "acknowledged");
    let ids = json!({
        "name": "delivery", "message_id": "message of frozen-0001", "job_id": "frozen-0001", "tool": "count",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "attempt": 1, "status": "SUCCEEDED",
    });
    assert_eq!(told["span"], ids);
    shown.in_runs(1, "a bootstrap stopped right after its answer had written its metrics");
}
