//! The tools that call AWS, on an emulator that runs the functions, and against answers that it never gives.

use gantz_testkit::fault_table::{Level, fault};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_sdk_lambda::config::{Credentials, Region};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, LoggingConfig, Runtime};
use gantz_aws::Session;
use gantz_aws::tools::{CreateFunction, CreateFunctionSettings, GetLogs, Invoke, ListFunctions};
use gantz_core::host::Clock;
use gantz_core::ids::JobId;
use gantz_core::outcome::{ErrorKind, Failure, Outcome, Retry};
use gantz_core::ports::{ByteReader, ByteSource, Opened, Place, SourceError};
use gantz_core::tool::{Call, Tool};
use gantz_testkit::ministack::Ministack;
use gantz_testkit::scripted::{Answer, Scripted};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ROLE: &str = "arn:aws:iam::000000000000:role/new";
const CODE: &str = r#"
def handler(event, context):
    print("seen", event.get("data"))
    if event.get("fail"):
        raise ValueError("no " + event["fail"])
    return {"echo": event}
"#;

/// Ends with the process.
static EMULATOR: LazyLock<Ministack> = LazyLock::new(|| Ministack::start(&[]));

async fn session() -> Arc<Session> {
    Arc::new(Session::emulated(EMULATOR.endpoint.clone()).await)
}

async fn config() -> aws_config::SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let any = Credentials::new("test", "test", None, None, "any");
    let loader = loader.credentials_provider(any).region(Region::from_static("us-east-1"));
    loader.endpoint_url(&EMULATOR.endpoint).load().await
}

/// A zip archive of the code, stored as it is.
fn zipped() -> Vec<u8> {
    let (name, code) = (b"code.py", CODE.as_bytes());
    let size = u32::try_from(code.len()).unwrap();
    let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x28];
    for number in [crc32(code), size, size, u32::try_from(name.len()).unwrap()] {
        about.extend(number.to_le_bytes());
    }
    let entry = [b"PK\x03\x04", &*about, name, code].concat();
    // Nothing more is said of it, and it begins at the beginning; anybody may read it.
    let more = [0, 0, 0, 0, 0, 0, 0, 0, 0xA4, 0x81, 0, 0, 0, 0];
    let directory = [b"PK\x01\x02\x14\x03", &*about, &more, name].concat();
    let mut end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec();
    for number in [directory.len(), entry.len()] {
        end.extend(u32::try_from(number).unwrap().to_le_bytes());
    }
    [entry, directory, end, vec![0, 0]].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xEDB8_8320 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

/// A function made without our tools.
async fn function(lambda: &aws_sdk_lambda::Client, name: &str) {
    let code = FunctionCode::builder().zip_file(Blob::new(zipped())).build();
    let request =
        lambda.create_function().function_name(name).runtime(Runtime::from("python3.11")).role(ROLE);
    request.handler("code.handler").code(code).timeout(30).send().await.unwrap();
}

async fn call<T: Tool>(tool: &T, job_id: &str, parameters: Value) -> Result<Value, Failure> {
    let parameters = serde_json::from_value(parameters).unwrap();
    let job_id = JobId::try_new(job_id).unwrap();
    let effect_key = job_id.clone();
    let call = Call {
        job_id,
        effect_key,
        tool: "tool".into(),
        attempt: 1,
        timeout_ms: 60_000,
        trace: None,
        parameters,
    };
    match tool.run(call).await {
        Outcome::Done(value) => Ok(value),
        Outcome::Failed(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

fn check_failure(result: Result<Value, Failure>, kind: ErrorKind, retry: Retry, part: &str) {
    let failure = result.unwrap_err();
    assert_eq!((failure.kind, failure.retry), (kind, retry), "{}", failure.message);
    assert!(failure.message.contains(part), "{}", failure.message);
}

fn clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "a runner brings the clock")]
    let now = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    Clock::new(now)
}

