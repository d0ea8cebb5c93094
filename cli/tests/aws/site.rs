//! The functions with queues of their own, and a stand-in for the event source mappings that hand those over: what a function
//! does not report as failed is deleted, and what it dies of comes back.

use std::collections::{BTreeMap, VecDeque};
use std::fs;

use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::delete_message::DeleteMessageError;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName as Attribute};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, LOOK_EVERY, PATIENCE};
use crate::functions::request;
use crate::instance::{Function, Instance};

/// Each queue and the function that it is handed to; what is parked is nobody's.
const QUEUES: [(&str, Option<Function>); 4] = [
    ("plan", Some(Function::Dispatcher)),
    ("lane-fast", Some(Function::Worker)),
    ("dead-fast", Some(Function::DeadLetter)),
    ("parked-fast", None),
];
/// How soon a message comes back whose function died of it.
const VISIBILITY_S: i32 = 3;

/// Where an instance dies: a function, and a failpoint of it.
pub(crate) type Death = (Function, String);

pub(crate) struct Site<'f> {
    fleet: &'f Fleet,
    sqs: aws_sdk_sqs::Client,
    /// What its queues' names begin with.
    prefix: String,
    /// What the functions' package holds, and what its tools leave behind.
    package: TempDir,
    running: BTreeMap<Function, Instance>,
    /// Deaths to come, one after another.
    deaths: VecDeque<Death>,
}

impl<'f> Site<'f> {
    /// A site of that name. A message of its lane is a dead letter after so many receives.
    pub(crate) async fn new(
        fleet: &'f Fleet,
        name: &str,
        manifest: &str,
        receives: u32,
        deaths: &[Death],
    ) -> Self {
        let package = tempfile::tempdir().unwrap();
        fs::write(package.path().join("gantz.yaml"), manifest).unwrap();
        let sqs = aws_sdk_sqs::Client::new(&fleet.aws().await);
        let prefix = format!("{name}-");
        for (queue, _) in QUEUES.iter().rev() {
            let mut create = sqs.create_queue().queue_name(format!("{prefix}{queue}"));
            if *queue == "lane-fast" {
                let target = format!("arn:aws:sqs:us-east-1:000000000000:{prefix}dead-fast");
                let redrive = json!({"deadLetterTargetArn": target, "maxReceiveCount": receives});
                create = create.attributes(Attribute::RedrivePolicy, redrive.to_string());
            }
            create.send().await.unwrap();
        }
        let deaths = deaths.iter().cloned().collect();
        Self { fleet, sqs, prefix, package, running: BTreeMap::new(), deaths }
    }

    /// Asks the dispatcher, again and again until it answers.
    pub(crate) async fn ask(&mut self, target: &str, body: &Value) -> Value {
        let mut asked = request("POST", target);
        asked["headers"] = json!({"content-type": "application/json"});
        asked["body"] = json!(body.to_string());
        let answer = loop {
            if let Some(answer) = self.invoke(Function::Dispatcher, &asked).await {
                break answer.unwrap();
            }
        };
        assert!(answer["statusCode"].as_u64().is_some_and(|status| status < 300), "{answer}");
        answer
    }

    /// Has the dispatcher handle an event, again and again until it has.
    pub(crate) async fn publish(&mut self, event: &Value) {
        while self.invoke(Function::Dispatcher, event).await.map(Result::unwrap).is_none() {}
    }

    pub(crate) async fn send(&self, queue: &str, body: &str) {
        self.sqs.send_message().queue_url(self.url(queue)).message_body(body).send().await.unwrap();
    }

    /// Hands over what is in the queues until nothing is left but what was parked. Gives the number of those.
    pub(crate) async fn settled(&mut self) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let handed = QUEUES.iter().filter_map(|(queue, function)| Some((*queue, (*function)?)));
            for (queue, function) in handed.clone() {
                self.hand_over(queue, function).await;
            }
            let mut left = 0;
            for (queue, _) in handed {
                left += self.depth(queue).await;
            }
            if left == 0 {
                return self.depth("parked-fast").await;
            }
            assert!(Instant::now() < deadline, "{}: {left} messages do not go: {}", self.prefix, self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// The deaths that nobody died.
    pub(crate) fn deaths(&self) -> &VecDeque<Death> {
        &self.deaths
    }

    /// The keys of the tools' runs, in order.
    pub(crate) fn started(&self) -> Vec<String> {
        let started = fs::read_to_string(self.package.path().join("started")).unwrap_or_default();
        started.lines().map(str::to_owned).collect()
    }

    /// What all instances have written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.package.path().join("log")).unwrap_or_default()
    }

