//! `mcp.SERVER` against a server that answers, fails, dies and hangs as it is told.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gantz_core::host::Clock;
use gantz_core::ids::JobId;
use gantz_core::manifest::Manifest;
use gantz_core::outcome::{Effect, ErrorKind, Failure, Outcome, Retry};
use gantz_core::tool::Call;
use gantz_core::trace::TraceParent;
use gantz_workers::{Registry, ToolSettings, Toolbox};
use serde_json::{Value, json};
use tempfile::TempDir;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const PATIENCE: Duration = Duration::from_secs(60);

const SERVER: &str = r#"
import json, os, sys, threading, time
lock = threading.Lock()
def send(message):
    with lock:
        print(json.dumps(dict(message, jsonrpc="2.0")), flush=True)
def call(id, mode, meta):
    text = lambda text, **more: send({"id": id, "result": dict(more, content=[{"type": "text", "text": text}])})
    if mode == "pid": text(str(os.getpid()))
    if mode == "key": text(meta["gantz/effect_key"])
    if mode == "trace": text(meta["traceparent"])
    if mode == "env": text(json.dumps(sorted(os.environ)))
    if mode == "fail": text("no luck", isError=True)
    if mode == "rows": text("", structuredContent={"rows": 2})
    if mode == "refuse": send({"id": id, "error": {"code": -32602, "message": "no such mode"}})
    if mode == "slow": time.sleep(0.2); text(str(os.getpid()))
    if mode == "never": open("reached", "w").close()
    if mode == "die": os._exit(3)
for line in sys.stdin:
    message = json.loads(line)
    id, method = message.get("id"), message.get("method")
    if method == "initialize":
        send({"id": id, "result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                                   "serverInfo": {"name": "trial", "version": "1"}}})
    if method == "ping":
        send({"id": id, "result": {}})
    if method == "tools/call":
        assert message["params"]["name"] == "its_name", message
        mode = message["params"]["arguments"]["mode"]
        if mode == "hang": open("reached", "w").close(); time.sleep(3600)
        threading.Thread(target=call, args=(id, mode, message["params"].get("_meta"))).start()
"#;

const MANIFEST: &str = "
name: trial
version: 1.0.0
mcp_servers:
  trial: {command: [python3, server.py], env: {OWN: '1'}}
  absent: {command: [no-such-program]}
tools:
  ask:
    description: Ask
    handler: mcp.trial
    mcp_tool: its_name
    parameters: {mode: {type: string, required: true}}
  lost:
    description: Nobody is there
    handler: mcp.absent
";

struct Box {
    toolbox: Toolbox,
    folder: TempDir,
}

impl Box {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("server.py"), SERVER).expect("a file");
        let manifest = Manifest::parse("gantz.yaml", MANIFEST).expect("a manifest");
        let settings = ToolSettings::new(folder.path(), &Clock::new(|| 0));
        let toolbox = Toolbox::build(&manifest, &Registry::default(), &settings).expect("a toolbox");
        Self { toolbox, folder }
    }

    async fn call(&self, tool: &str, mode: &str) -> Outcome {
        let job_id = JobId::try_new("job-0001").expect("an id");
        let (effect_key, parameters) = (job_id.clone(), json!({"mode": mode}));
        let call = Call {
            job_id,
            effect_key,
            tool: tool.into(),
            attempt: 1,
            timeout_ms: 1_000,
            trace: TraceParent::parse(TRACE).ok(),
            parameters,
        };
        let tool = Arc::clone(self.toolbox.get(tool).expect("the tool").tool.as_ref().expect("its handler"));
        tokio::time::timeout(PATIENCE, tool.call(call)).await.expect("an answer")
    }

    /// A call that is broken off once the server has it.
    async fn break_off(&self, mode: &str) {
        let reached = self.folder.path().join("reached");
        tokio::select! {
            outcome = self.call("ask", mode) => unreachable!("{outcome:?}"),
            () = until(|| reached.exists()) => {}
        }
    }

    async fn pid(&self) -> String {
        match self.call("ask", "pid").await {
            Outcome::Done(Value::String(pid)) => pid,
            other => unreachable!("{other:?}"),
        }
    }
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn one_server_answers_many_at_once() {
    let tools = Box::new();
    let calls = (0..8).map(|_| tools.call("ask", "slow"));
    let pids: HashSet<_> = futures_util::future::join_all(calls)
        .await
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Done(Value::String(pid)) => pid,
            other => unreachable!("{other:?}"),
        })
        .collect();
    assert_eq!(pids.len(), 1);
    assert_eq!(tools.call("ask", "rows").await, Outcome::Done(json!({"rows": 2})));
    assert_eq!(tools.call("ask", "key").await, Outcome::Done(json!("job-0001")));
    assert_eq!(tools.call("ask", "trace").await, Outcome::Done(json!(TRACE)));
}

#[tokio::test]
async fn a_server_has_only_the_environment_that_is_meant_for_it() {
    let Outcome::Done(Value::String(names)) = Box::new().call("ask", "env").await else { unreachable!() };
    let names: Vec<String> = serde_json::from_str(&names).expect("a list");
    assert!(names.contains(&"OWN".to_owned()) && names.contains(&"PATH".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{names:?}");
}

#[tokio::test]
async fn its_errors_are_the_jobs() {
    let tools = Box::new();
    assert_eq!(tools.call("ask", "fail").await, Outcome::transient(ErrorKind::ToolError, "no luck"));
    let refused = failure(tools.call("ask", "refuse").await);
    assert_eq!((refused.kind, refused.retry), (ErrorKind::Invalid, Retry::Never));
    let absent = failure(tools.call("lost", "").await);
    assert_eq!((absent.kind, absent.retry), (ErrorKind::NotFound, Retry::Never));
}

#[tokio::test]
async fn one_that_dies_leaves_its_call_in_doubt_and_is_started_again() {
    let tools = Box::new();
    let first = tools.pid().await;
    let lost = failure(tools.call("ask", "die").await);
    assert_eq!(
        (lost.kind, lost.retry, lost.effect),
        (ErrorKind::Unavailable, Retry::Backoff, Effect::InDoubt)
    );
    assert_ne!(tools.pid().await, first);
}

#[tokio::test]
async fn one_that_hangs_is_replaced() {
    let tools = Box::new();
    let first = tools.pid().await;
    tools.break_off("hang").await;
    assert_ne!(tools.pid().await, first);
    has_ended(&first).await;
}

#[tokio::test]
async fn one_that_is_only_slow_is_kept() {
    let tools = Box::new();
    let first = tools.pid().await;
    tools.break_off("never").await;
    assert_eq!(tools.pid().await, first);
}

#[tokio::test]
async fn it_ends_with_the_worker() {
    let tools = Box::new();
    let pid = tools.pid().await;
    drop(tools);
    has_ended(&pid).await;
}

async fn has_ended(pid: &str) {
    until(|| !Path::new("/proc").join(pid).join("exe").exists()).await;
}

async fn until(holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "it never happens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
