//! A worker function of your own: a tool in Rust on AWS Lambda, beside those that a manifest configures.
//!
//! Build it for the function's architecture, and give it to `gantz deploy --artifacts` under the name `gantz-worker`.

use std::process::ExitCode;
use std::sync::Arc;

use gantz_aws::{Session, Settings};
use gantz_core::outcome::Outcome;
use gantz_core::tool::{Call, Tool};
use gantz_workers::Registry;
use gantz_workers::lambda::Duty;
use gantz_workers::lambda::start::{self, Project};
use serde_json::json;

struct Divide;

#[derive(serde::Deserialize)]
struct Fraction {
    dividend: i64,
    divisor: i64,
}

impl Tool for Divide {
    const HANDLER: &'static str = "maths.divide";
    type Parameters = Fraction;

    /// Panics on a divisor of zero, which fails the attempt and nothing else.
    async fn run(&self, call: Call<Fraction>) -> Outcome {
        let Fraction { dividend, divisor } = call.parameters;
        Outcome::Done(json!({ "quotient": dividend / divisor }))
    }
}

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
    let handlers = Registry::default().with(Divide);
    let function = project.function(Duty::Jobs, ports, &handlers, &settings.queue_url_prefix)?;
    start::serve(function).await
}

fn env(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}
