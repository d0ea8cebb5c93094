//! One deployed stack for all tests of this binary, and what they see it with.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use gantz_testkit::ministack::Ministack;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::roles::{self, signed};

/// Tools whose behaviour is in their names.
const MANIFEST: &str = r#"
name: e2e
version: 1.0.0
tools:
  analyze_file:
    description: Tell what an object is
    handler: s3.analyze_file
    parameters:
      bucket: {type: string, required: true}
      key: {type: string, required: true}
      etag: {type: string}
    lane: files
  echo:
    description: Say it again
    handler: command
    command: {program: sh, args: [tools/echo.sh]}
    parameters:
      text: {type: string}
      n: {type: integer}
  slow:
    description: Say it again after a while
    handler: command
    command: {program: sh, args: ["-c", "sleep 2; cat"]}
    parameters:
      text: {type: string}
  crash:
    description: Die of a signal
    handler: command
    command: {program: sh, args: ["-c", "kill -9 $$"]}
    retry: {max_attempts: 2, first: 1ms, max: 1s}
  too_slow:
    description: Take longer than it may
    handler: command
    command: {program: sleep, args: ["30"]}
    timeout: 1s
    retry: {max_attempts: 2, first: 1ms, max: 1s}
  divide:
    description: Divide, in a worker function of one's own
    handler: maths.divide
    lane: maths
    parameters:
      dividend: {type: integer, required: true}
      divisor: {type: integer, required: true}
    retry: {max_attempts: 2, first: 1ms, max: 1s}
  kill:
    description: Take the worker's own process down
    handler: command
    command: {program: sh, args: ["-c", "kill -9 $PPID"]}
    lane: deadly
    timeout: 1s
    retry: {max_attempts: 1}
  long:
    description: Take longer than a function may, as long as there is a file
    handler: command
    command: {program: sh, args: [tools/long.sh]}
    lane: long
    timeout: 1h
    parameters:
      while: {type: string, required: true}
  counted:
    description: Say it again, in a lane that only processes work
    handler: command
    command: {program: sh, args: [tools/echo.sh]}
    lane: counted
    timeout: 1h
    parameters:
      n: {type: integer}
  mixed:
    description: Say it again after a moment, in a lane that functions and processes work
    handler: command
    command: {program: sh, args: ["-c", "sleep 0.3; cat"]}
    lane: mixed
    parameters:
      n: {type: integer}
  knowing:
    description: Say what it was told in confidence
    handler: command
    command:
      program: sh
      args: ["-c", 'printf "\"%s, %s\"" "$GREETING" "$NAME"']
      env: {GREETING: "${env:GREETING}", NAME: "<${ssm:/e2e/name}>"}
    lane: knowing
    retry: {max_attempts: 1}
  limited:
    description: Say it again, once a second
    handler: command
    command: {program: sh, args: [tools/echo.sh]}
    lane: limited
    timeout: 1h
    rate_limit: {rate: 1/s, burst: 1}
  tick:
    description: Say that time goes by
    handler: command
    command: {program: sh, args: [tools/echo.sh]}
schedules:
  ticking:
    every: rate(1 minute)
    job: {tool: tick}
  nightly:
    every: cron(0 3 * * ? *)
    batch: {tool: analyze_file, s3: {prefix: scheduled/}, new_only: true, tolerate: 5%}
"#;

const ECHO: &str = "cat\n";
/// The parameters are `{"while": NAME}`.
const LONG: &str = r#"name=$(cut -d '"' -f 4)
while [ -e "$name" ]; do sleep 0.2; done
echo '{"is": "over"}'
"#;
/// The programs that the template's functions run.
const PROGRAMS: [&str; 3] = ["gantz-dispatcher", "gantz-worker", "gantz-dead-letter"];
/// How long a busy machine may take for anything in here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A deployed stack.
pub(crate) struct Fleet {
    ministack: Ministack,
    folder: TempDir,
    /// The stack's outputs, by name.
    pub(crate) outputs: BTreeMap<String, String>,
}

/// The fleet that all tests share. The emulator ends with the process.
pub(crate) fn fleet() -> &'static Fleet {
    static FLEET: OnceLock<Fleet> = OnceLock::new();
    FLEET.get_or_init(Fleet::start)
}

impl Fleet {
    pub(crate) const STACK: &'static str = "e2e";

    fn start() -> Self {
        // Roles are enforced, and who called what is recorded.
        let ministack = Ministack::start(&[
            ("AUTH", "true"),
            ("CLOUDTRAIL_RECORDING", "1"),
            ("CLOUDTRAIL_MAX_EVENTS", "1000000"),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = Self { ministack, folder, outputs: BTreeMap::new() };
        fleet.write("gantz.yaml", MANIFEST);
        fleet.write("tools/echo.sh", ECHO);
        fleet.write("tools/long.sh", LONG);
        let programs = fleet.programs();
        strip_programs(&programs);
        let deployed = fleet.deploy(Self::STACK, &["--platform", "aws-lambda"]);
        let deployed = success(&deployed);
        assert_eq!(deployed["status"], "CREATE_COMPLETE", "{deployed}");
        fleet.outputs = serde_json::from_value(deployed["outputs"].clone()).unwrap();
        let endpoint = fleet.ministack.endpoint.clone();
        // The caller's own runtime is busy with the caller.
        let translated = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(roles::translate(&endpoint, Self::STACK));
        });
        translated.join().unwrap();
        fleet
    }

