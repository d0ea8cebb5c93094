//! Files that are uploaded become jobs, each once; a schedule takes what is new.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::fleet::{Fleet, error, fleet, number, size, text};
use crate::roles::{self, Session, signed};

/// Files that are uploaded, unless `GANTZ_E2E_FILES` says otherwise.
const FILES: usize = 150;
/// A dispatcher that a bucket tells of its objects.
const TOLD: &str = "e2e-told-dispatcher";

/// A job for an object, as its row tells.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Analysed {
    key: String,
    status: String,
    attempt: u64,
}

impl Analysed {
    /// Once, and well.
    fn once(key: impl Into<String>) -> Self {
        Self { key: key.into(), status: "SUCCEEDED".into(), attempt: 1 }
    }
}

/// All jobs whose label begins like this, in the order of the keys in their results.
async fn labelled(fleet: &Fleet, label: &str) -> Vec<Analysed> {
    let table = aws_sdk_dynamodb::Client::new(&fleet.aws().await);
    let (mut jobs, mut start) = (Vec::new(), None);
    loop {
        let scan = table.scan().table_name(fleet.output("TableName")).set_exclusive_start_key(start);
        let scan = scan.filter_expression("begins_with(label, :label)").consistent_read(true);
        let page =
            scan.expression_attribute_values(":label", AttributeValue::S(label.into())).send().await.unwrap();
        for row in page.items() {
            let row = row.clone().into_iter().collect();
            let result: Value = serde_json::from_str(text(&row, "result")).unwrap_or_default();
            jobs.push(Analysed {
                key: result["key"].as_str().unwrap_or_default().to_owned(),
                status: text(&row, "status").to_owned(),
                attempt: number(&row, "attempt"),
            });
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            jobs.sort();
            return jobs;
        }
    }
}

/// Whether so many jobs are there, and all have ended.
fn ended(jobs: &[Analysed], number: usize) -> bool {
    jobs.len() >= number && jobs.iter().all(|job| !["QUEUED", "RUNNING", "WAITING"].contains(&&*job.status))
}

/// A second listener to the events of uploads, which keeps them as they are.
struct Told {
    sqs: aws_sdk_sqs::Client,
    url: String,
}

impl Told {
    async fn listen(fleet: &Fleet) -> Self {
        use aws_sdk_eventbridge::types::Target;
        let (sqs, bus) = (
            aws_sdk_sqs::Client::new(&fleet.aws().await),
            aws_sdk_eventbridge::Client::new(&fleet.aws().await),
        );
        let url = sqs.create_queue().queue_name("told").send().await.unwrap().queue_url.unwrap();
        let pattern = json!({
            "source": ["aws.s3"], "detail-type": ["Object Created"],
            "detail": {"object": {"key": [{"prefix": "in/"}]}},
        });
        bus.put_rule().name("told").event_pattern(pattern.to_string()).send().await.unwrap();
        let target = Target::builder().id("queue").arn("arn:aws:sqs:us-east-1:000000000000:told");
        bus.put_targets().rule("told").targets(target.build().unwrap()).send().await.unwrap();
        Self { sqs, url }
    }

    async fn all(&self, number: usize) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        while events.len() < number {
            let poll = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10);
            let page = poll.wait_time_seconds(5).send().await.unwrap();
            assert!(!page.messages().is_empty(), "only {} events were told", events.len());
            for message in page.messages() {
                events.push(serde_json::from_str(message.body().unwrap()).unwrap());
                let delete = self.sqs.delete_message().queue_url(&self.url);
                delete.receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
            }
        }
        events
    }
}

async fn upload(fleet: &Fleet, key: &str, content: String) {
    let put = fleet.s3().await.put_object().bucket(fleet.output("UploadsBucket")).key(key);
    put.body(content.into_bytes().into()).send().await.unwrap();
}

#[tokio::test]
async fn every_upload_is_one_job_though_it_is_told_twice() {
    let fleet = fleet();
    let told = Told::listen(fleet).await;
    let files = size("GANTZ_E2E_FILES", FILES);
    let keys: BTreeSet<String> = (0..files).map(|n| format!("in/file {n}+ü.csv")).collect();
    for (n, key) in keys.iter().enumerate() {
        upload(fleet, key, format!("name,size\nfile,{n}\n")).await;
    }
    // Some jobs have ended by now, some are at work, some wait.
    for event in told.all(files).await {
        fleet.invoke("DispatcherFunction", &event).await;
    }
    let label = format!("s3://{}/in/", fleet.output("UploadsBucket"));
    fleet.until(async || labelled(fleet, &label).await, |jobs| ended(jobs, files)).await;
    // What was sent twice may still be on its way.
    fleet.emptied(&["lane-files"]).await;
    let once: Vec<_> = keys.into_iter().map(Analysed::once).collect();
    assert_eq!(labelled(fleet, &label).await, once);
}

#[tokio::test]
async fn an_upload_that_was_overwritten_meanwhile_is_superseded() {
    let fleet = fleet();
    upload(fleet, "late/report.csv", "the second".into()).await;
    let of_the_first = json!({
        "version": "0", "id": "0b8ac2d1-3c1f-4a7e-9c55-2f5f0d3c7a10", "source": "aws.s3",
        "detail-type": "Object Created", "account": "000000000000", "time": "2026-11-29T12:00:00Z",
        "region": "us-east-1", "resources": [],
        "detail": {
            "version": "0", "reason": "PutObject", "request-id": "any", "requester": "any",
            "bucket": {"name": fleet.output("UploadsBucket")},
            "object": {
                "key": "late/report.csv", "size": 9, "sequencer": "0001",
                "etag": "8b04d5e3775d298e78455efc5ca404d5",
            },
        },
    });
    let answer = fleet.invoke("DispatcherFunction", &of_the_first).await;
    let row = fleet.ended(answer["jobs"][0]["job_id"].as_str().unwrap()).await;
    assert_eq!((text(&row, "status"), error(&row).0), ("FAILED", "superseded"), "{row:?}");
}

