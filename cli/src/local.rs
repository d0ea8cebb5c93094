//! What a process serves on this machine besides the API: the log of ends, and metrics for Prometheus.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use gantz_core::ids::{Lane, QueueName};
use gantz_core::ports::JobQueue;
use gantz_dispatcher::Tally;
use gantz_embedded::Embedded;
use gantz_workers::totals::{Totals, sample};
use serde::Deserialize;
use serde_json::{Value, json};

/// Events in one answer.
const EVENTS_MAX: usize = 1_000;

type Refused = (StatusCode, String);

/// `GET /events`: the log of ends, from the event after `after` on. Whoever asks again with the last one's `seq` misses
/// none.
pub(crate) fn events(embedded: Embedded) -> Router {
    Router::new().route("/events", get(read_events)).with_state(embedded)
}

/// Which events.
#[derive(Deserialize)]
#[serde(default)]
struct Events {
    after: i64,
    limit: usize,
}

impl Default for Events {
    fn default() -> Self {
        Self { after: 0, limit: EVENTS_MAX }
    }
}

async fn read_events(
    State(embedded): State<Embedded>,
    Query(Events { after, limit }): Query<Events>,
) -> Result<Json<Value>, Refused> {
    let events =
        embedded.view().events(after, limit.clamp(1, EVENTS_MAX)).await.map_err(|e| unavailable(&e))?;
    Ok(Json(json!({ "events": events })))
}

/// What `GET /metrics` tells of.
#[derive(Clone)]
pub(crate) struct Measured {
    /// What the process has measured.
    pub(crate) totals: Totals,
    /// What it has accepted, if it takes submissions.
    pub(crate) accepted: Option<Tally>,
    pub(crate) queue: Arc<dyn JobQueue>,
    /// The lanes whose depth is told.
    pub(crate) lanes: Vec<Lane>,
}

/// `GET /metrics`: what the process has measured, and how many messages wait in each lane of its fleet.
pub(crate) fn metrics(measured: Measured) -> Router {
    Router::new().route("/metrics", get(read_metrics)).with_state(measured)
}

async fn read_metrics(State(measured): State<Measured>) -> Result<impl IntoResponse, Refused> {
    let mut text = measured.totals.render();
    if let Some(accepted) = &measured.accepted {
        text.push_str("# TYPE gantz_jobs_accepted_total counter\n");
        sample(&mut text, "gantz_jobs_accepted_total", &[], accepted.get() as f64);
    }
    text.push_str("# TYPE gantz_queue_messages gauge\n");
    for lane in &measured.lanes {
        let depth =
            measured.queue.depth(&QueueName::Lane(lane.clone())).await.map_err(|e| unavailable(&e))?;
        for (state, messages) in
            [("visible", depth.visible), ("in_flight", depth.in_flight), ("delayed", depth.delayed)]
        {
            let labels = [("lane", lane.as_str()), ("state", state)];
            sample(&mut text, "gantz_queue_messages", &labels, messages as f64);
        }
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

fn unavailable(error: &gantz_core::ports::PortError) -> Refused {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
