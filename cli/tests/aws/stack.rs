//! The stack itself: what it changes, and what its functions may do.

use std::fmt::Debug;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::failures::hasten_killers;
use crate::fleet::{Fleet, fleet, success, text};
use crate::functions::request;
use crate::records;
use crate::roles::{self, PERMITTED_BY, Role, Session};

/// What AWS Lambda itself does as the function.
const BY_LAMBDA: [&str; 5] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];
/// A dispatcher that has no time to plan anything.
const HASTY: &str = "e2e-hasty-dispatcher";

/// The same call, for what an object was before.
const ALSO_PERMITTED_BY: [(&str, &str); 1] = [("s3:GetObject", "s3:GetObjectVersion")];

/// What the role permits and none of these functions has called.
async fn unused(fleet: &Fleet, functions: &[&str], role: &Role) -> Vec<String> {
    let mut unused = Vec::new();
    let not_ours: Vec<&str> = PERMITTED_BY.iter().map(|(call, _)| *call).chain(BY_LAMBDA).collect();
    for action in role.actions().into_iter().filter(|action| !not_ours.contains(&action.as_str())) {
        let emulated = PERMITTED_BY
            .iter()
            .chain(&ALSO_PERMITTED_BY)
            .filter(|(_, by)| *by == action)
            .map(|(call, _)| *call);
        let calls = emulated.chain([action.as_str()]).filter_map(|call| call.split_once(':'));
        let mut called = false;
        for ((_, call), function) in calls.flat_map(|call| functions.iter().map(move |one| (call, one))) {
            called = called || fleet.has_called(&Session::of(function, role).key, call).await;
        }
        if !called {
            unused.push(action);
        }
    }
    unused
}

/// Has the functions do the less usual of what they do.
async fn provoke(fleet: &Fleet) {
    let uploads = format!("s3://{}/", fleet.output("UploadsBucket"));
    // Too large for a message, and a result too large for a row.
    let large = json!({"tool": "echo", "parameters": {"text": "x".repeat(70_000)}, "job_id": "large-0001"});
    fleet.invoke("DispatcherFunction", &large).await;
    let nothing =
        json!({"tool": "analyze_file", "s3": format!("{uploads}nothing/"), "batch_id": "nothing-0001"});
    fleet.publish("Gantz Batch", &nothing).await;
    let some = json!({"tool": "echo", "items": [{"n": 1}, {"n": 2}], "batch_id": "some-0001"});
    fleet.publish("Gantz Batch", &some).await;
    fleet.ended("large-0001").await;
    fleet.ended("batch#some-0001").await;
    fleet.ended("batch#nothing-0001").await;
    for path in ["/jobs", "/jobs/large-0001/result", "/batches/some-0001", "/jobs?batch=some-0001"] {
        let answer = fleet.invoke("DispatcherFunction", &request("GET", path)).await;
        assert_eq!(answer["statusCode"], 200, "{path}: {answer}");
    }

    // Of so many, some still wait when they are cancelled.
    let slow = json!({"tool": "too_slow", "items": vec![json!({}); 100], "lane": "bulk", "batch_id": "unwanted-0001"});
    fleet.invoke("DispatcherFunction", &slow).await;
    fleet
        .until(
            async || fleet.ask(&["status", "unwanted-0001"])["planned"].clone(),
            |planned| *planned == json!(100),
        )
        .await;
    let cancelled = fleet.invoke("DispatcherFunction", &request("POST", "/jobs/unwanted-0001/cancel")).await;
    assert!(cancelled["statusCode"].as_u64().unwrap() < 300, "{cancelled}");
    assert_eq!(text(&fleet.ended("batch#unwanted-0001").await, "status"), "CANCELLED");

    // What cannot be planned in the time there is comes back at once.
    fleet.twin(HASTY, "DispatcherFunction", &fleet.programs().join("gantz-dispatcher"), 5).await;
    unplanned(fleet, "unwanted-0001", "hasty-0001").await;
    let place = json!({"bucket": fleet.output("UploadsBucket"), "prefix": "hasty/"});
    let plan = json!({"plan": "batch", "batch_id": "hasty-0001", "source": {"objects": place}, "shared": {}});
    let event = json!({"Records": [fleet.record("plan", "plan-0001", &plan.to_string())]});
    let answer = fleet.invoke_by_name(HASTY, &event).await;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "plan-0001"}]}));

    // One that never ran, of which nothing is recorded, and one that is no longer worth doing.
    let lost = records::envelope("lost-0001", "echo", "fast", &json!({}));
    let mut late = records::envelope("late-0001", "echo", "fast", &json!({}));
    late["deadline"] = json!(1_700_000_000_001_u64);
    fleet.send("dead-fast", &[lost.to_string(), late.to_string()]).await;
    assert_eq!(text(&fleet.ended("lost-0001").await, "status"), "SUCCEEDED");
    assert_eq!(text(&fleet.ended("late-0001").await, "status"), "EXPIRED");
    hasten_killers(fleet).await;
    fleet.publish("Gantz Batch", &json!({"tool": "kill", "items": [{}], "batch_id": "killers-0001"})).await;
    fleet.ended("batch#killers-0001").await;
    fleet.publish("Gantz Job", &json!({"tool": "crash", "parameters": {}, "job_id": "twice-0001"})).await;
    fleet.ended("twice-0001").await;
}