    async fn hand_over(&mut self, queue: &str, function: Function) {
        let ask = self.sqs.receive_message().queue_url(self.url(queue)).max_number_of_messages(10);
        let ask = ask.message_system_attribute_names(MessageSystemAttributeName::All);
        let ask = ask.message_attribute_names("All").visibility_timeout(VISIBILITY_S);
        let messages = ask.send().await.unwrap().messages.unwrap_or_default();
        if messages.is_empty() {
            return;
        }
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{}{queue}", self.prefix);
        let records: Vec<Value> = messages.iter().map(|message| record(message, &arn)).collect();
        let Some(Ok(answer)) = self.invoke(function, &json!({ "Records": records })).await else { return };
        let failures = answer["batchItemFailures"].as_array().unwrap();
        for message in messages {
            let id = message.message_id.unwrap();
            if !failures.iter().any(|failure| failure["itemIdentifier"] == id) {
                let delete = self.sqs.delete_message().queue_url(self.url(queue));
                let deleted = delete.receipt_handle(message.receipt_handle.unwrap()).send().await;
                // One that took too long has come back, or was moved, and has another receipt.
                let error = deleted.err().map(SdkError::into_service_error);
                assert!(
                    error.as_ref().is_none_or(DeleteMessageError::is_receipt_handle_is_invalid),
                    "{error:?}"
                );
            }
        }
    }

    /// What a function answers; `None` if its instance dies, which is the next death.
    async fn invoke(&mut self, function: Function, event: &Value) -> Option<Result<Value, Value>> {
        if !self.running.contains_key(&function) {
            let point = self.deaths.front().filter(|(whose, _)| *whose == function);
            let point = point.map(|(_, point)| point.clone());
            let urls = format!("{}/000000000000/{}", self.fleet.endpoint(), self.prefix);
            let more = [("GANTZ_QUEUE_URL_PREFIX", &*urls)];
            let package = self.package.path();
            let instance = Instance::start(self.fleet, function, package, &more, point.as_deref()).await;
            self.running.insert(function, instance);
        }
        let answer = self.running.get_mut(&function).unwrap().invoke(event).await;
        if answer.is_none() {
            let (whose, _) = self.deaths.pop_front().unwrap();
            assert_eq!(whose, function, "{}", self.log());
            // Whoever dies next is one of those that start from now on.
            self.running.clear();
        }
        answer
    }

    async fn depth(&self, queue: &str) -> u64 {
        let ask = self.sqs.get_queue_attributes().queue_url(self.url(queue));
        let all = ask.attribute_names(Attribute::All).send().await.unwrap().attributes.unwrap();
        let of = |name| all.get(&name).map_or(0, |text| text.parse::<u64>().unwrap());
        of(Attribute::ApproximateNumberOfMessages)
            + of(Attribute::ApproximateNumberOfMessagesNotVisible)
            + of(Attribute::ApproximateNumberOfMessagesDelayed)
    }

    fn url(&self, queue: &str) -> String {
        format!("{}/000000000000/{}{queue}", self.fleet.endpoint(), self.prefix)
    }
}

/// A message as a function is handed it.
fn record(message: &Message, arn: &str) -> Value {
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .flatten()
        .map(|(name, value)| (name.as_str().to_owned(), json!(value)))
        .collect();
    let told = message.message_attributes.iter().flatten().map(|(name, value)| {
        (name.clone(), json!({"dataType": value.data_type, "stringValue": value.string_value}))
    });
    json!({
        "messageId": message.message_id, "receiptHandle": message.receipt_handle, "body": message.body,
        "attributes": attributes, "messageAttributes": told.collect::<Map<String, Value>>(),
        "eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": "us-east-1",
    })
}
