//! A queue that is first in, first out stays so.

use gantz_core::ids::{JobId, QueueName};
use gantz_core::job::JobStatus;
use gantz_core::ports::{Message, NewMessage};
use serde_json::{Value, json};

use crate::fleet::{Fleet, lane};
use crate::lambda::sandbox::{MINUTE_MS, answer, arn, failures, invocation, receive, record, worker};
use crate::mode_tool::What;

/// The lane's queue as somebody made it who wants an order kept.
fn ordered() -> QueueName {
    QueueName::Fifo(Box::new(lane()))
}

/// The batch in the order of `jobs`, each with its group.
async fn batch(fleet: &Fleet, jobs: &[(&JobId, &str)]) -> (Vec<Message>, Value) {
    let received = receive(fleet, &lane()).await;
    let queue = &fleet.ports.queue;
    for message in &received {
        let again = NewMessage::of(message.body.clone());
        queue.send(&ordered(), vec![again]).await.unwrap();
        queue.delete(&lane(), vec![message.receipt.clone()]).await.unwrap();
    }
    let received = receive(fleet, &ordered()).await;
    let in_order: Vec<Message> =
        jobs.iter().map(|(job, _)| received[crate::lambda::sandbox::place(&received, job)].clone()).collect();
    let arn = arn(&ordered());
    let records: Vec<Value> = in_order
        .iter()
        .zip(jobs)
        .map(|(message, (_, group))| {
            let mut record = record(&arn, message);
            record["attributes"]["MessageGroupId"] = json!(group);
            record
        })
        .collect();
    (in_order, json!({ "Records": records }))
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_rest_of_its_group_comes_back_unstarted() {
    let fleet = Fleet::new(&[("steady", "timeout: 2s")]);
    let good = json!({"mode": "sleep", "ms": 100});
    let a1 = fleet.submit("steady", good.clone()).await;
    let a2 = fleet.submit("steady", json!({"mode": "fail_transient"})).await;
    let a3 = fleet.submit("steady", good.clone()).await;
    let b1 = fleet.submit("steady", good.clone()).await;
    let b2 = fleet.submit("steady", good).await;
    let (messages, event) =
        batch(&fleet, &[(&a1, "a"), (&b1, "b"), (&a2, "a"), (&b2, "b"), (&a3, "a")]).await;

    let answered = answer(&worker(&fleet), event, &invocation(&fleet, MINUTE_MS)).await;
    assert_eq!(answered, failures([&messages[2], &messages[4]]));
    for id in [&a1, &b1, &b2] {
        assert_eq!(fleet.row(id).await.status, JobStatus::Succeeded);
    }
    let rest = fleet.row(&a3).await;
    assert_eq!((rest.status, rest.attempt), (JobStatus::Queued, 0));
    assert_eq!(fleet.journal.of(&a3), []);

    let ended_ms = async |id: &JobId| fleet.journal.until(id, 1, What::Answered).await.at_ms;
    let began_ms = async |id: &JobId| fleet.journal.until(id, 1, What::Started).await.at_ms;
    assert!(ended_ms(&a1).await <= began_ms(&a2).await, "a group keeps its order");
    assert!(ended_ms(&b1).await <= began_ms(&b2).await, "a group keeps its order");
    assert!(began_ms(&b1).await < ended_ms(&a1).await, "groups do not wait for each other");
}

#[tokio::test(start_paused = true)]
async fn the_next_of_a_group_starts_only_if_its_timeout_still_fits() {
    let fleet = Fleet::new(&[("steady", "timeout: 8s")]);
    let first = fleet.submit("steady", json!({"mode": "sleep", "ms": 3_000})).await;
    let second = fleet.submit("steady", json!({"mode": "succeed"})).await;
    let (messages, event) = batch(&fleet, &[(&first, "a"), (&second, "a")]).await;

    let answered = answer(&worker(&fleet), event, &invocation(&fleet, 12_000)).await;
    assert_eq!(answered, failures([&messages[1]]));
    assert_eq!(fleet.row(&first).await.status, JobStatus::Succeeded);
    assert_eq!(fleet.row(&second).await.attempt, 0);
    assert_eq!(fleet.journal.of(&second), []);
    assert_eq!(fleet.depth(&ordered()).await.visible, 1, "at once");
}
