//! A function over a backend of its own.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use gantz_core::host::{Clock, Entropy};
use gantz_core::job::JobRecord;
use gantz_core::manifest::Manifest;
use gantz_core::ports::{JobFilter, Ports};
use gantz_dispatcher::Dispatcher;
use gantz_dispatcher::lambda::{Invocation, Lambda, LambdaError};
use gantz_embedded::{Directory, Embedded, Settings, View};
use gantz_testkit::builders::{NOW_MS, job_id};
use serde_json::{Value, json};
use tempfile::TempDir;

const MANIFEST: &str = "\
name: doors
version: 1.0.0

tools:
  echo:
    description: Answers with what it was given
    parameters:
      text: {type: string, required: true}
    handler: test.echo
  analyze_file:
    description: Reads an object
    parameters:
      bucket: {type: string, required: true}
      key: {type: string, required: true}
    handler: s3.analyze_file
";

/// What Lambda calls the invocation of [`World::handle`].
pub(crate) const REQUEST_ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

pub(crate) struct World {
    pub(crate) function: Lambda,
    pub(crate) ports: Ports,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) view: View,
    lines: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(MANIFEST)
    }

    pub(crate) fn of(manifest: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let view = store.view().clone();
        let ports = Ports::of(store);
        let manifest = parsed(manifest);
        let next = AtomicU64::new(0);
        let entropy = Entropy::new(move || next.fetch_add(1, Ordering::Relaxed));
        let dispatcher = Dispatcher::new(ports.clone(), manifest, clock(), entropy);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let function = function(dispatcher.clone(), &lines);
        Self { function, ports, dispatcher, view, lines, _folder: folder }
    }

    /// A function over the same backend that holds back whatever it is asked for.
    pub(crate) fn held_back(&self) -> Lambda {
        let dispatcher = Dispatcher { backlog_max: 0, ..self.dispatcher.clone() };
        function(dispatcher, &self.lines)
    }

    /// A function over the same backend, deployed with another manifest.
    pub(crate) fn upgraded(&self, manifest: &str) -> Lambda {
        function(Dispatcher { manifest: parsed(manifest), ..self.dispatcher.clone() }, &self.lines)
    }

    /// Handles an event with a minute left.
    pub(crate) async fn handle(&self, event: &Value) -> Result<Value, LambdaError> {
        self.function.handle(event, &invocation(60_000)).await
    }

    /// The metrics written since the last time.
    pub(crate) fn metrics(&self) -> Vec<Value> {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) async fn job(&self, id: &str) -> Option<JobRecord> {
        self.ports.jobs.get(&job_id(id)).await.unwrap()
    }

    pub(crate) async fn jobs(&self) -> Vec<JobRecord> {
        self.ports.jobs.list(&JobFilter::default(), 100, None).await.unwrap().jobs
    }
}

fn parsed(manifest: &str) -> Arc<Manifest> {
    Arc::new(Manifest::parse("gantz.yaml", manifest).unwrap())
}

fn function(dispatcher: Dispatcher, lines: &Arc<Mutex<Vec<String>>>) -> Lambda {
    let lines = Arc::clone(lines);
    Lambda::new(dispatcher, Arc::new(move |line| lines.lock().unwrap().push(line.to_owned())))
}

pub(crate) fn invocation(remaining_ms: u64) -> Invocation {
    Invocation { request_id: REQUEST_ID.into(), deadline_ms: NOW_MS + remaining_ms, trace: None }
}

/// The event of that name in the corpus.
pub(crate) fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/suite/lambda/events/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A message as its queue's event source hands it over.
pub(crate) fn message(queue: &str, id: &str, receipt: &str, body: &str) -> Value {
    json!({
        "messageId": id, "receiptHandle": receipt, "body": body, "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:111122223333:gantz-{queue}"),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000"},
    })
}

fn open(path: &Path) -> Embedded {
    Embedded::open(Directory::create(path).unwrap(), clock(), Settings::default()).unwrap()
}

fn clock() -> Clock {
    Clock::new(|| NOW_MS)
}
