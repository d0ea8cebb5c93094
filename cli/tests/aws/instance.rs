//! A function's program as AWS Lambda runs it: one instance at a time, which may die.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use gantz_core::ports::failpoints::VARIABLE;
use gantz_testkit::runtime_api::RuntimeApi;
use serde_json::Value;
use tokio::process::Child;

use crate::fleet::Fleet;

/// Room for a job of a second, and for what is left free before and after it: the lease ends with it.
pub(crate) const INVOCATION: Duration = Duration::from_secs(12);

/// One of the stack's functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Function {
    Dispatcher,
    Worker,
    DeadLetter,
}

/// A running instance.
pub(crate) struct Instance {
    api: RuntimeApi,
    process: Child,
}

impl Function {
    fn program(self) -> &'static str {
        match self {
            Self::Dispatcher => "gantz-dispatcher",
            Self::Worker => "gantz-worker",
            Self::DeadLetter => "gantz-dead-letter",
        }
    }

    fn output(self) -> &'static str {
        match self {
            Self::Dispatcher => "DispatcherFunction",
            Self::Worker => "WorkerFunction",
            Self::DeadLetter => "DeadLetterFunction",
        }
    }
}

impl Instance {
    /// Starts one in the folder of its package, which dies at a point if one is named. What it writes is in `log` there.
    pub(crate) async fn start(
        fleet: &Fleet,
        function: Function,
        package: &Path,
        more: &[(&str, &str)],
        point: Option<&str>,
    ) -> Self {
        let api = RuntimeApi::allowing(INVOCATION).await;
        let program = fleet.programs().join(function.program());
        let mut command = fleet.bootstrap(&program, fleet.output(function.output()), &api, package).await;
        command.envs(more.iter().copied()).envs(point.map(|point| (VARIABLE, point)));
        let log = File::options().create(true).append(true).open(package.join("log")).unwrap();
        let process = command.stdout(log).stderr(Stdio::null()).spawn().unwrap();
        Self { api, process }
    }

    /// What it answers to an event, or the error that it reports; `None` if it dies of it.
    pub(crate) async fn invoke(&mut self, event: &Value) -> Option<Result<Value, Value>> {
        tokio::select! {
            answer = self.api.invoke(event) => Some(answer),
            ended = self.process.wait() => {
                assert!(!ended.unwrap().success(), "it ended by itself");
                None
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}
