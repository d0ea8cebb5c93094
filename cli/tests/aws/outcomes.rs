//! Outcomes as anybody can hear of them: a rule on the bus hands them to a queue.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_eventbridge::types::Target;
use serde_json::{Value, json};

use crate::fleet::{Fleet, fleet, text};

/// Those who listen to the outcomes of jobs, or of batches, whose ids begin alike.
pub(crate) struct Outcomes {
    /// What the detail calls the id.
    key: &'static str,
    sqs: aws_sdk_sqs::Client,
    url: String,
    heard: Mutex<BTreeMap<String, Told>>,
}

/// An event's detail-type and detail.
type Told = (String, Value);

impl Outcomes {
    /// Listens to jobs from now on.
    pub(crate) async fn of(fleet: &Fleet, prefix: &str) -> Self {
        Self::listening(fleet, "job_id", prefix).await
    }

    /// Listens to batches from now on.
    pub(crate) async fn of_batches(fleet: &Fleet, prefix: &str) -> Self {
        Self::listening(fleet, "batch_id", prefix).await
    }

    async fn listening(fleet: &Fleet, key: &'static str, prefix: &str) -> Self {
        let config = fleet.aws().await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let name = format!("outcomes-{key}-{prefix}");
        let url = sqs.create_queue().queue_name(&name).send().await.unwrap().queue_url.unwrap();
        let pattern = json!({"source": ["gantz"], "detail": {key: [{"prefix": prefix}]}});
        let events = aws_sdk_eventbridge::Client::new(&config);
        let bus = fleet.output("EventBusName");
        let rule = events.put_rule().event_bus_name(bus).name(&name).event_pattern(pattern.to_string());
        rule.send().await.unwrap();
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        let target = Target::builder().id("queue").arn(arn).build().unwrap();
        let answer = events.put_targets().event_bus_name(bus).rule(&name).targets(target).send().await;
        assert_eq!(answer.unwrap().failed_entry_count, 0);
        Self { key, sqs, url, heard: Mutex::default() }
    }

    /// All that was told by the time that each of these jobs was told of, by job: detail-types and details.
    pub(crate) async fn told(&self, fleet: &Fleet, ids: &[&str]) -> BTreeMap<String, Told> {
        let look = async || {
            self.listen().await;
            self.heard.lock().unwrap().clone()
        };
        fleet.until(look, |heard| ids.iter().all(|id| heard.contains_key(*id))).await
    }

    /// Hears what waits. What comes more than once says the same each time.
    async fn listen(&self) {
        let ask = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10);
        for message in ask.send().await.unwrap().messages.unwrap_or_default() {
            let event: Value = serde_json::from_str(message.body.as_deref().unwrap()).unwrap();
            let id = event["detail"][self.key].as_str().unwrap().to_owned();
            let told = (event["detail-type"].as_str().unwrap().to_owned(), event["detail"].clone());
            let before = self.heard.lock().unwrap().insert(id, told.clone());
            assert!(before.is_none_or(|before| before == told), "{told:?}");
            let delete = self.sqs.delete_message().queue_url(&self.url);
            delete.receipt_handle(message.receipt_handle.unwrap()).send().await.unwrap();
        }
    }
}

#[tokio::test]
async fn each_job_is_told_of_on_the_bus() {
    let fleet = fleet();
    let outcomes = Outcomes::of(fleet, "told-").await;
    let jobs = [("told-0001", "echo", "Succeeded"), ("told-0002", "crash", "Failed")];
    for (id, tool, _) in jobs {
        fleet.publish("Gantz Job", &json!({"tool": tool, "parameters": {}, "job_id": id})).await;
    }
    let told = outcomes.told(fleet, &jobs.map(|(id, ..)| id)).await;
    assert_eq!(told.len(), jobs.len(), "{told:?}");
    for (id, _, status) in jobs {
        let (kind, detail) = &told[id];
        assert_eq!(*kind, format!("Gantz Job {status}"));
        let row = fleet.row(id).await.unwrap();
        assert_eq!(detail["status"], text(&row, "status"), "{detail}");
    }
}
