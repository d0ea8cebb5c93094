//! Events on EventBridge keep the port's contract.

use std::sync::Arc;

use crate::support::{Fleet, env};
use async_trait::async_trait;
use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::QueueAttributeName;
use gantz_aws::Events;
use gantz_core::event::Event;
use gantz_core::ids::JobId;
use gantz_core::ports::EventSink;
use gantz_testkit::builders::{NOW_MS, event, job_id};
use gantz_testkit::event_sink::{self, Delivered};
use serde_json::{Value, json};
use tokio::sync::Mutex;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_keep_their_contract() {
    let fleet = Fleet::start().await;
    let far_end: Arc<FarEnd> = Arc::new(FarEnd::listen(&fleet).await);
    let events = Arc::new(Events::new(fleet.session(), fleet.settings()));
    event_sink::run(Arc::clone(&events) as _, Arc::clone(&far_end) as _, env()).await;
    an_event_too_large_harms_no_other(&events, &far_end).await;
    a_refused_event_says_why(&fleet).await;
}

async fn an_event_too_large_harms_no_other(events: &Events, far_end: &FarEnd) {
    let (before, after) = (event(&job_id("small-before")), event(&job_id("small-after")));
    let mut large = event(&job_id("too-large"));
    large.detail["result"] = json!("x".repeat(1_000_000));
    let answers = events.publish(vec![before.clone(), large, after.clone()]).await.unwrap();
    assert_eq!((&answers[0], &answers[2]), (&Ok(()), &Ok(())));
    assert!(answers[1].as_ref().is_err_and(|error| error.sender_fault), "{:?}", answers[1]);
    for sent in [before, after] {
        assert_eq!(far_end.of(&sent.job_id).await, [sent]);
    }
}

async fn a_refused_event_says_why(fleet: &Fleet) {
    let mut settings = (*fleet.settings()).clone();
    settings.event_bus = "arn:aws:events:us-east-1:000000000000:rule/no-bus".into();
    let events = Events::new(fleet.session(), Arc::new(settings));
    let answers = events.publish(vec![event(&job_id("refused-event"))]).await.unwrap();
    let [Err(error)] = answers.as_slice() else { panic!("expected a refusal, got {answers:?}") };
    assert!(error.sender_fault && !error.code.is_empty() && !error.message.is_empty(), "{error:?}");
}

/// A queue behind a rule for all that comes from here, and what was read from it.
struct FarEnd {
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
    arrived: Mutex<Vec<Event>>,
}

impl FarEnd {
    async fn listen(fleet: &Fleet) -> Self {
        let sqs = fleet.sqs();
        let queue_url = sqs.create_queue().queue_name("far-end").send().await.unwrap().queue_url.unwrap();
        let attributes = sqs.get_queue_attributes().queue_url(&queue_url);
        let attributes = attributes.attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
        let arn = attributes.attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
        let (eventbridge, bus) = (fleet.eventbridge(), fleet.settings().event_bus.clone());
        let pattern = json!({"source": ["gantz"]}).to_string();
        eventbridge.put_rule().name("all").event_bus_name(&bus).event_pattern(pattern).send().await.unwrap();
        let target = Target::builder().id("far-end").arn(arn).build().unwrap();
        let put = eventbridge.put_targets().rule("all").event_bus_name(&bus).targets(target);
        assert_eq!(put.send().await.unwrap().failed_entry_count, 0);
        Self { sqs, queue_url, arrived: Mutex::default() }
    }
}

#[async_trait]
impl Delivered for FarEnd {
    async fn of(&self, job_id: &JobId) -> Vec<Event> {
        let mut arrived = self.arrived.lock().await;
        loop {
            let receive = self.sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            arrived.extend(messages.iter().map(|message| delivered(message.body().unwrap())));
        }
        arrived.iter().filter(|event| event.job_id == *job_id).cloned().collect()
    }
}

fn delivered(body: &str) -> Event {
    let mut body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["source"], "gantz");
    Event {
        job_id: serde_json::from_value(body["detail"]["job_id"].clone()).unwrap(),
        detail_type: body["detail-type"].as_str().unwrap().to_owned(),
        detail: body["detail"].take(),
        // The emulator stamps the time of arrival, and EventBridge keeps no milliseconds: a test of the entry checks it.
        time_ms: NOW_MS,
    }
}
