//! The dead-letter function: deployed as `bootstrap`, it puts back what never ran out of attempts, and finishes the rest.

use std::process::ExitCode;
use std::sync::Arc;

use gantz_aws::{Session, Settings};
use gantz_workers::Registry;
use gantz_workers::lambda::Duty;
use gantz_workers::lambda::start::{self, Project};

#[tokio::main]
async fn main() -> ExitCode {
    start::trace(env);
    start::report(run().await)
}

async fn run() -> Result<(), lambda_runtime::Error> {
    let settings = Arc::new(Settings::read(env)?);
    let project = Project::read(env)?;
    let session = Arc::new(Session::from_env().await);
    let ports = gantz_aws::connect(session, Arc::clone(&settings), project.clock.clone());
    // It reads what the manifest says of tools, and runs none.
    let handlers = Registry::default();
    let function = project.function(Duty::DeadLetters, ports, &handlers, &settings.queue_url_prefix)?;
    start::serve(function).await
}

fn env(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}