    /// Deploys the project as a stack, with further words of the command.
    pub(crate) fn deploy(&self, stack: &str, more: &[&str]) -> Output {
        self.deployment(stack, more).output().unwrap()
    }

    /// As [`Fleet::deploy`], to be started by the caller.
    pub(crate) fn deployment(&self, stack: &str, more: &[&str]) -> Command {
        self.deployment_of(&self.programs(), stack, more)
    }

    /// Programs that do nothing, for stacks whose functions are never called: they are packed in no time.
    pub(crate) fn no_programs(&self) -> PathBuf {
        let folder = self.scratch("no-programs");
        fs::create_dir_all(&folder).unwrap();
        for program in PROGRAMS {
            fs::write(folder.join(program), "#!/bin/false\n").unwrap();
        }
        folder
    }

    /// As [`Fleet::deployment`], of the programs in a folder.
    pub(crate) fn deployment_of(&self, programs: &Path, stack: &str, more: &[&str]) -> Command {
        let architecture = std::env::consts::ARCH.replace("aarch64", "arm64");
        let words = ["deploy", "--stack", stack, "--region", "us-east-1", "--output", "json"];
        let built = ["--architecture", &architecture, "--artifacts", programs.to_str().unwrap()];
        let built = [&built[..], &["--parameter", "SecretGreeting=hello"]].concat();
        self.command(&[&words[..], &built[..], more].concat())
    }

