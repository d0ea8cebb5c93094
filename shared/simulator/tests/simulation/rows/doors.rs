//! Events that are delivered again.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantz_dispatcher::lambda::{Invocation, Lambda};
use gantz_simulator::faults::{Fault, Faults, Rates};
use gantz_simulator::fleet::{self, FleetPlan, dispatcher};
use gantz_simulator::run::{in_world, settled};
use gantz_simulator::{Process, Report, Scenario, World};
use gantz_testkit::fault_table::{Level, fault};
use serde_json::{Value, json};

use super::{all_started_once, all_succeeded};

/// Hands these events to the dispatcher's function, at once, each in a sandbox of its own; then the jobs run.
fn deliver(seed: u64, events: Vec<(&str, Value)>) -> Report {
    let scenario = Scenario { fleet: FleetPlan::functions(), ..Scenario::calm(seed, vec![]) };
    let report = in_world(&scenario, async |world| {
        let deadline_ms = world.now_ms() + 60_000;
        let handled = events.into_iter().enumerate().map(|(n, (request_id, event))| {
            let process = Process::start(&world, format!("front-{n}"), 0);
            let invocation = Invocation { request_id: request_id.to_owned(), deadline_ms, trace: None };
            async move {
                let front = Lambda::new(dispatcher(&process), Arc::new(|_: &str| {}));
                front.handle(&event, &invocation).await.unwrap();
            }
        });
        futures_util::future::join_all(handled).await;
        work(&world, &scenario).await;
    });
    assert!(report.is_fine(), "{:?}", report.violations);
    all_succeeded(&report);
    all_started_once(&report);
    report
}

/// Runs the jobs that there are, each of them answered for.
async fn work(world: &Arc<World>, scenario: &Scenario) {
    world.with(|state| {
        let ids: Vec<_> = state.rows.keys().cloned().collect();
        for id in &ids {
            state.observer.accepted(id);
        }
    });
    fleet::start(world, &scenario.fleet);
    settled(world, scenario).await;
}

fn upload(sequencer: &str) -> Value {
    json!({ "Records": [{
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": { "name": "GANTZ" },
            "object": { "key": "uploads/a.csv", "size": 5, "eTag": "e", "sequencer": sequencer },
        },
    }]})
}

/// Requests at once, of clients who do not hear each other's answers.
const AT_ONCE: u32 = 20;

#[test]
fn a_request_whose_answer_is_lost_a_thousand_times_is_one_job() {
    let shown = fault(1, Level::Simulated);
    let kinds = Fault::ALL.to_vec();
    let faults = Faults::random(Rates { calls: 200, kinds, ..Rates::default() });
    let scenario = Scenario { faults, fleet: FleetPlan::functions(), ..Scenario::calm(1, vec![]) };
    let body = json!({ "tool": "pay", "parameters": { "n": 1 } }).to_string();
    let request = json!({
        "version": "2.0", "rawPath": "/jobs", "body": body,
        "headers": { "content-type": "application/json", "idempotency-key": "order-17" },
        "requestContext": { "http": { "method": "POST", "path": "/jobs" } },
    });
    let report = in_world(&scenario, async |world| {
        let ask = async |name: String| {
            let process = Process::start(&world, name, 0);
            let front = Lambda::new(dispatcher(&process), Arc::new(|_: &str| {}));
            let deadline_ms = world.now_ms() + 60_000;
            let invocation = Invocation { request_id: process.name().to_owned(), deadline_ms, trace: None };
            tokio::select! {
                answer = front.handle(&request, &invocation) => answer.ok(),
                () = process.died() => None,
            }
        };
        let mut ids = BTreeSet::new();
        for round in 0..1_000 / AT_ONCE {
            let asked = (0..AT_ONCE).map(|n| ask(format!("front-{round}-{n}")));
            for answer in futures_util::future::join_all(asked).await.into_iter().flatten() {
                if answer["statusCode"].as_u64().unwrap() < 300 {
                    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
                    ids.insert(body["job_id"].as_str().unwrap().to_owned());
                }
            }
        }
        world.calm();
        assert_eq!(ids.len(), 1, "{ids:?}");
        work(&world, &scenario).await;
    });
    assert!(report.is_fine(), "{:?}", report.violations);
    assert_eq!(report.rows.len(), 1, "{:?}", report.rows);
    all_succeeded(&report);
    let figure = format!("1,000 requests, {} calls of them with a fault, one job of one id", report.faults);
    shown.in_runs(1_000, figure);
}

#[test]
fn uploads_told_twice_and_out_of_order_are_a_job_each() {
    let shown = fault(7, Level::Simulated);
    for seed in 0..20 {
        let [first, second] = ["0055AED6DCD90281E5", "0055AED6DCD90281E6"].map(upload);
        let events = [&second, &first, &second, &first].map(|event| ("r", event.clone()));
        assert_eq!(deliver(seed, events.into()).rows.len(), 2, "one for each upload");
    }
    shown.in_runs(20, "4 events, 2 uploads of one key, 2 jobs");
}

#[test]
fn a_schedule_that_fires_twice_is_one_job() {
    let shown = fault(9, Level::Simulated);
    for seed in 0..20 {
        let tick = json!({
            "gantz_schedule": "nightly", "scheduled_time": "2030-01-31T12:00:00Z",
            "job": { "tool": "pay", "parameters": { "n": 1 } },
        });
        let report = deliver(seed, vec![("first", tick.clone()), ("second", tick.clone()), ("third", tick)]);
        assert_eq!(report.rows.len(), 1);
    }
    shown.in_runs(20, "3 deliveries, 1 job");
}

#[test]
fn an_event_and_an_invoke_that_are_delivered_again_are_a_job_each() {
    let shown = fault(10, Level::Simulated);
    for seed in 0..20 {
        let detail = json!({ "tool": "pay", "parameters": { "n": 1 } });
        let event = json!({
            "id": "7bf73129-1428-4cd3-a780-95db273d1602", "source": "shop", "detail-type": "Gantz Job",
            "detail": detail,
        });
        let invoke = json!({ "tool": "pay", "parameters": { "n": 2 } });
        let events = vec![
            ("a", event.clone()),
            ("b", event.clone()),
            ("c", event),
            ("same-request", invoke.clone()),
            ("same-request", invoke),
        ];
        assert_eq!(deliver(seed, events).rows.len(), 2);
    }
    shown.in_runs(20, "3 deliveries of an event, 2 of an invoke, 2 jobs");
}
