//! What goes wrong is bounded, explained, and harms nobody else.

use gantz_testkit::fault_table::{Level, fault};
use std::collections::BTreeMap;

use aws_sdk_lambda::types::InvocationType;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use crate::fleet::{Fleet, error, fleet, number, text};
use crate::records;

/// Room for a job of a second, and for what is left free before and after it.
const KILLERS_SECONDS: i32 = 12;

#[tokio::test]
async fn failures_end_with_their_reasons_beside_jobs_that_succeed() {
    let fleet = fleet();
    let jobs: BTreeMap<String, &str> = (0..10)
        .map(|n| {
            (
                format!("mixed-{n:04}"),
                if n == 3 {
                    "crash"
                } else if n == 7 {
                    "too_slow"
                } else {
                    "echo"
                },
            )
        })
        .collect();
    for (id, tool) in &jobs {
        fleet.publish("Gantz Job", &json!({"tool": tool, "parameters": {}, "job_id": id})).await;
    }
    for (id, tool) in &jobs {
        let row = fleet.ended(id).await;
        if *tool == "echo" {
            assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");
            continue;
        }
        assert_eq!((text(&row, "status"), number(&row, "attempt")), ("FAILED", 2), "{row:?}");
        let (kind, message) = error(&row);
        let expected =
            if *tool == "crash" { ("exit_status", "signal") } else { ("timeout", "asked to stop") };
        assert!(kind == expected.0 && message.contains(expected.1), "{tool}: {kind}: {message}");
    }
}

#[tokio::test]
async fn a_message_that_nobody_can_read_is_kept_for_people() {
    let fleet = fleet();
    fleet.send("lane-bulk", &["no envelope".to_owned()]).await;
    let letters = fleet
        .until(
            async || fleet.ask(&["dlq", "ls", "--lane", "bulk"]),
            |found| found.as_array().is_some_and(|list| !list.is_empty()),
        )
        .await;
    assert_eq!(letters[0]["body"], "no envelope", "{letters}");

    // Beside one that can be read after all, it is sent again: that one runs, and this one comes back.
    let readable = records::envelope("redriven-0001", "echo", "bulk", &json!({"text": "after all"}));
    fleet.send("parked-bulk", &[readable.to_string()]).await;
    assert_eq!(fleet.ask(&["dlq", "redrive", "--lane", "bulk"])["redriven"], 2);
    assert_eq!(text(&fleet.ended("redriven-0001").await, "status"), "SUCCEEDED");
    let again = fleet
        .until(
            async || fleet.ask(&["dlq", "ls", "--lane", "bulk"]),
            |found| found.as_array().is_some_and(|list| !list.is_empty()),
        )
        .await;
    assert_eq!(again[0]["body"], "no envelope", "{again}");
}

#[tokio::test]
async fn an_event_that_asks_for_the_impossible_says_so_in_its_row_or_is_kept() {
    let fleet = fleet();
    let unknown = fleet.publish("Gantz Job", &json!({"tool": "ecko", "parameters": {}})).await;
    let misspelt = json!({"tool": "echo", "paramaters": {}, "job_id": "misspelt-0001"});
    fleet.publish("Scheduled Agent Task", &misspelt).await;
    for (id, kind, why) in
        [(unknown.as_str(), "unknown_tool", "`ecko`"), ("misspelt-0001", "invalid", "/paramaters")]
    {
        let row = fleet.ended(id).await;
        assert_eq!((text(&row, "status"), number(&row, "attempt")), ("FAILED", 0), "{row:?}");
        let (told, message) = error(&row);
        assert!(told == kind && message.contains(why), "{row:?}");
    }
    fleet.publish("Gantz Job", &json!("no submission")).await;
    let letters = async || fleet.ask(&["dlq", "ls", "--ingest"]);
    let letters = fleet.until(letters, |found| found.to_string().contains("no submission")).await;
    let letter =
        letters.as_array().unwrap().iter().find(|letter| letter.to_string().contains("no submission"));
    assert!(letter.unwrap()["reason"].as_str().unwrap().contains("not an object"), "{letters}");
}

#[tokio::test]
async fn an_event_that_nobody_knows_is_kept_for_people() {
    let fleet = fleet();
    let (lambda, sqs) =
        (aws_sdk_lambda::Client::new(&fleet.aws().await), aws_sdk_sqs::Client::new(&fleet.aws().await));
    let event = json!({"weather": "fine", "wind": 3}).to_string();
    let invoke = lambda.invoke().function_name(fleet.output("DispatcherFunction"));
    invoke
        .invocation_type(InvocationType::Event)
        .payload(event.clone().into_bytes().into())
        .send()
        .await
        .unwrap();
    let look = async || {
        let url = format!("{}undelivered", fleet.output("QueueUrlPrefix"));
        let found = sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(0);
        let bodies = found.send().await.unwrap().messages.unwrap_or_default();
        bodies.into_iter().filter_map(|message| message.body).find(|body| body.contains("weather"))
    };
    let body = fleet.until(look, Option::is_some).await.unwrap();
    let record: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(record["requestPayload"].to_string(), event, "{record}");
    assert_eq!(record["responsePayload"]["errorType"], "UnknownEvent", "{record}");
    let told = record["responsePayload"]["errorMessage"].as_str().unwrap();
    assert!(told.contains("an object of weather, wind"), "{told}");
}

/// Has the lane whose jobs kill their function give up on a message after its first receive. The emulator takes a
/// function that is gone for one that runs as long as it may, so it may not run for long.
pub(crate) async fn hasten_killers(fleet: &Fleet) {
    let lambda = aws_sdk_lambda::Client::new(&fleet.aws().await);
    let function = fleet.output("LaneDeadlyWorkerFunction");
    lambda
        .update_function_configuration()
        .function_name(function)
        .timeout(KILLERS_SECONDS)
        .send()
        .await
        .unwrap();
    let sqs = aws_sdk_sqs::Client::new(&fleet.aws().await);
    let queue = format!("{}lane-deadly", fleet.output("QueueUrlPrefix"));
    // As the template has it, only without its patience.
    let redrive = json!({"deadLetterTargetArn": fleet.queue_arn("dead-deadly"), "maxReceiveCount": 1});
    sqs.set_queue_attributes()
        .queue_url(queue)
        .attributes(QueueAttributeName::VisibilityTimeout, "2")
        .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_job_that_kills_its_worker_is_ended_by_the_handler_of_dead_letters() {
    let shown_20 = fault(20, Level::Process);
    let shown_38 = fault(38, Level::Process);
    let fleet = fleet();
    hasten_killers(fleet).await;
    fleet.publish("Gantz Job", &json!({"tool": "kill", "parameters": {}, "job_id": "killer-0001"})).await;
    let row = fleet.ended("killer-0001").await;
    assert_eq!((text(&row, "status"), number(&row, "attempt")), ("FAILED", 1), "{row:?}");
    let (kind, message) = error(&row);
    assert!(kind == "worker_lost" && message.contains("attempt"), "{row:?}");
    shown_20.in_runs(1, "a tool that ends its process, as want of memory does: `worker_lost`");
    shown_38.in_runs(1, "`worker_lost`, by the real bootstraps");
}
