//! Secrets that a manifest names: found when they are needed, believed for a while, and never told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gantz_core::host::Clock;
use gantz_core::manifest::CommandSpec;
use gantz_core::outcome::{ErrorKind, Outcome, Retry};
use gantz_core::ports::{PortError, PortResult, SecretStore};
use gantz_core::tool::Tool;
use gantz_workers::Secrets;
use gantz_workers::tools::command::CommandTool;
use serde_json::{Value, json};

use crate::tool_command::call;

const MINUTE_MS: u64 = 60_000;

/// A store whose answers a test sets.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    secrets: BTreeMap<String, String>,
    fails: Option<PortError>,
    asked: usize,
}

#[async_trait]
impl SecretStore for Store {
    async fn secret(&self, name: &str) -> PortResult<Option<String>> {
        let mut told = self.0.lock().unwrap();
        told.asked += 1;
        match &told.fails {
            Some(error) => Err(error.clone()),
            None => Ok(told.secrets.get(name).cloned()),
        }
    }
}

impl Store {
    fn set(&self, name: &str, value: &str) {
        self.0.lock().unwrap().secrets.insert(name.into(), value.into());
    }

    fn fail(&self, error: Option<PortError>) {
        self.0.lock().unwrap().fails = error;
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }
}

/// Those of the environment alone.
pub(crate) fn secrets() -> Secrets {
    Secrets::of_environment(Clock::new(|| 0))
}

/// A program that shows a variable, whose value in the manifest is this.
fn shows(value: &str, secrets: Secrets) -> CommandTool {
    let spec = CommandSpec {
        args: vec!["-c".into(), r#"printf '"%s"' "$SHOWN""#.into()],
        env: BTreeMap::from([("SHOWN".into(), value.into())]),
        ..CommandSpec::of("/bin/sh")
    };
    CommandTool::new(spec, PathBuf::from("/"), secrets).unwrap()
}

async fn call_with(tool: &CommandTool, parameters: Value) -> Outcome {
    tool.run(call(parameters)).await
}

#[tokio::test]
async fn a_program_has_those_of_the_environment() {
    let shown = call_with(&shows("<${env:PATH}> $${env:PATH} {x}", secrets()), json!({"x": 1})).await;
    let path = std::env::var("PATH").unwrap();
    assert_eq!(shown, Outcome::Done(json!(format!("<{path}> ${{env:PATH}} {{x}}"))));
    let lacking = call_with(&shows("${env:GANTZ_TEST_NOT_SET}", secrets()), json!({})).await;
    let message = "`${env:GANTZ_TEST_NOT_SET}` is not set where this worker runs";
    assert_eq!(lacking, Outcome::permanent(ErrorKind::AccessDenied, message));
    let lacking = call_with(&shows("${ssm:/a}", secrets()), json!({})).await;
    let message = "`${ssm:/a}` cannot be read here: this worker knows no parameter store";
    assert_eq!(lacking, Outcome::permanent(ErrorKind::AccessDenied, message));
}

#[tokio::test]
async fn one_of_a_store_is_believed_for_five_minutes() {
    let (store, now_ms) = (Store::default(), Arc::new(AtomicU64::new(0)));
    let clock = Clock::new({
        let now_ms = Arc::clone(&now_ms);
        move || now_ms.load(Ordering::Relaxed)
    });
    let tool = shows("${ssm:/a/b}!", Secrets::of_environment(clock).and_store(store.clone()));
    let shown = async || call_with(&tool, json!({})).await;
    let done = |text: &str| Outcome::Done(json!(text));

    let missing = Outcome::permanent(ErrorKind::AccessDenied, "`${ssm:/a/b}` is not there");
    assert_eq!(shown().await, missing);
    store.set("/a/b", "one");
    assert_eq!(shown().await, done("one!"), "what was not there is looked for again");
    store.set("/a/b", "two");
    now_ms.store(5 * MINUTE_MS - 1, Ordering::Relaxed);
    assert_eq!((shown().await, store.asked()), (done("one!"), 2));
    now_ms.store(5 * MINUTE_MS, Ordering::Relaxed);
    assert_eq!((shown().await, store.asked()), (done("two!"), 3));

    now_ms.store(10 * MINUTE_MS, Ordering::Relaxed);
    store.fail(Some(PortError::Throttled("slow down".into())));
    assert_eq!(shown().await, done("two!"), "an outage of the store does not take it away");
    store.fail(Some(PortError::Permanent("AccessDenied".into())));
    let Outcome::Failed(failure) = shown().await else { panic!("it may no longer be read") };
    assert_eq!((failure.kind, failure.retry), (ErrorKind::AccessDenied, Retry::Never));
    store.fail(None);
    assert_eq!(shown().await, done("two!"));
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_again_later() {
    let store = Store::default();
    store.fail(Some(PortError::Transient("connection refused".into())));
    let tool = shows("${ssm:/a}", secrets().and_store(store));
    let Outcome::Failed(failure) = call_with(&tool, json!({})).await else { panic!("it is away") };
    assert_eq!((failure.kind, failure.retry), (ErrorKind::Unavailable, Retry::Backoff));
    assert_eq!(failure.message, "`${ssm:/a}` cannot be read: connection refused");
}