#[tokio::test]
async fn functions_are_invoked_and_their_logs_read() {
    let lambda = aws_sdk_lambda::Client::new(&config().await);
    function(&lambda, "echo").await;
    let invoke = Invoke::new(session().await);
    let payload = json!({ "action": "analyze", "data": "test" });
    let done =
        call(&invoke, "job-00001", json!({ "function_name": "echo", "payload": payload })).await.unwrap();
    let expected = json!({
        "status_code": 200,
        "function_error": null,
        "executed_version": "$LATEST",
        "response": { "echo": payload },
    });
    assert_eq!(done, expected);

    let failing = json!({ "function_name": "echo", "payload": { "fail": "luck" }, "invocation_type": "RequestResponse" });
    let failed = call(&invoke, "job-00002", failing).await;
    // The emulator calls every class of error by the same name.
    check_failure(failed, ErrorKind::FunctionError, Retry::Backoff, ": no luck");

    let event =
        json!({ "function_name": "echo", "payload": { "data": "later" }, "invocation_type": "Event" });
    let done = call(&invoke, "job-00003", event).await.unwrap();
    assert_eq!(done, json!({ "status_code": 202, "message": "Function echo invoked asynchronously" }));

    let missing = call(&invoke, "job-00004", json!({ "function_name": "nobody", "payload": {} })).await;
    check_failure(missing, ErrorKind::NotFound, Retry::Never, "nobody");

    let logs = until_logged("echo", "seen later").await;
    let messages: Vec<_> =
        logs["entries"].as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap()).collect();
    assert!(messages.contains(&"seen test"), "{messages:?}");
    let stamps: Vec<_> =
        logs["entries"].as_array().unwrap().iter().map(|entry| entry["timestamp"].as_str()).collect();
    assert!(stamps.is_sorted_by(|newer, older| newer >= older), "{stamps:?}");
    assert!(logs["entries"][0]["stream"].is_string());
    assert_eq!(logs["function"], "echo");
    assert_eq!(logs["log_group"], "/aws/lambda/echo");
    assert_eq!(logs["time_range"], "Last 15 minutes");
    assert_eq!(logs["complete"], true);
}

/// The logs of a function once they have this line.
async fn until_logged(function_name: &str, line: &str) -> Value {
    let get_logs = GetLogs::new(session().await, clock());
    let look = async {
        loop {
            let logs = call(&get_logs, "job-00005", json!({ "function_name": function_name })).await.unwrap();
            if logs["entries"].as_array().unwrap().iter().any(|entry| entry["message"] == line) {
                return logs;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.unwrap()
}

#[tokio::test]
async fn logs_are_found_where_the_function_keeps_them() {
    let lambda = aws_sdk_lambda::Client::new(&config().await);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config().await);
    logs.create_log_group().log_group_name("fleet-WorkerLog-1").send().await.unwrap();
    function(&lambda, "elsewhere").await;
    let elsewhere = LoggingConfig::builder().log_group("fleet-WorkerLog-1").build();
    let update = lambda.update_function_configuration().function_name("elsewhere");
    update.logging_config(elsewhere).send().await.unwrap();
    let invoke = Invoke::new(session().await);
    let parameters = json!({ "function_name": "elsewhere", "payload": { "data": "here" } });
    call(&invoke, "job-00001", parameters).await.unwrap();
    let logs = until_logged("elsewhere", "seen here").await;
    assert_eq!(logs["log_group"], "fleet-WorkerLog-1");
}

#[tokio::test]
async fn logs_are_the_newest_of_many() {
    let shown = fault(40, Level::Wire);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config().await);
    let group = "/aws/lambda/chatty";
    logs.create_log_group().log_group_name(group).send().await.unwrap();
    logs.create_log_stream().log_group_name(group).log_stream_name("s").send().await.unwrap();
    let now_ms = clock().now_ms();
    let event = |n: u64| {
        let at_ms = i64::try_from(now_ms - 600_000 + n * 2_000).unwrap();
        let event = aws_sdk_cloudwatchlogs::types::InputLogEvent::builder().timestamp(at_ms);
        event.message(format!("line {n}\n")).build().unwrap()
    };
    let put = logs.put_log_events().log_group_name(group).log_stream_name("s");
    put.set_log_events(Some((0..300).map(event).collect())).send().await.unwrap();

    let get_logs = GetLogs::new(session().await, Clock::new(move || now_ms));
    let found =
        call(&get_logs, "job-00001", json!({ "function_name": "chatty", "minutes": 15 })).await.unwrap();
    let messages: Vec<_> =
        found["entries"].as_array().unwrap().iter().map(|entry| entry["message"].clone()).collect();
    let expected: Vec<_> = (200..300).rev().map(|n| format!("line {n}")).collect();
    assert_eq!(messages, expected);
    assert_eq!(found["complete"], false);

    let found =
        call(&get_logs, "job-00001", json!({ "function_name": "chatty", "minutes": 1 })).await.unwrap();
    assert_eq!(found["entries"].as_array().unwrap().len(), 30);
    assert_eq!((&found["complete"], found.get("why")), (&json!(true), None));

    let missing = call(&get_logs, "job-00001", json!({ "function_name": "silent" })).await;
    check_failure(missing, ErrorKind::NotFound, Retry::Never, "/aws/lambda/silent");
    let wrong = call(&get_logs, "job-00001", json!({ "function_name": "chatty", "minutes": 0 })).await;
    check_failure(wrong, ErrorKind::Invalid, Retry::Never, "`minutes` is 0");
    shown.in_runs(1, "complete over pages");
}

#[tokio::test]
async fn functions_are_filtered_before_they_are_counted() {
    let row = fault(40, Level::Wire);
    let lambda = aws_sdk_lambda::Client::new(&config().await);
    for n in 0..60 {
        function(&lambda, &format!("many-{n:02}")).await;
    }
    function(&lambda, "zzz-last").await;
    let list = ListFunctions::new(session().await);

    // On the second page of all functions, whatever the limit.
    let found = call(&list, "job-00001", json!({ "prefix": "zzz-", "max_items": 1 })).await.unwrap();
    let function = &found["functions"][0];
    let shown = json!({
        "name": "zzz-last", "runtime": "python3.11", "memory": 128, "timeout": 30, "handler": "code.handler",
        "last_modified": function["last_modified"], "code_size": zipped().len(),
    });
    assert_eq!((function, &found["count"]), (&shown, &json!(1)));
    assert!(function["last_modified"].is_string());
    assert_eq!((&found["complete"], found.get("why")), (&json!(true), None));

    let found = call(&list, "job-00001", json!({ "prefix": "many-", "max_items": 100 })).await.unwrap();
    assert_eq!((&found["count"], &found["complete"]), (&json!(60), &json!(true)));

    let found = call(&list, "job-00001", json!({ "prefix": "many-" })).await.unwrap();
    assert_eq!((&found["count"], &found["complete"]), (&json!(50), &json!(false)));
    assert_eq!(found["why"], "there are more than `max_items`, 50");

    let found = call(&list, "job-00001", json!({ "prefix": "nothing-" })).await.unwrap();
    assert_eq!(found, json!({ "count": 0, "functions": [], "complete": true }));
    let wrong = call(&list, "job-00001", json!({ "max_items": 0 })).await;
    check_failure(wrong, ErrorKind::Invalid, Retry::Never, "`max_items` is 0");
    row.in_runs(1, "filtered before the limit");
}

/// Files of a test.
struct Files(BTreeMap<String, Vec<u8>>);

struct FileReader(Vec<u8>);

#[async_trait]
impl ByteSource for Files {
    async fn open(&self, place: &Place) -> Result<Opened, SourceError> {
        let Place::File { path } = place else { panic!("{place:?}") };
        let bytes = self.0.get(path).cloned().ok_or_else(|| SourceError::NotFound { place: path.clone() })?;
        Ok(Opened { size_bytes: bytes.len() as u64, version: None, reader: Box::new(FileReader(bytes)) })
    }
}

#[async_trait]
impl ByteReader for FileReader {
    /// A few bytes at a time, as a reader may.
    async fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let rest = &self.0[usize::try_from(offset).unwrap()..];
        let size = rest.len().min(buffer.len()).min(100);
        buffer[..size].copy_from_slice(&rest[..size]);
        Ok(size)
    }
}

