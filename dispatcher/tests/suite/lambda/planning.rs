//! The planner's queue.

use gantz_core::ids::QueueName;
use gantz_core::ports::{Message, Receive};
use serde_json::{Value, json};

use crate::lambda::world::{World, event, invocation, message};

const RECEIVE: Receive = Receive { max: 10, visibility_ms: 360_000, wait_ms: 0 };

async fn received(world: &World) -> Vec<Message> {
    world.ports.queue.receive(&QueueName::Plan, RECEIVE).await.unwrap()
}

fn records(messages: &[Message]) -> Value {
    let one = |given: &Message| message("plan", &given.id, &given.receipt.0, &given.body);
    json!({ "Records": messages.iter().map(one).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_batch_becomes_its_children() {
    let world = World::new();
    let answer = world.handle(&event("direct_batch")).await.unwrap();
    let batch = answer["batch_id"].as_str().unwrap().to_owned();
    world.metrics();

    let plans = received(&world).await;
    assert_eq!(plans.len(), 1);
    let answer = world.handle(&records(&plans)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let children: Vec<String> = world.jobs().await.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(children.len(), 2, "{children:?}");
    assert!(children.iter().all(|id| id.starts_with(&batch)), "{children:?}");
    assert_eq!(world.metrics()[0]["JobsAccepted"], 2);
}

#[tokio::test]
async fn a_plan_that_time_is_too_short_for_comes_back_at_once() {
    let world = World::new();
    world.handle(&event("direct_batch")).await.unwrap();
    let plans = received(&world).await;
    let answer = world.function.handle(&records(&plans), &invocation(1_000)).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": plans[0].id}]}));
    assert_eq!(world.jobs().await, []);

    let again = received(&world).await;
    assert_eq!(again.len(), 1, "it is visible again, long before its visibility timeout ends");
    assert_eq!(world.handle(&records(&again)).await.unwrap(), json!({"batchItemFailures": []}));
    assert_eq!(world.jobs().await.len(), 2);
}
