//! The trace that an event came in goes with its job.

use gantz_core::envelope::Envelope;
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::Receive;
use gantz_core::trace::TraceParent;
use gantz_dispatcher::lambda::Invocation;
use serde_json::{Value, json};

use crate::lambda::world::{World, event, invocation, message};

const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const OF_XRAY: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The traces of the jobs that an event leads to.
async fn traces(world: &World, event: &Value, xray: Option<&str>) -> Vec<Option<String>> {
    let trace = xray.and_then(TraceParent::from_xray);
    world.function.handle(event, &Invocation { trace, ..invocation(60_000) }).await.unwrap();
    let ask = Receive { max: 10, visibility_ms: 30_000, wait_ms: 0 };
    let lane = QueueName::Lane(Lane::default_lane());
    let messages = world.ports.queue.receive(&lane, ask).await.unwrap();
    assert!(!messages.is_empty(), "{event}");
    let trace = |body: &str| Envelope::parse(body).unwrap().trace.map(String::from);
    messages.iter().map(|message| trace(&message.body)).collect()
}

fn some(trace: &str) -> Vec<Option<String>> {
    vec![Some(trace.to_owned())]
}

#[tokio::test]
async fn that_of_the_invocation_unless_the_event_has_its_own() {
    let world = World::new();
    assert_eq!(traces(&world, &event("direct_job"), Some(XRAY)).await, some(OF_XRAY));
    assert_eq!(traces(&world, &event("eventbridge_job"), Some(XRAY)).await, some(OF_XRAY));
    let own =
        json!({"tool": "echo", "parameters": {"text": "own"}, "job_id": "own-trace", "traceparent": W3C});
    assert_eq!(traces(&world, &own, Some(XRAY)).await, some(W3C));
    let none = json!({"tool": "echo", "parameters": {"text": "none"}, "job_id": "no-trace"});
    assert_eq!(traces(&world, &none, None).await, [None]);
}

#[tokio::test]
async fn that_of_a_messages_sender() {
    let world = World::new();
    let body = json!({"tool": "echo", "parameters": {"text": "a"}}).to_string();
    let mut record = message("ingest", "19dd0b57-b21e-4ac1-bd88-01bbb068cb78", "receipt", &body);
    record["attributes"]["AWSTraceHeader"] = json!(XRAY);
    assert_eq!(traces(&world, &json!({ "Records": [record] }), None).await, some(OF_XRAY));
}

#[tokio::test]
async fn that_of_a_request() {
    for (name, header, expected) in
        [("traceparent", W3C, W3C), ("x-amzn-trace-id", XRAY, OF_XRAY), ("X-Amzn-Trace-Id", XRAY, OF_XRAY)]
    {
        let mut request = event("http_v2_submit");
        request["headers"][name] = json!(header);
        assert_eq!(traces(&World::new(), &request, None).await, some(expected), "{name}");
    }
}