/// A batch whose planning has not begun, made of the row of one that has ended.
async fn unplanned(fleet: &Fleet, ended: &str, id: &str) {
    let mut row = fleet.row(&format!("batch#{ended}")).await.unwrap();
    for gone in
        ["finished_at", "expires_at", "cancel_requested_at", "ended_by", "cursor", "page", "planning_error"]
    {
        row.remove(gone);
    }
    row.insert("pk".into(), AttributeValue::S(format!("batch#{id}")));
    row.insert("batch_id".into(), AttributeValue::S(id.into()));
    row.insert("status".into(), AttributeValue::S("RUNNING".into()));
    row.insert("planned".into(), AttributeValue::N("0".into()));
    row.insert("planning_done".into(), AttributeValue::Bool(false));
    let client = aws_sdk_dynamodb::Client::new(&fleet.aws().await);
    let put = client.put_item().table_name(fleet.output("TableName"));
    put.set_item(Some(row.into_iter().collect())).send().await.unwrap();
}

// That nothing is missing is shown by every test here: the emulator enforces the roles.
#[tokio::test]
async fn roles_permit_what_is_called_and_nothing_else() {
    let fleet = fleet();
    provoke(fleet).await;
    let roles = roles::of_stack(fleet.endpoint(), Fleet::STACK).await;
    let role = |name: &str| roles.iter().find(|role| role.arn.contains(name)).unwrap();
    let functions = [
        (role("DispatcherRole"), vec![fleet.output("DispatcherFunction"), HASTY]),
        (role("AgentWorkerRole"), vec![fleet.output("AgentWorkerFunction")]),
        (role("DeadLetterRole"), vec![fleet.output("DeadLetterFunction")]),
    ];
    // Set aside by the function, unless a process that works the lane as well takes it first.
    let worker = Session::of(fleet.output("AgentWorkerFunction"), role("AgentWorkerRole")).key;
    let set_aside = async || {
        fleet.send("lane-fast", &["no envelope".to_owned()]).await;
        fleet.has_called(&worker, "SendMessage").await
    };
    fleet.until(set_aside, |called| *called).await;
    let all_unused = async || {
        let mut all = Vec::new();
        for (role, functions) in &functions {
            all.push((&role.arn, unused(fleet, functions, role).await));
        }
        all
    };
    fleet.until(all_unused, |all| all.iter().all(|(_, unused)| unused.is_empty())).await;
    // The queues of all lanes, which jobs name; the objects of one bucket; the streams of one log group.
    let open_ended = ["-lane-*", "-dead-*", "-parked-*", "/*", "Log:*"];
    for role in &roles {
        let wide = role.resources().into_iter().filter(|resource| resource.contains(['*', '?']));
        for resource in wide {
            let is_known = open_ended.iter().any(|end| resource.strip_suffix(end).is_some_and(is_one_thing));
            assert!(is_known, "{resource} in {role:?}");
        }
    }
    // All lanes' functions are given the same, but for the names of their lanes. (Log groups have generated names.)
    let fast = role("AgentWorkerRole").without_lane("fast");
    let others =
        [("AsyncWorkerRole", "bulk"), ("LaneFilesWorkerRole", "files"), ("LaneMathsWorkerRole", "maths")];
    for (name, lane) in others {
        assert_eq!(role(name).without_lane(lane), fast, "{name}");
    }
    what_a_role_does_not_permit_is_denied(fleet, role("AgentWorkerRole")).await;
}

fn is_one_thing(resource: &str) -> bool {
    !resource.contains(['*', '?']) && !resource.ends_with(':')
}

