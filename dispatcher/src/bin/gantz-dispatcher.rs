//! The dispatcher as a Lambda function: trace, read, connect, serve.
//!
//! It does not ask Lambda to be told before it is shut down: between two invocations nothing is under way.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gantz_aws::{NewObjects, Objects, Session, Settings};
use gantz_core::host::{Clock, Entropy};
use gantz_core::manifest::{Manifest, ManifestError};
use gantz_core::trace::TraceParent;
use gantz_dispatcher::Dispatcher;
use gantz_dispatcher::lambda::{Invocation, Lambda, Tokens};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// The manifest, instead of `gantz.yaml` in the function's folder.
const CONFIG: &str = "GANTZ_CONFIG";
/// The claim of a caller's token that names its tenant; without it, callers are not told apart.
const TENANT_CLAIM: &str = "GANTZ_TENANT_CLAIM";
const TOKEN_ISSUER: &str = "GANTZ_TOKEN_ISSUER";
/// Where Lambda unpacks the function.
const TASK_ROOT: &str = "LAMBDA_TASK_ROOT";

/// The function cannot start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Settings(#[from] gantz_aws::SettingsError),
    #[error("failed to read the manifest {}, which `{CONFIG}` names: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// One thread: the function waits for AWS and computes next to nothing, and another thread would only start up.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    trace();
    let function = match connect(|name| std::env::var(name).ok()).await {
        Ok(function) => function,
        Err(error) => {
            tracing::error!(%error, "failed to start");
            return ExitCode::FAILURE;
        }
    };
    match serve(&function).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime's interface failed");
            ExitCode::FAILURE
        }
    }
}

/// Logs to stdout, a line of JSON each. Lambda adds the time.
fn trace() {
    let wanted = ["RUST_LOG", "LOG_LEVEL"].into_iter().filter_map(|name| std::env::var(name).ok());
    let filter = wanted
        .into_iter()
        .find(|wanted| !wanted.is_empty())
        .and_then(|wanted| EnvFilter::try_new(wanted).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).without_time().with_current_span(false).init();
}

/// Builds what every invocation shares. Nothing is called yet: clients are made when they are first used.
async fn connect(look_up: impl Fn(&str) -> Option<String>) -> Result<Lambda, StartError> {
    let settings = Arc::new(Settings::read(&look_up)?);
    let manifest = Arc::new(manifest(&look_up)?);
    let session = Arc::new(Session::from_env().await);
    let clock = clock();
    let ports = gantz_aws::connect(Arc::clone(&session), Arc::clone(&settings), clock.clone());
    let objects = Objects::new(Arc::clone(&session));
    let mut dispatcher = Dispatcher::new(ports, manifest, clock, entropy()).with_objects(objects);
    dispatcher.new_objects = Some(Arc::new(NewObjects::new(session, settings)));
    let given = |name| look_up(name).filter(|value| !value.is_empty());
    let tokens = Tokens { issuer: given(TOKEN_ISSUER), tenant_claim: given(TENANT_CLAIM) };
    Ok(Lambda::new(dispatcher, Arc::new(write_out)).with_tokens(tokens))
}

fn manifest(look_up: impl Fn(&str) -> Option<String>) -> Result<Manifest, StartError> {
    let root = PathBuf::from(look_up(TASK_ROOT).unwrap_or_default());
    let name = look_up(CONFIG).filter(|name| !name.is_empty());
    let path = root.join(name.as_deref().unwrap_or("gantz.yaml"));
    let text = std::fs::read_to_string(&path)
        .map_err(|source| StartError::Unreadable { path: path.clone(), source })?;
    Ok(Manifest::parse(&path.display().to_string(), &text)?)
}

/// Answers invocations until Lambda ends the process.
async fn serve(function: &Lambda) -> Result<(), lambda_runtime::Error> {
    let answer = service_fn(move |event: LambdaEvent<Value>| async move {
        let (event, context) = event.into_parts();
        let invocation = Invocation {
            request_id: context.request_id,
            deadline_ms: context.deadline,
            trace: context.xray_trace_id.as_deref().and_then(TraceParent::from_xray),
        };
        function.handle(&event, &invocation).await.map_err(|error| Diagnostic {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        })
    });
    lambda_runtime::run(answer).await
}

fn write_out(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        tracing::warn!(%error, "failed to write metrics");
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the shell")]
fn clock() -> Clock {
    Clock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Random numbers of the operating system.
///
/// # Panics
/// When the operating system has none, which it says at start or never.
#[expect(clippy::disallowed_methods, reason = "this is the shell")]
#[expect(clippy::panic, reason = "ids without randomness would collide; there is nothing safe left to do")]
fn entropy() -> Entropy {
    Entropy::new(|| match getrandom::u64() {
        Ok(random) => random,
        Err(error) => panic!("the operating system has no random numbers: {error}"),
    })
}
