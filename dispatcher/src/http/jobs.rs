//! Jobs: submit, look at, list, cancel, retry.

use axum::Json;
use axum::body::Body as AnswerBody;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use gantz_core::ids::JobId;
use gantz_core::job::{JobRecord, JobResult, JobStatus};
use gantz_core::lifecycle::CancelVerdict;
use gantz_core::limits::RESULT_MAX_BYTES;
use gantz_core::ports::{JobFilter, PortError};
use gantz_core::spec::JobSpec;
use serde_json::json;

use super::body::Body;
use super::id::Id;
use super::prefer::Wait;
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use super::query::Query;
use super::{Door, accept, caller};
use crate::caller::Caller;
use crate::retry::Retried;
use crate::to_the_end::to_the_end;
use crate::wait;

pub(super) async fn submit(
    State(door): State<Door>,
    asking: Caller,
    headers: HeaderMap,
    Body(spec): Body<JobSpec>,
) -> Result<Response, Problem> {
    let row = accept::job(&door, &asking, &headers, spec).await?;
    let Some(preferred) = Wait::preferred(&headers, door.settings.wait_max_ms) else {
        return Ok(accept::record(&row));
    };
    let row = wait::for_job(&*door.dispatcher.ports.jobs, row, wait::until(preferred.ms())).await?;
    let mut response = accept::record(&row);
    response.headers_mut().insert("preference-applied", preferred.applied());
    Ok(response)
}

pub(super) async fn show(
    State(door): State<Door>,
    asking: Caller,
    Id(id): Id,
    uri: Uri,
) -> Result<Json<JobRecord>, Problem> {
    let wait_ms = Query::read(&uri, &["wait"])?.wait_ms(door.settings.wait_max_ms)?;
    let row = caller::job(&door, &asking, &id).await?;
    let row = wait::for_job(&*door.dispatcher.ports.jobs, row, wait::until(wait_ms)).await?;
    Ok(Json(row))
}

pub(super) async fn result(
    State(door): State<Door>,
    asking: Caller,
    Id(id): Id,
) -> Result<Response, Problem> {
    let row = caller::job(&door, &asking, &id).await?;
    if row.status == JobStatus::Succeeded {
        return value(&door, row.result).await;
    }
    let detail = match (&row.error, row.is_finished()) {
        (Some(error), true) => format!("the job `{id}` is {}: {}", row.status.as_str(), error.message),
        (None, true) => format!("the job `{id}` is {}", row.status.as_str()),
        (_, false) => format!("the job `{id}` is {}, it has not ended yet", row.status.as_str()),
    };
    Err(Problem::new(ProblemKind::NotSucceeded, detail).about(&row))
}

pub(super) async fn list(State(door): State<Door>, asking: Caller, uri: Uri) -> Result<Response, Problem> {
    let query = Query::read(&uri, &["status", "tool", "tenant", "batch", "limit", "cursor"])?;
    let filter = JobFilter {
        status: query.get("status").map(status).transpose()?,
        tool: query.get("tool").map(str::to_owned),
        tenant: caller::listed(&asking, query.tenant()?)?,
        parent: query.get("batch").map(batch).transpose()?,
    };
    let cursor = query.get("cursor");
    let listed = door.dispatcher.ports.jobs.list(&filter, query.limit()?, cursor).await;
    let page = listed.map_err(|error| match error {
        PortError::Permanent(_) if cursor.is_some() => {
            Problem::query("cursor", "is none that a listing has returned")
        }
        error => error.into(),
    })?;
    Ok(Json(json!({ "jobs": page.jobs, "next": page.next })).into_response())
}

/// Cancels a job, or a batch: one id is enough for whoever wants something to stop.
pub(super) async fn cancel(
    State(door): State<Door>,
    asking: Caller,
    Id(id): Id,
) -> Result<Response, Problem> {
    caller::check_either(&door, &asking, &id).await?;
    let dispatcher = door.dispatcher.clone();
    match dispatcher.cancel(&id).await? {
        CancelVerdict::Ended(row) | CancelVerdict::Requested(row) | CancelVerdict::Finished(row) => {
            return Ok(accept::record(&*row));
        }
        CancelVerdict::Unknown => {}
    }
    let batch_id = id.clone();
    match to_the_end(async move { dispatcher.cancel_batch(&batch_id).await }).await?? {
        Some(row) => Ok(accept::record(&row)),
        None => Err(Problem::new(ProblemKind::NoSuchJob, format!("there is no job and no batch `{id}`"))),
    }
}

/// Submits a job again that ended without success, or a batch of those children that did.
pub(super) async fn retry(
    State(door): State<Door>,
    asking: Caller,
    Id(id): Id,
    uri: Uri,
) -> Result<Response, Problem> {
    caller::check_either(&door, &asking, &id).await?;
    let even_if_it_ran = Query::read(&uri, &["even_if_it_ran"])?.flag("even_if_it_ran")?;
    let dispatcher = door.dispatcher.clone();
    Ok(match to_the_end(async move { dispatcher.retry(&id, even_if_it_ran).await }).await?? {
        Retried::Job(submitted) => accept::record(&submitted.record),
        Retried::Batch(submitted) => accept::record(&submitted.record),
    })
}

/// A job's result as the answer itself.
pub(super) async fn value(door: &Door, result: Option<JobResult>) -> Result<Response, Problem> {
    match result {
        Some(JobResult::Inline(value)) => Ok(Json(value).into_response()),
        Some(JobResult::Ref(reference)) => {
            let bytes = door.dispatcher.ports.blobs.get(&reference, RESULT_MAX_BYTES).await?;
            let json = HeaderValue::from_static("application/json");
            Ok(([(CONTENT_TYPE, json)], AnswerBody::from(bytes)).into_response())
        }
        None => Err(Problem::new(ProblemKind::ResultLost, "the job succeeded without a result")),
    }
}

fn status(text: &str) -> Result<JobStatus, Problem> {
    JobStatus::from_wire(text).ok_or_else(|| {
        let known = JobStatus::ALL.map(JobStatus::as_str).join(", ");
        Problem::query("status", &format!("is no status, expected one of {known}"))
    })
}

fn batch(text: &str) -> Result<JobId, Problem> {
    JobId::try_new(text).map_err(|error| Problem::query("batch", &format!("is no id: {}", error.rule)))
}
