//! Answers of batch calls that say 200 and yet not yes: each entry is taken at its own word.

use gantz_testkit::fault_table::{Level, fault};
use std::sync::Arc;

use gantz_aws::{Events, Jobs, Queue, Session, Settings};
use gantz_core::host::Clock;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::{EntryError, EventSink, JobQueue, JobStore, NewMessage, PortError, Receipt};
use gantz_testkit::builders::{NOW_MS, event, job_id};
use gantz_testkit::scripted::{Answer, Request, Scripted};
use serde_json::{Value, json};

async fn session(scripted: &Scripted) -> Arc<Session> {
    Arc::new(Session::emulated(scripted.endpoint.clone()).await)
}

fn settings(scripted: &Scripted) -> Arc<Settings> {
    Arc::new(Settings {
        table: "gantz".into(),
        bucket: "gantz-blobs".into(),
        event_bus: "gantz".into(),
        queue_url_prefix: format!("{}/000000000000/gantz-", scripted.endpoint),
    })
}

fn lane() -> QueueName {
    QueueName::Lane(Lane::default_lane())
}

/// An answer of SQS: these entries were taken, and those not.
fn sqs(taken: &[&str], failed: &[(&str, bool)]) -> Answer {
    let taken: Vec<Value> = taken
        .iter()
        .map(|id| json!({ "Id": id, "MessageId": format!("m-{id}"), "MD5OfMessageBody": "0" }))
        .collect();
    let failed: Vec<Value> = failed
        .iter()
        .map(|(id, fault)| json!({ "Id": id, "Code": "Refused", "Message": "why", "SenderFault": fault }))
        .collect();
    Answer::json(&json!({ "Successful": taken, "Failed": failed }))
}

fn refused(sender_fault: bool) -> Result<(), EntryError> {
    Err(EntryError { code: "Refused".into(), message: "why".into(), sender_fault })
}

