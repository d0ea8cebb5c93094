//! What a function does not take fails as a whole: an answer that names the wrong records would do more harm.

use gantz_core::ids::{Lane, QueueName};
use gantz_workers::lambda::{Duty, EventError};
use serde_json::{Value, json};

use crate::fleet::{Fleet, dead, lane};
use crate::lambda::sandbox::{
    MINUTE_MS, answer, arn, event, function, invocation, receive, record, refusal, worker,
};

const STEADY: (&str, &str) = ("steady", "timeout: 2s");

#[tokio::test(start_paused = true)]
async fn a_record_without_an_id_fails_the_batch_before_anything_starts() {
    let fleet = Fleet::new(&[STEADY]);
    fleet.submit_many(3, "steady", &json!({"mode": "succeed"})).await;
    let batch = receive(&fleet, &lane()).await;
    for id in [None, Some(json!("")), Some(json!(null)), Some(json!(7))] {
        let mut event = event(&lane(), &batch);
        let record = event["Records"][1].as_object_mut().unwrap();
        record.remove("messageId");
        if let Some(id) = id {
            record.insert("messageId".into(), id);
        }
        let error = refusal(&worker(&fleet), event, &invocation(&fleet, MINUTE_MS)).await;
        assert!(matches!(error, EventError::Record { place: 1, .. }), "{error:?}");
        let missing = "the record at 1 of the batch has no `messageId`";
        let odd = "the record at 1 of the batch is not as SQS writes it: invalid type: integer `7`, expected a string";
        assert!([missing, odd].contains(&error.to_string().as_str()), "{error}");
    }
    assert_eq!(fleet.journal.starts(), []);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_lacks_anything_else_is_read_as_far_as_it_goes() {
    let fleet = Fleet::new(&[STEADY]);
    let id = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let batch = receive(&fleet, &lane()).await;
    let mut bare = record(&arn(&lane()), &batch[0]);
    for field in ["attributes", "receiptHandle", "messageAttributes", "md5OfBody", "awsRegion"] {
        bare.as_object_mut().unwrap().remove(field);
    }
    bare["new"] = json!({"fields": ["do", "no", "harm"]});
    let answered =
        answer(&worker(&fleet), json!({ "Records": [bare] }), &invocation(&fleet, MINUTE_MS)).await;
    assert_eq!(answered, r#"{"batchItemFailures":[]}"#);
    assert_eq!(fleet.row(&id).await.attempt, 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_another_kind_is_refused() {
    let fleet = Fleet::new(&[STEADY]);
    fleet.submit("steady", json!({"mode": "succeed"})).await;
    let batch = receive(&fleet, &lane()).await;
    let other = QueueName::Lane(Lane::try_new("other").unwrap());
    let mixed = json!({"Records": [record(&arn(&lane()), &batch[0]), record(&arn(&other), &batch[0])]});
    for (duty, event, complaint) in [
        (Duty::Jobs, event(&dead(), &batch), "expected `gantz-lane-<lane>`"),
        (Duty::Jobs, event(&QueueName::Plan, &batch), "expected `gantz-lane-<lane>`"),
        (Duty::DeadLetters, event(&lane(), &batch), "expected `gantz-dead-<lane>`"),
        (Duty::Jobs, mixed, "expected `arn:aws:sqs:eu-west-1:123456789012:gantz-lane-fast`"),
    ] {
        let error = refusal(&function(&fleet, duty), event, &invocation(&fleet, MINUTE_MS)).await;
        assert!(error.to_string().ends_with(complaint), "{error}");
    }
    assert_eq!(fleet.journal.starts(), []);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_no_known_shape_is_refused() {
    let fleet = Fleet::new(&[STEADY]);
    let from_s3 = json!({"Records": [{"eventSource": "aws:s3", "s3": {}}]});
    for event in [json!({}), json!([]), json!("tool"), Value::Null, json!({"Records": []}), from_s3] {
        let error = refusal(&worker(&fleet), event, &invocation(&fleet, MINUTE_MS)).await;
        assert_eq!(error, EventError::Unknown);
    }
    let call = json!({"tool": "steady", "parameters": {"mode": "succeed"}});
    let error = refusal(&function(&fleet, Duty::DeadLetters), call, &invocation(&fleet, MINUTE_MS)).await;
    assert_eq!(error, EventError::NoBatch);
    assert_eq!(fleet.journal.starts(), []);
}
