//! Batches: submit, look at, list. A batch is cancelled like a job.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use gantz_core::admit_batch::BatchSpec;
use gantz_core::batch::{BatchReport, BatchView};
use serde_json::json;

use super::accept::{self, ORIGIN};
use super::body::Body;
use super::id::Id;
use super::problem::Problem;
use super::query::Query;
use super::{Door, caller, key, trace};
use crate::caller::Caller;
use crate::failures;
use crate::to_the_end::to_the_end;
use crate::wait;

pub(super) async fn submit(
    State(door): State<Door>,
    asking: Caller,
    headers: HeaderMap,
    Body(mut spec): Body<BatchSpec>,
) -> Result<Response, Problem> {
    if !door.settings.local_sources {
        spec.refuse_local_sources()?;
    }
    caller::own(&asking, &mut spec.tenant)?;
    spec.idempotency_key = key::agreed(&headers, spec.idempotency_key)?;
    spec.traceparent = spec.traceparent.or_else(|| trace::of(&headers));
    let dispatcher = door.dispatcher.clone();
    let submitted = to_the_end(async move { dispatcher.submit_batch(spec, &ORIGIN).await }).await??;
    Ok(accept::record(&submitted.record))
}

pub(super) async fn show(
    State(door): State<Door>,
    asking: Caller,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<BatchReport>, Problem> {
    let wait_ms = Query::read(&uri, &["wait"])?.wait_ms(door.settings.wait_max_ms)?;
    let ports = &door.dispatcher.ports;
    let found = wait::for_batch(&*ports.batches, &id, wait::until(wait_ms)).await?;
    Ok(Json(failures::report(ports, &caller::batch(&asking, &id, found)?).await?))
}

pub(super) async fn list(State(door): State<Door>, asking: Caller, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["tenant", "limit"])?;
    let tenant = caller::listed(&asking, query.tenant()?)?;
    let batches = door.dispatcher.ports.batches.list_batches(tenant.as_ref(), query.limit()?).await?;
    let batches: Vec<BatchView> = batches.iter().map(BatchView::from).collect();
    Ok(Json(json!({ "batches": batches })).into_response())
}