#[tokio::test]
async fn messages_that_were_not_sent_are_told_from_those_that_were() {
    let shown = fault(5, Level::Wire);
    // Out of order, as SQS may answer, and one not at all.
    let scripted = Scripted::start([sqs(&["3", "0"], &[("2", true), ("1", false)])]);
    let queue = Queue::new(session(&scripted).await, settings(&scripted));
    let messages = (0..5).map(|n| NewMessage::of(format!("body {n}"))).collect();
    let answers = queue.send(&lane(), messages).await.unwrap();
    let [Ok(()), one, two, Ok(()), Err(four)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((one, two), (&refused(false), &refused(true)));
    assert!(four.code == "Unanswered" && !four.sender_fault, "{four}");
    // Whoever sent them knows what may be sent again, and when.
    assert_eq!(scripted.requests().len(), 1);
    shown.in_runs(1, "each entry has its own answer; the dispatcher resends by it");
}

#[tokio::test]
async fn deletes_that_failed_are_repeated_and_no_others() {
    let shown = fault(28, Level::Wire);
    let scripted = Scripted::start([
        sqs(&["0", "3"], &[("1", false), ("2", true), ("4", false)]),
        sqs(&["1"], &[("0", false)]),
        sqs(&[], &[("0", false)]),
    ]);
    let queue = Queue::new(session(&scripted).await, settings(&scripted));
    let receipts = (0..5).map(|n| Receipt(format!("receipt-{n}"))).collect();
    let answers = queue.delete(&lane(), receipts).await.unwrap();
    assert_eq!(answers, [Ok(()), refused(false), refused(true), Ok(()), Ok(())]);
    let calls: Vec<Vec<Value>> = scripted
        .requests()
        .iter()
        .map(|request| {
            assert_eq!(request.header("x-amz-target"), Some("AmazonSQS.DeleteMessageBatch"));
            let body = request.json();
            body["Entries"].as_array().unwrap().iter().map(|entry| entry["ReceiptHandle"].clone()).collect()
        })
        .collect();
    let first: Vec<_> = (0..5).map(|n| json!(format!("receipt-{n}"))).collect();
    assert_eq!(calls, [first, vec![json!("receipt-1"), json!("receipt-4")], vec![json!("receipt-1")]]);
    shown.in_runs(1, "3 calls: of 5, 2 and 1 receipts");
}

#[tokio::test]
async fn a_receipt_that_is_stale_for_sqs_is_deleted_for_us() {
    let stale = json!({ "Id": "1", "Code": "ReceiptHandleIsInvalid", "SenderFault": true });
    let taken = json!({ "Id": "0" });
    let scripted = Scripted::start([Answer::json(&json!({ "Successful": [taken], "Failed": [stale] }))]);
    let queue = Queue::new(session(&scripted).await, settings(&scripted));
    let receipts = vec![Receipt("a".into()), Receipt("b".into())];
    assert_eq!(queue.delete(&lane(), receipts).await.unwrap(), [Ok(()), Ok(())]);
    assert_eq!(scripted.requests().len(), 1);
}

/// An answer of EventBridge, with an id or a code for each entry.
fn bus(entries: &[Result<(), &str>]) -> Answer {
    let failed = entries.iter().filter(|entry| entry.is_err()).count();
    let entries: Vec<Value> = entries
        .iter()
        .map(|entry| match entry {
            Ok(()) => json!({ "EventId": "e" }),
            Err(code) => json!({ "ErrorCode": code, "ErrorMessage": "why" }),
        })
        .collect();
    Answer::json(&json!({ "FailedEntryCount": failed, "Entries": entries }))
}

/// The answers as what a test compares: the code, and whether it is the sender's fault.
fn codes(answers: &[Result<(), EntryError>]) -> Vec<Result<(), (&str, bool)>> {
    answers
        .iter()
        .map(|answer| match answer {
            Ok(()) => Ok(()),
            Err(error) => Err((error.code.as_str(), error.sender_fault)),
        })
        .collect()
}

#[tokio::test]
async fn events_that_were_refused_are_sent_again_and_no_others() {
    let shown = fault(11, Level::Wire);
    let scripted = Scripted::start([
        bus(&[Ok(()), Err("InternalFailure"), Err("MalformedDetail"), Err("ThrottlingException")]),
        bus(&[Err("InternalFailure"), Ok(())]),
        bus(&[Ok(())]),
    ]);
    let events = Events::new(session(&scripted).await, settings(&scripted));
    let ids = ["event-0000", "event-0001", "event-0002", "event-0003"];
    let answers = events.publish(ids.map(|id| event(&job_id(id))).into()).await.unwrap();
    assert_eq!(codes(&answers), [Ok(()), Ok(()), Err(("MalformedDetail", true)), Ok(())]);
    let sent: Vec<Vec<String>> = scripted.requests().iter().map(sent_ids).collect();
    assert_eq!(sent, [ids.to_vec(), vec![ids[1], ids[3]], vec![ids[1]]]);
    shown.in_runs(1, "3 calls: of 4, 2 and 1 events");
}

fn sent_ids(request: &Request) -> Vec<String> {
    let body = request.json();
    let entries = body["Entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            detail["job_id"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// A call that fails after others were answered must not make what they said unknown.
#[tokio::test]
async fn a_lost_call_leaves_the_answers_of_those_before_it() {
    let scripted = Scripted::start([bus(&[Ok(()); 10]), Answer::HangUp]);
    let events = Events::new(session(&scripted).await, settings(&scripted));
    let many = (0..11).map(|n| event(&job_id(&format!("event-{n:04}")))).collect();
    let answers = events.publish(many).await.unwrap();
    assert_eq!(codes(&answers[..10]), [Ok(()); 10]);
    assert_eq!(codes(&answers[10..]), [Err(("CallFailed", false))]);

    let scripted = Scripted::start([bus(&[Ok(()), Err("ThrottlingException")]), Answer::HangUp]);
    let events = Events::new(session(&scripted).await, settings(&scripted));
    let two = vec![event(&job_id("event-0000")), event(&job_id("event-0001"))];
    let answers = events.publish(two).await.unwrap();
    assert_eq!(codes(&answers), [Ok(()), Err(("ThrottlingException", false))]);
}

/// An error of DynamoDB.
fn dynamodb_error(status: u16, code: &str) -> Answer {
    let body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "why" });
    Answer::Says(status, Vec::new(), body.to_string().into_bytes())
}

async fn jobs(scripted: &Scripted) -> Jobs {
    Jobs::new(session(scripted).await, settings(scripted), Clock::new(|| NOW_MS))
}

#[tokio::test]
async fn a_signature_that_has_expired_is_for_the_moment() {
    let shown = fault(17, Level::Wire);
    let codes = ["InvalidSignatureException", "RequestTimeTooSkewed", "ExpiredTokenException"];
    for code in codes {
        let scripted = Scripted::start([dynamodb_error(403, code), Answer::json(&json!({}))]);
        let jobs = jobs(&scripted).await;
        let id = job_id("signed-0001");
        let refused = jobs.get(&id).await.unwrap_err();
        assert!(refused.is_transient() && refused.to_string().contains(code), "{refused}");
        // Whoever insists, or the next delivery, signs anew.
        assert_eq!(jobs.get(&id).await.unwrap(), None);
    }
    shown.in_runs(codes.len() as u64, "a signature or token that is too old is a fault that passes");
}

#[tokio::test]
async fn a_table_that_throttles_is_asked_a_few_times_and_named() {
    let shown = fault(48, Level::Wire);
    let codes = ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"];
    for code in codes {
        let scripted = Scripted::start([dynamodb_error(400, code)]);
        let refused = jobs(&scripted).await.get(&job_id("throttled-0001")).await.unwrap_err();
        assert!(matches!(&refused, PortError::Throttled(_)), "{refused}");
        // The client's own attempts, with backoff and jitter; the job's message comes back later than those.
        assert_eq!(scripted.requests().len(), 4, "{code}");

        let scripted = Scripted::start([dynamodb_error(400, code), Answer::json(&json!({}))]);
        assert_eq!(jobs(&scripted).await.get(&job_id("throttled-0001")).await.unwrap(), None);
        assert_eq!(scripted.requests().len(), 2, "{code}");
    }
    shown.in_runs(codes.len() as u64, "4 requests of a call, then `Throttled`; one refusal reaches nobody");
}