#[tokio::test]
async fn a_bucket_may_tell_the_function_itself() {
    use aws_sdk_s3::types::{
        Event, EventBridgeConfiguration, FilterRule, FilterRuleName, LambdaFunctionConfiguration,
        NotificationConfiguration, NotificationConfigurationFilter, S3KeyFilter,
    };
    let fleet = fleet();
    let prefix = FilterRule::builder().name(FilterRuleName::Prefix).value("direct/").build();
    let filter = NotificationConfigurationFilter::builder()
        .key(S3KeyFilter::builder().filter_rules(prefix).build())
        .build();
    // One that nobody else calls, so that its calls show that it was told.
    let program = fleet.programs().join("gantz-dispatcher");
    fleet.twin(TOLD, "DispatcherFunction", &program, 60).await;
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{TOLD}");
    let function = LambdaFunctionConfiguration::builder()
        .lambda_function_arn(arn)
        .events(Event::from("s3:ObjectCreated:*"))
        .filter(filter)
        .build()
        .unwrap();
    let configuration = NotificationConfiguration::builder()
        .lambda_function_configurations(function)
        // As the template has it.
        .event_bridge_configuration(EventBridgeConfiguration::builder().build())
        .build();
    let put = fleet.s3().await.put_bucket_notification_configuration();
    let put = put.bucket(fleet.output("UploadsBucket")).notification_configuration(configuration);
    put.send().await.unwrap();

    // In a notification the key is form-encoded, in an event it is not.
    let key = "direct/ä b+c.txt";
    upload(fleet, key, "told twice".into()).await;
    let label = format!("s3://{}/direct/", fleet.output("UploadsBucket"));
    fleet.until(async || labelled(fleet, &label).await, |jobs| ended(jobs, 1)).await;
    let roles = roles::of_stack(fleet.endpoint(), Fleet::STACK).await;
    let role = roles.iter().find(|role| role.arn.contains("DispatcherRole")).unwrap();
    let caller = Session::of(TOLD, role).key;
    fleet.until(async || fleet.has_called(&caller, "PutItem").await, |called| *called).await;
    fleet.emptied(&["lane-files"]).await;
    assert_eq!(labelled(fleet, &label).await, [Analysed::once(key)]);
}

/// The event that the deployed schedule sends when it is due.
async fn scheduled(fleet: &Fleet, name: &str, due: &str) -> Value {
    let url =
        format!("{}/schedules/{name}?groupName={}", fleet.endpoint(), fleet.output("ScheduleGroupName"));
    let ask = reqwest::Client::new().get(url).header("authorization", signed("scheduler"));
    let schedule: Value = ask.send().await.unwrap().json().await.unwrap();
    let arn = schedule["Target"]["Arn"].as_str().unwrap();
    assert!(arn.ends_with(&format!(":{}-ingest", Fleet::STACK)), "{schedule}");
    let input = schedule["Target"]["Input"].as_str().unwrap();
    let input = input.replace("<aws.scheduler.scheduled-time>", due);
    let input = input.replace("<aws.scheduler.schedule-arn>", schedule["Arn"].as_str().unwrap());
    serde_json::from_str(&input).unwrap()
}

#[tokio::test]
async fn a_schedule_makes_a_batch_of_what_is_new() {
    let fleet = fleet();
    let run = async |due: &str| {
        let event = scheduled(fleet, "nightly", due).await;
        let answer = fleet.invoke("DispatcherFunction", &event).await;
        answer["batch_id"].as_str().unwrap().to_owned()
    };
    upload(fleet, "scheduled/a.txt", "a".into()).await;
    upload(fleet, "scheduled/b.txt", "b".into()).await;
    let first = run("2026-01-01T03:00:00Z").await;
    assert_eq!(text(&fleet.ended(&format!("batch#{first}")).await, "status"), "SUCCEEDED");
    let batch = fleet.ask(&["status", &first]);
    assert_eq!(
        (&batch["total"], &batch["by_status"], &batch["tolerate"]),
        (&json!(2), &json!({"SUCCEEDED": 2}), &json!("5%"))
    );
    // The uploads are events, too, but the jobs of those have other labels.
    let scheduled = async || labelled(fleet, "scheduled/").await;
    let two = fleet.until(scheduled, |jobs| ended(jobs, 2)).await;
    assert_eq!(two, ["scheduled/a.txt", "scheduled/b.txt"].map(Analysed::once));
    assert_eq!(run("2026-01-01T03:00:00Z").await, first, "a run that is told twice is one");
    upload(fleet, "scheduled/c.txt", "c".into()).await;
    let second = run("2026-01-02T03:00:00Z").await;
    fleet.ended(&format!("batch#{second}")).await;
    assert_eq!(fleet.ask(&["status", &second])["total"], 1);
    fleet.emptied(&["lane-files"]).await;
    let three = ["scheduled/a.txt", "scheduled/b.txt", "scheduled/c.txt"].map(Analysed::once);
    assert_eq!(scheduled().await, three);
}

#[tokio::test]
async fn a_schedule_is_run_when_it_is_due() {
    let fleet = fleet();
    // The emulator does not fill in the time that a run is for.
    let ticks = async || fleet.ask(&["jobs", "--tool", "tick", "--status", "succeeded"]);
    fleet.until(ticks, |found| found.as_array().is_some_and(|jobs| !jobs.is_empty())).await;
}
