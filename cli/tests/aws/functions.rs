//! Functions as AWS sees them: their code, and the events that they are invoked with.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use gantz_testkit::runtime_api::RuntimeApi;
use serde_json::{Value, json};
use tokio::process::Command;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::fleet::Fleet;

/// A request as the HTTP API passes it on.
pub(crate) fn request(method: &str, target: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": {},
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4", "userAgent": "any"},
            "requestId": "any", "routeKey": "$default", "stage": "$default",
        },
        "isBase64Encoded": false,
    })
}

impl Fleet {
    /// The ARN of the stack's queue of that name.
    pub(crate) fn queue_arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:us-east-1:000000000000:{}-{queue}", Self::STACK)
    }

    /// One record of an event source mapping, whose message no queue holds.
    pub(crate) fn record(&self, queue: &str, message_id: &str, body: &str) -> Value {
        json!({
            "messageId": message_id,
            "receiptHandle": format!("receipt of {message_id}"),
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1700000000000",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                "ApproximateFirstReceiveTimestamp": "1700000000001",
            },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": self.queue_arn(queue),
            "awsRegion": "us-east-1",
        })
    }

    /// A program as AWS Lambda runs it for the function of that name, with the function's package in a folder. It does not
    /// outlive the test.
    pub(crate) async fn bootstrap(
        &self,
        program: &Path,
        function: &str,
        api: &RuntimeApi,
        package: &Path,
    ) -> Command {
        let lambda = aws_sdk_lambda::Client::new(&self.aws().await);
        let function = lambda.get_function_configuration().function_name(function).send().await.unwrap();
        let mut command = Command::new(program);
        command.env_clear().envs(function.environment.unwrap().variables.unwrap());
        command.envs(self.environment()).envs(api.environment(&function.function_name.unwrap()));
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("LAMBDA_TASK_ROOT", package);
        command.current_dir(package).kill_on_drop(true);
        command
    }

    /// Has the stack's function run another program.
    pub(crate) async fn swap(&self, function: &str, program: &Path) {
        let lambda = aws_sdk_lambda::Client::new(&self.aws().await);
        let update = lambda.update_function_code().function_name(self.output(function));
        update.zip_file(Blob::new(self.package(program))).send().await.unwrap();
    }

    /// Has a lane's function work its queue, or not.
    pub(crate) async fn feed(&self, lane: &str, enabled: bool) {
        let lambda = aws_sdk_lambda::Client::new(&self.aws().await);
        let queue = self.queue_arn(&format!("lane-{lane}"));
        let found = lambda.list_event_source_mappings().event_source_arn(queue).send().await.unwrap();
        let [source] = found.event_source_mappings() else { panic!("{found:?}") };
        let update = lambda.update_event_source_mapping().uuid(source.uuid().unwrap());
        update.enabled(enabled).send().await.unwrap();
    }

    /// Makes a function like the stack's, which has other seconds to answer.
    pub(crate) async fn twin(&self, name: &str, function: &str, program: &Path, seconds: i32) {
        let lambda = aws_sdk_lambda::Client::new(&self.aws().await);
        let model =
            lambda.get_function_configuration().function_name(self.output(function)).send().await.unwrap();
        let variables = model.environment.unwrap().variables.unwrap();
        lambda
            .create_function()
            .function_name(name)
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .role(model.role.unwrap())
            .timeout(seconds)
            .environment(Environment::builder().set_variables(Some(variables)).build())
            .code(FunctionCode::builder().zip_file(Blob::new(self.package(program))).build())
            .send()
            .await
            .unwrap();
    }

    /// Makes a function of one file of Python, which has a `handler`.
    pub(crate) async fn foreign(&self, name: &str, file: &str, program: &str) {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(file, SimpleFileOptions::default()).unwrap();
        zip.write_all(program.as_bytes()).unwrap();
        let code = Blob::new(zip.finish().unwrap().into_inner());
        let lambda = aws_sdk_lambda::Client::new(&self.aws().await);
        // Any role will do, but it has to be there.
        let other = self.output("DispatcherFunction");
        let other = lambda.get_function_configuration().function_name(other).send().await.unwrap();
        lambda
            .create_function()
            .function_name(name)
            .runtime(Runtime::Python312)
            .handler(format!("{}.handler", file.trim_end_matches(".py")))
            .role(other.role.unwrap())
            .code(FunctionCode::builder().zip_file(code).build())
            .send()
            .await
            .unwrap();
    }

    /// A package of the program and the project.
    fn package(&self, program: &Path) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let files = ["gantz.yaml", "tools/echo.sh"].map(|name| (name, self.path(name)));
        for (name, path) in files.into_iter().chain([("bootstrap", program.to_owned())]) {
            zip.start_file(name, SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
            zip.write_all(&fs::read(path).unwrap()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }
}
