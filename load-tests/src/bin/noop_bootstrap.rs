//! A function that does nothing: the least that a Rust program on AWS Lambda takes to start.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        Ok::<_, lambda_runtime::Error>(event.payload)
    }))
    .await
}