/// Without this, nothing here would show anything.
async fn what_a_role_does_not_permit_is_denied(fleet: &Fleet, worker: &Role) {
    let aws = Session::of(fleet.output("AgentWorkerFunction"), worker).aws(fleet).await;
    let table = aws_sdk_dynamodb::Client::new(&aws);
    let key = || AttributeValue::S("lost-0001".to_owned());
    let get = table.get_item().table_name(fleet.output("TableName")).key("pk", key());
    assert!(get.send().await.unwrap().item.is_some());
    // An action that it has on nothing, and one that it has on something else.
    let delete = table.delete_item().table_name(fleet.output("TableName")).key("pk", key());
    assert_denied(delete.send().await);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let url = |queue: &str| format!("{}{queue}", fleet.output("QueueUrlPrefix"));
    assert_denied(sqs.send_message().queue_url(url("lane-fast")).message_body("any").send().await);
    assert_denied(sqs.receive_message().queue_url(url("lane-bulk")).send().await);
    assert!(fleet.row("lost-0001").await.is_some());
}

fn assert_denied<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(answer: Result<T, SdkError<E, R>>) {
    let error = answer.unwrap_err();
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    assert!(code.starts_with("AccessDenied"), "{error:?}");
}

#[tokio::test]
async fn nothing_changed_is_nothing_to_do() {
    assert_eq!(success(&fleet().deploy(Fleet::STACK, &[]))["status"], "UNCHANGED");
}

#[tokio::test]
async fn a_stack_is_changed_after_a_look_at_what_would_change() {
    const STACK: &str = "changing";
    let fleet = fleet();
    let level = async |outputs: &Value| {
        let lambda = aws_sdk_lambda::Client::new(&fleet.aws().await);
        let name = outputs["DispatcherFunction"].as_str().unwrap();
        let function = lambda.get_function_configuration().function_name(name).send().await.unwrap();
        function.environment.unwrap().variables.unwrap().remove("RUST_LOG").unwrap()
    };
    let programs = fleet.no_programs();
    let deploy = |words: &[&str]| success(&fleet.deployment_of(&programs, STACK, words).output().unwrap());
    let looked = deploy(&["--dry-run"]);
    assert!(looked["changes"].as_array().is_some_and(|changes| !changes.is_empty()), "{looked}");

    let made = deploy(&[]);
    assert_eq!(made["status"], "CREATE_COMPLETE");
    let before = level(&made["outputs"]).await;
    let topic = "AlarmTopic=arn:aws:sns:us-east-1:000000000000:alarms";
    let debug = ["--parameter", "LogLevel=debug", "--parameter", topic];
    let looked = deploy(&[&debug[..], &["--dry-run"]].concat());
    let changes = looked["changes"].as_array().unwrap();
    for resource in ["Dispatcher", "AgentAgeAlarm", "AsyncParkedAlarm", "RefusedAlarm", "UndeliveredAlarm"] {
        assert!(changes.iter().any(|change| change["resource"] == resource), "{resource}: {looked}");
    }
    assert_eq!(level(&made["outputs"]).await, before, "only looked at");
    let changed = deploy(&debug);
    assert_eq!(changed["status"], "UPDATE_COMPLETE");
    assert_eq!((level(&changed["outputs"]).await.as_str(), before.as_str()), ("debug", "info"));
    is_destroyed_with_its_data(STACK, &changed["outputs"]).await;
}

/// `destroy` says what it would delete before it is confirmed, and with `--delete-data` leaves nothing.
async fn is_destroyed_with_its_data(stack: &str, outputs: &Value) {
    let fleet = fleet();
    let s3 = fleet.s3().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&fleet.aws().await);
    let [table, uploads] = ["TableName", "UploadsBucket"].map(|name| outputs[name].as_str().unwrap());
    // More than one page of a listing.
    for n in 0..1_100 {
        s3.put_object().bucket(uploads).key(format!("file {n}")).send().await.unwrap();
    }
    let destroy = ["destroy", "--stack", stack, "--delete-data", "--output", "json"];
    let refused = fleet.gantz(&destroy);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{told}");
    assert!(told.contains(&format!("and all that is in table {table}, bucket {stack}-")), "{told}");

    let destroyed = success(&fleet.gantz(&[&destroy[..], &["--yes"]].concat()));
    assert_eq!((&destroyed["status"], &destroyed["kept"]), (&json!("DELETE_COMPLETE"), &json!([])));
    let deleted = destroyed["deleted"].as_array().unwrap();
    assert_eq!(deleted.len(), 3, "a table and two buckets: {deleted:?}");
    assert!(dynamodb.describe_table().table_name(table).send().await.is_err());
    assert!(s3.head_bucket().bucket(uploads).send().await.is_err());
    let destroyed = fleet.gantz(&["destroy", "--stack", stack, "--yes"]);
    let told = String::from_utf8_lossy(&destroyed.stderr);
    assert!(told.contains(&format!("there is no stack `{stack}`")), "{told}");
}