    /// What an AWS SDK needs to call the emulator.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 4] {
        self.ministack.environment()
    }

    /// Something in the project's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("project").join(name)
    }

    /// Something beside the project: what lies in its folder is packed with it.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The functions' programs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.folder.path().join("programs")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs the command in the project, as somebody with an account does.
    pub(crate) fn gantz(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// As [`Fleet::gantz`], to be started by the caller.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantz"));
        command.current_dir(self.folder.path().join("project")).env_clear().args(words);
        command.envs(self.ministack.environment()).env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    /// The document that a command prints about the stack.
    pub(crate) fn ask(&self, words: &[&str]) -> Value {
        let words: Vec<&str> =
            words.iter().copied().chain(["--stack", Self::STACK, "--output", "json"]).collect();
        success(&self.gantz(&words))
    }

    pub(crate) async fn aws(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("test", "test", None, None, "any"))
            .region(Region::from_static("us-east-1"))
            .endpoint_url(&self.ministack.endpoint)
            .load()
            .await
    }

    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("no output `{name}` in {:?}", self.outputs))
    }

    pub(crate) async fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.aws().await).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// The row of that key, with plain `GetItem`.
    pub(crate) async fn row(&self, id: &str) -> Option<BTreeMap<String, AttributeValue>> {
        self.row_of(self.output("TableName"), id).await
    }

    /// The row of that key in a table.
    pub(crate) async fn row_of(&self, table: &str, id: &str) -> Option<BTreeMap<String, AttributeValue>> {
        let client = aws_sdk_dynamodb::Client::new(&self.aws().await);
        let get = client.get_item().table_name(table).consistent_read(true);
        let answer = get.key("pk", AttributeValue::S(id.to_owned())).send().await.unwrap();
        answer.item.map(|item| item.into_iter().collect())
    }

    /// The row once it has ended.
    pub(crate) async fn ended(&self, id: &str) -> BTreeMap<String, AttributeValue> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let row = self.row(id).await;
            if let Some(row) = &row
                && row.contains_key("finished_at")
            {
                return row.clone();
            }
            assert!(Instant::now() < deadline, "`{id}` does not end: {row:?}; see {}", self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Looks until `seen` is true of what `look` gives.
    pub(crate) async fn until<T: Debug>(&self, look: impl AsyncFn() -> T, seen: impl Fn(&T) -> bool) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = look().await;
            if seen(&value) {
                return value;
            }
            assert!(Instant::now() < deadline, "it does not come: {value:?}; see {}", self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Publishes one event with plain `PutEvents`, and returns its id.
    pub(crate) async fn publish(&self, detail_type: &str, detail: &Value) -> String {
        self.publish_on(self.output("EventBusName"), detail_type, detail).await
    }

    /// As [`Fleet::publish`], on a bus of that name.
    pub(crate) async fn publish_on(&self, name: &str, detail_type: &str, detail: &Value) -> String {
        use aws_sdk_eventbridge::types::PutEventsRequestEntry;
        let bus = aws_sdk_eventbridge::Client::new(&self.aws().await);
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(name)
            .source("my.app")
            .detail_type(detail_type)
            .detail(detail.to_string())
            .build();
        let answer = bus.put_events().entries(entry).send().await.unwrap();
        assert_eq!(answer.failed_entry_count, 0, "{answer:?}");
        answer.entries.unwrap().first().unwrap().event_id.clone().unwrap()
    }

    /// What the stack's function answers to this.
    pub(crate) async fn invoke(&self, function: &str, payload: &Value) -> Value {
        self.invoke_by_name(self.output(function), payload).await
    }

    /// What a function answers to this.
    pub(crate) async fn invoke_by_name(&self, function: &str, payload: &Value) -> Value {
        serde_json::from_str(&self.answer_of(function, payload).await).unwrap()
    }

    /// What a function answers to this, to the byte.
    pub(crate) async fn answer_of(&self, function: &str, payload: &Value) -> String {
        let lambda = aws_sdk_lambda::Client::new(&self.aws().await);
        let call = lambda.invoke().function_name(function);
        let answer = call.payload(payload.to_string().into_bytes().into()).send().await.unwrap();
        let text = String::from_utf8(answer.payload.unwrap().into_inner()).unwrap();
        assert_eq!(answer.function_error, None, "{text}");
        text
    }

    /// Whether the owner of the key has made the call, by the name that AWS CloudTrail has for it.
    pub(crate) async fn has_called(&self, key: &str, call: &str) -> bool {
        let of = |key: &str, value: &str| json!({"AttributeKey": key, "AttributeValue": value});
        let asked = json!({"LookupAttributes": [of("AccessKeyId", key), of("EventName", call)]});
        let answer: Value = reqwest::Client::new()
            .post(format!("{}/", self.ministack.endpoint))
            .header("x-amz-target", "CloudTrail_20131101.LookupEvents")
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", signed("cloudtrail"))
            .body(asked.to_string())
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        !answer["Events"].as_array().unwrap().is_empty()
    }

    /// Sends messages as they are, to the queue whose name ends like this.
    pub(crate) async fn send(&self, queue: &str, bodies: &[String]) {
        let sqs = aws_sdk_sqs::Client::new(&self.aws().await);
        for body in bodies {
            let url = format!("{}{queue}", self.output("QueueUrlPrefix"));
            sqs.send_message().queue_url(url).message_body(body).send().await.unwrap();
        }
    }

    /// Waits until nothing is on these queues, nor with a worker.
    pub(crate) async fn emptied(&self, queues: &[&str]) {
        use aws_sdk_sqs::types::QueueAttributeName as Attribute;
        let sqs = aws_sdk_sqs::Client::new(&self.aws().await);
        for queue in queues {
            let url = format!("{}{queue}", self.output("QueueUrlPrefix"));
            let depth = async || {
                let ask = sqs.get_queue_attributes().queue_url(&url).attribute_names(Attribute::All);
                let all = ask.send().await.unwrap().attributes.unwrap();
                let of = |name| all.get(&name).map_or(0, |text| text.parse::<u64>().unwrap());
                of(Attribute::ApproximateNumberOfMessages)
                    + of(Attribute::ApproximateNumberOfMessagesNotVisible)
            };
            self.until(depth, |depth| *depth == 0).await;
        }
    }

    /// The emulator's address.
    pub(crate) fn endpoint(&self) -> &str {
        &self.ministack.endpoint
    }

    fn log(&self) -> String {
        self.ministack.log.display().to_string()
    }
}

/// How many of something: few, or as many as this environment variable says.
pub(crate) fn size(variable: &str, few: usize) -> usize {
    let asked = std::env::var(variable).ok();
    asked.map_or(few, |number| number.parse().unwrap_or_else(|error| panic!("{variable}: {error}")))
}

/// A command's document; its errors if it failed.
pub(crate) fn success(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}{text}", output.status);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{errors}"))
}

/// Puts the functions' programs into a folder, without what only debuggers read.
fn strip_programs(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let built = Path::new(env!("CARGO_BIN_EXE_gantz")).parent().unwrap();
    for program in PROGRAMS {
        let (from, to) = (built.join(program), folder.join(program));
        assert!(from.is_file(), "`{}` is not built: run the tests of the whole workspace", from.display());
        let stripped = Command::new("strip").arg("-o").arg(&to).arg(&from).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// A string of a row.
pub(crate) fn text<'a>(row: &'a BTreeMap<String, AttributeValue>, name: &str) -> &'a str {
    row.get(name).and_then(|value| value.as_s().ok()).map(String::as_str).unwrap_or_default()
}

/// A number of a row.
pub(crate) fn number(row: &BTreeMap<String, AttributeValue>, name: &str) -> u64 {
    row.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The kind and the message of a row's error.
pub(crate) fn error(row: &BTreeMap<String, AttributeValue>) -> (&str, &str) {
    let error = row.get("error").and_then(|value| value.as_m().ok());
    let text = |name: &str| error.and_then(|error| error.get(name)).and_then(|value| value.as_s().ok());
    (text("kind").map_or("", String::as_str), text("message").map_or("", String::as_str))
}