fn settings(dir: &'static str) -> CreateFunctionSettings {
    CreateFunctionSettings::read(move |variable| match variable {
        CreateFunctionSettings::DIR => Some(dir.into()),
        CreateFunctionSettings::ROLE => Some(ROLE.into()),
        _ => None,
    })
}

#[tokio::test]
async fn a_function_is_created_once_per_job() {
    let files = Files(BTreeMap::from([("new.zip".into(), zipped()), ("no.zip".into(), b"plain".to_vec())]));
    let create = CreateFunction::new(session().await, settings("/code")).with_files(files);
    let new = |code_path: &str| json!({ "function_name": "made", "handler": "code.handler", "code_path": code_path });

    let made = call(&create, "job-00001", new("new.zip")).await.unwrap();
    assert_eq!(made["function_name"], "made");
    assert!(made["function_arn"].as_str().unwrap().ends_with(":function:made"), "{made}");
    assert_eq!(made["runtime"], "python3.11");
    assert!(made["state"].is_string(), "{made}");
    assert_eq!(made["message"], "Function created successfully");

    let again = call(&create, "job-00001", new("new.zip")).await.unwrap();
    assert_eq!(again["function_arn"], made["function_arn"]);
    let other = call(&create, "job-00002", new("new.zip")).await;
    check_failure(other, ErrorKind::ToolError, Retry::Never, "Function made already exists");

    let lambda = aws_sdk_lambda::Client::new(&config().await);
    let found = lambda.get_function().function_name("made").send().await.unwrap();
    let tags: BTreeMap<_, _> = found.tags().unwrap().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        tags,
        BTreeMap::from([("CreatedBy", "gantz-mcp"), ("Purpose", "ai-agent"), ("GantzJobId", "job-00001")])
    );
    let configuration = found.configuration().unwrap();
    assert_eq!((configuration.memory_size(), configuration.timeout()), (Some(256), Some(30)));
    assert_eq!(configuration.role(), Some(ROLE));

    let invoke = Invoke::new(session().await);
    let done = call(&invoke, "job-00003", json!({ "function_name": "made", "payload": { "data": 1 } }))
        .await
        .unwrap();
    assert_eq!(done["response"], json!({ "echo": { "data": 1 } }));
}

