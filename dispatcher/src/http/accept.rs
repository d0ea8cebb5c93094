//! Handing a submission to the dispatcher, and answering with its record.

use axum::Json;
use axum::http::header::{CONTENT_LOCATION, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use gantz_core::admit::Origin;
use gantz_core::batch::{BatchRecord, BatchView};
use gantz_core::job::JobRecord;
use gantz_core::spec::JobSpec;
use serde::Serialize;

use super::problem::Problem;
use super::{Door, caller, key, trace};
use crate::caller::Caller;
use crate::to_the_end::to_the_end;

/// The door's name: idempotency keys of different doors differ.
pub(super) const ORIGIN: Origin = Origin { source: "http", occurrence: None };

/// Submits a job. What it was called before, it is again: the row of an earlier submission is as good as a new one.
pub(super) async fn job(
    door: &Door,
    caller: &Caller,
    headers: &HeaderMap,
    mut spec: JobSpec,
) -> Result<JobRecord, Problem> {
    caller::own(caller, &mut spec.tenant)?;
    spec.idempotency_key = key::agreed(headers, spec.idempotency_key)?;
    spec.traceparent = spec.traceparent.or_else(|| trace::of(headers));
    let dispatcher = door.dispatcher.clone();
    let submitted = to_the_end(async move { dispatcher.submit(spec, &ORIGIN).await }).await??;
    Ok(submitted.record)
}

/// A record that has ended is answered 200, one that has not 202; both say where it lives.
pub(super) fn record<R: Record>(record: &R) -> Response {
    let path = header(record.path());
    if record.has_ended() {
        return (StatusCode::OK, [(CONTENT_LOCATION, path)], Json(record.shown())).into_response();
    }
    (StatusCode::ACCEPTED, [(LOCATION, path)], Json(record.shown())).into_response()
}

pub(super) trait Record {
    fn path(&self) -> String;
    fn shown(&self) -> impl Serialize;
    fn has_ended(&self) -> bool;
}

impl Record for JobRecord {
    fn path(&self) -> String {
        format!("/jobs/{}", self.id)
    }

    fn shown(&self) -> impl Serialize {
        self
    }

    fn has_ended(&self) -> bool {
        self.is_finished()
    }
}

impl Record for BatchRecord {
    fn path(&self) -> String {
        format!("/batches/{}", self.id)
    }

    fn shown(&self) -> impl Serialize {
        BatchView::from(self)
    }

    fn has_ended(&self) -> bool {
        self.is_finished()
    }
}

/// A path as a header's value. Ids consist of visible ASCII, so nothing is ever replaced.
pub(super) fn header(path: String) -> HeaderValue {
    HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"))
}

/// A header that says where a job lives.
pub(super) fn location(row: &JobRecord) -> (HeaderName, HeaderValue) {
    (LOCATION, header(row.path()))
}
