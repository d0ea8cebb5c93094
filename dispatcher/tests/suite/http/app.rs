//! A door over a backend of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use gantz_core::host::{Clock, Entropy};
use gantz_core::ids::{Lane, QueueName};
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::{ClaimVerdict, Ending, FinishVerdict};
use gantz_core::manifest::Manifest;
use gantz_core::ports::Ports;
use gantz_dispatcher::Dispatcher;
use gantz_dispatcher::http::{HttpSettings, router};
use gantz_embedded::{Directory, Embedded, Settings};
use gantz_testkit::builders::{NOW_MS, claim, held, job_id};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::http::conformity;

const MANIFEST: &str = "\
name: doors
version: 1.0.0

tools:
  echo:
    title: Echo
    description: Answers with what it was given
    parameters:
      text: {type: string, required: true, max_length: 100000}
      times: {type: integer, minimum: 1, maximum: 10, default: 1}
      options: {type: object, properties: {loud: {type: boolean}}}
    handler: test.echo
    output: {type: object}
  explore:
    description: Takes anything
    parameters:
      anything: {type: object}
      path: {type: string}
    handler: test.explore
    lane: slow
";

pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) ports: Ports,
    pub(crate) dispatcher: Dispatcher,
    _folder: TempDir,
}

impl App {
    pub(crate) fn new() -> Self {
        Self::with(HttpSettings::default(), |dispatcher| dispatcher)
    }

    pub(crate) fn with(settings: HttpSettings, adjust: impl FnOnce(Dispatcher) -> Dispatcher) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = Ports::of(open(folder.path()));
        let manifest = Arc::new(Manifest::parse("gantz.yaml", MANIFEST).unwrap());
        let next = AtomicU64::new(0);
        let entropy = Entropy::new(move || next.fetch_add(1, Ordering::Relaxed));
        let dispatcher = adjust(Dispatcher::new(ports, manifest, clock(), entropy));
        let ports = dispatcher.ports.clone();
        Self { router: router(dispatcher.clone(), settings), ports, dispatcher, _folder: folder }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.call(Ask::get(target)).await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Answer {
        self.call(Ask::post(target, &body)).await
    }

    pub(crate) async fn call(&self, ask: Ask) -> Answer {
        answer(self.router.clone(), ask).await
    }

    /// Submits an `echo` with an id of its own.
    pub(crate) async fn submit(&self, id: &str) {
        let answer = self.post("/jobs", echo(id)).await;
        assert_eq!(answer.status, 202, "{}", answer.json());
    }

    /// Ends a job as a worker would.
    pub(crate) async fn finish(&self, id: &str, ending: Ending) {
        self.claim(id).await;
        self.end(id, ending).await;
    }

    /// Takes a job up as a worker would.
    pub(crate) async fn claim(&self, id: &str) -> JobRecord {
        let row = self.ports.jobs.get(&job_id(id)).await.unwrap().unwrap();
        match self.ports.jobs.claim(claim(&row, "worker", NOW_MS)).await.unwrap() {
            ClaimVerdict::Granted(row) => *row,
            other => panic!("{other:?}"),
        }
    }

    /// Ends a job that was taken up before.
    pub(crate) async fn end(&self, id: &str, ending: Ending) {
        let row = self.ports.jobs.get(&job_id(id)).await.unwrap().unwrap();
        let verdict = self.ports.jobs.finish(&held(&row), ending, NOW_MS).await.unwrap();
        assert!(matches!(verdict, FinishVerdict::Committed(_)), "{verdict:?}");
    }

    /// The job's row, once it has ended.
    pub(crate) async fn until_finished(&self, id: &str) -> JobRecord {
        until(async || {
            let row = self.ports.jobs.get(&job_id(id)).await.unwrap().unwrap();
            row.is_finished().then_some(row)
        })
        .await
    }

    /// Messages that are waiting, in all queues.
    pub(crate) async fn depth(&self) -> u64 {
        let lanes = ["fast", "slow"].map(|lane| QueueName::Lane(Lane::try_new(lane).unwrap()));
        let mut messages = 0;
        for queue in lanes.into_iter().chain([QueueName::Plan]) {
            let depth = self.ports.queue.depth(&queue).await.unwrap();
            messages += depth.visible + depth.delayed + depth.in_flight;
        }
        messages
    }

    /// Nothing was recorded and nothing was sent.
    pub(crate) async fn assert_untouched(&self, after: &str) {
        assert_eq!(self.get("/jobs").await.json()["jobs"], json!([]), "{after}");
        assert_eq!(self.get("/batches").await.json()["batches"], json!([]), "{after}");
        assert_eq!(self.depth().await, 0, "{after}");
    }
}

/// A submission of `echo`.
pub(crate) fn echo(id: &str) -> Value {
    json!({"tool": "echo", "parameters": {"text": "hello"}, "job_id": id})
}

fn open(path: &Path) -> Embedded {
    Embedded::open(Directory::create(path).unwrap(), clock(), Settings::default()).unwrap()
}

fn clock() -> Clock {
    Clock::new(|| NOW_MS)
}

/// A request, from loopback unless it says otherwise.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) target: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let method = method.parse().unwrap();
        let host = ("host", "localhost:8080".to_owned());
        Self { method, target: target.to_owned(), headers: vec![host], body: Bytes::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target).header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

pub(crate) async fn answer(router: Router, ask: Ask) -> Answer {
    let mut request = Request::builder().method(ask.method.clone()).uri(&ask.target);
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    let response = router.oneshot(request.body(Body::from(ask.body.clone())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let answer = Answer { status: parts.status, headers: parts.headers, body };
    conformity::check(&ask, &answer);
    answer
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The slug of the problem that this is.
    pub(crate) fn problem(&self) -> String {
        let json = self.json();
        json["type"].as_str().unwrap().strip_prefix("urn:gantz:problem:").unwrap().to_owned()
    }
}

/// The description of the API.
pub(crate) async fn describe(app: &App) -> Value {
    let request = Request::get("/openapi.json").header("host", "localhost").body(Body::empty()).unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
}

/// What `look` finds, once it does.
pub(crate) async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "it never happens");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
