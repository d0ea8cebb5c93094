//! What every [`EventSink`] must do.

use std::sync::Arc;

use async_trait::async_trait;
use gantz_core::event::Event;
use gantz_core::ids::JobId;
use gantz_core::ports::EventSink;

use crate::Env;
use crate::builders::event;
use crate::suite::{Case, Suite};
use crate::together::together;

/// How often the suite looks for an event before it misses it, a tick apart.
const LOOKS: u32 = 20;

/// The far end of a sink: a sink itself cannot be read.
#[async_trait]
pub trait Delivered: Send + Sync {
    /// The events of this job that have arrived so far, in any order.
    async fn of(&self, job_id: &JobId) -> Vec<Event>;
}

/// Runs every case.
///
/// # Panics
/// When a case fails, naming it.
pub async fn run(sink: Arc<dyn EventSink>, delivered: Arc<dyn Delivered>, env: Env) {
    let mut suite = Suite::new("event_sink", Ends { sink, delivered }, env);
    suite.case(an_accepted_event_is_delivered_as_it_was).await;
    suite.case(every_event_of_a_call_has_an_answer).await;
    suite.case(publishing_nothing_answers_nothing).await;
    suite.case(a_repeated_event_is_accepted).await;
    suite.case(publishers_at_once_lose_nothing).await;
    suite.finish();
}

#[derive(Clone)]
struct Ends {
    sink: Arc<dyn EventSink>,
    delivered: Arc<dyn Delivered>,
}

type Input = Case<Ends>;

impl Ends {
    async fn publish(&self, events: &[Event]) {
        let answers = self.sink.publish(events.to_vec()).await.unwrap();
        assert_eq!(answers, vec![Ok(()); events.len()]);
    }

    async fn assert_delivered(&self, env: &Env, expected: &Event) {
        for _ in 0..LOOKS {
            let arrived = self.delivered.of(&expected.job_id).await;
            if !arrived.is_empty() {
                assert!(arrived.iter().all(|event| event == expected), "{arrived:?}");
                return;
            }
            env.advance(env.ticks(1)).await;
        }
        panic!("the event of {} never arrived", expected.job_id);
    }
}

async fn an_accepted_event_is_delivered_as_it_was(case: Input) {
    let event = event(&case.id("job"));
    assert_eq!(case.port.delivered.of(&event.job_id).await, []);
    case.port.publish(std::slice::from_ref(&event)).await;
    case.port.assert_delivered(&case.env, &event).await;
}

/// More than any service takes in one request: splitting is the sink's business.
async fn every_event_of_a_call_has_an_answer(case: Input) {
    let events: Vec<_> = (0..35).map(|n| event(&case.id(&format!("job-{n}")))).collect();
    case.port.publish(&events).await;
    for event in &events {
        case.port.assert_delivered(&case.env, event).await;
    }
}

async fn publishing_nothing_answers_nothing(case: Input) {
    assert_eq!(case.port.sink.publish(vec![]).await.unwrap(), []);
}

async fn a_repeated_event_is_accepted(case: Input) {
    let event = event(&case.id("job"));
    case.port.publish(&[event.clone(), event.clone()]).await;
    case.port.publish(std::slice::from_ref(&event)).await;
    case.port.assert_delivered(&case.env, &event).await;
}

async fn publishers_at_once_lose_nothing(case: Input) {
    let events: Vec<_> = (0..16).map(|n| event(&case.id(&format!("job-{n}")))).collect();
    let publishers = events.clone().into_iter().map(|event| {
        let ends = case.port.clone();
        async move { ends.publish(&[event]).await }
    });
    together(publishers).await;
    for event in &events {
        case.port.assert_delivered(&case.env, event).await;
    }
}