#[tokio::test]
async fn only_allowed_packages_become_functions() {
    let session = session().await;
    let new = |name: &str, code_path: &str| json!({ "function_name": name, "handler": "h.h", "code_path": code_path });
    let off = CreateFunction::new(Arc::clone(&session), CreateFunctionSettings::default());
    let refused = call(&off, "job-00001", new("off", "new.zip")).await;
    check_failure(refused, ErrorKind::AccessDenied, Retry::Never, "GANTZ_CREATE_FUNCTION_ROLE");

    let files = Files(BTreeMap::from([("no.zip".into(), b"plain".to_vec())]));
    let create = CreateFunction::new(Arc::clone(&session), settings("/code")).with_files(files);
    let refused = call(&create, "job-00001", new("f", "no.zip")).await;
    check_failure(refused, ErrorKind::Invalid, Retry::Never, "no zip archive");
    let refused = call(&create, "job-00001", new("f", "gone.zip")).await;
    check_failure(refused, ErrorKind::NotFound, Retry::Never, "gone.zip");
    let refused = call(&create, "job-00001", new("f", "s3://packages/new.zip")).await;
    check_failure(refused, ErrorKind::AccessDenied, Retry::Never, "the worker's folder");
    let refused = call(&create, "job-00001", new("no such", "no.zip")).await;
    check_failure(refused, ErrorKind::Invalid, Retry::Never, "`function_name`");

    let config = config().await;
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(s3);
    s3.create_bucket().bucket("packages").send().await.unwrap();
    s3.put_object().bucket("packages").key("code/new.zip").body(zipped().into()).send().await.unwrap();
    let create = CreateFunction::new(session, settings("s3://packages/code"));
    let made = call(&create, "job-00001", new("from-s3", "s3://packages/code/new.zip")).await.unwrap();
    assert_eq!(made["function_name"], "from-s3");
}

#[tokio::test]
async fn an_invocation_is_sent_once_and_carries_the_jobs_id() {
    let shown_32 = fault(32, Level::Wire);
    let shown_36 = fault(36, Level::Wire);
    let headers = [("x-amzn-errortype", "TooManyRequestsException"), ("retry-after", "7")];
    let headers = headers.map(|(name, value)| (name, value.to_owned())).into();
    let throttled = Answer::Says(429, headers, br#"{"Message": "Rate Exceeded."}"#.to_vec());
    let scripted = Scripted::start([throttled]);
    let invoke = Invoke::new(Arc::new(Session::emulated(scripted.endpoint.clone()).await));
    let parameters = json!({ "function_name": "busy", "payload": { "a": 1 } });
    let result = call(&invoke, "job-00001", parameters.clone()).await;
    check_failure(result, ErrorKind::Throttled, Retry::After(7_000), "Rate Exceeded.");
    let [request] = &scripted.requests()[..] else { panic!("it was sent again") };
    let context = request.header("x-amz-client-context").unwrap();
    let context: Value = serde_json::from_slice(&aws_smithy_types::base64::decode(context).unwrap()).unwrap();
    assert_eq!(
        context,
        json!({ "custom": { "gantz_job_id": "job-00001", "gantz_tool": "tool", "gantz_attempt": 1 } })
    );

    let scripted = Scripted::start([Answer::HangUp]);
    let invoke = Invoke::new(Arc::new(Session::emulated(scripted.endpoint.clone()).await));
    let result = call(&invoke, "job-00001", parameters).await;
    check_failure(result, ErrorKind::Unavailable, Retry::Backoff, "may or may not have happened");
    assert_eq!(scripted.requests().len(), 1, "it was sent again");
    shown_32.in_runs(1, "one request, though it was throttled, or its answer never came");
    shown_36.in_runs(1, "one request, though it was throttled, or its answer never came");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let session = Arc::new(Session::emulated(format!("http://{free}")).await);
    let result =
        call(&Invoke::new(session), "job-00001", json!({ "function_name": "f", "payload": {} })).await;
    check_failure(result, ErrorKind::Unavailable, Retry::Backoff, "Invoke");
}
