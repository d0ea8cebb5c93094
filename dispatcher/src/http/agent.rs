//! The synchronous call: a tool and its parameters in, the bare result out, within the time that the caller has.

use axum::extract::State;
use axum::http::header::CONTENT_LOCATION;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::spec::JobSpec;

use super::accept::{self, location};
use super::body::Body;
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use super::{Door, jobs};
use crate::caller::Caller;
use crate::wait;

/// The caller's remaining time in milliseconds, such as that of its own invocation.
const REMAINING: &str = "Gantz-Remaining-Ms";
/// With less time than this, a call is not begun.
const REMAINING_MIN_MS: u64 = 5_000;
/// Time kept at the end for the answer to travel.
pub(super) const BUFFER_MS: u64 = 1_000;
/// The caller has to come back with more time; this is how soon a new invocation usually does.
const RETRY_AFTER_S: u64 = 1;

pub(super) async fn call(
    State(door): State<Door>,
    caller: Caller,
    headers: HeaderMap,
    Body(spec): Body<JobSpec>,
) -> Result<Response, Problem> {
    let remaining_ms = remaining_ms(&headers)?
        .map_or(door.settings.agent_budget_ms, |ms| ms.min(door.settings.agent_budget_ms));
    if remaining_ms < REMAINING_MIN_MS {
        let detail = format!("{remaining_ms} ms remain, at least {REMAINING_MIN_MS} ms are needed to begin");
        return Err(Problem::new(ProblemKind::InsufficientTime, detail).retry_after(RETRY_AFTER_S));
    }
    let until = wait::until(remaining_ms - BUFFER_MS);
    let row = accept::job(&door, &caller, &headers, spec).await?;
    let row = wait::for_job(&*door.dispatcher.ports.jobs, row, until).await?;
    answer(&door, row).await
}

async fn answer(door: &Door, row: JobRecord) -> Result<Response, Problem> {
    match row.status {
        JobStatus::Succeeded => {
            let result = accept::header(format!("/jobs/{}/result", row.id));
            let mut response = jobs::value(door, row.result).await?;
            response.headers_mut().insert(CONTENT_LOCATION, result);
            Ok(response)
        }
        status if status.is_terminal() => {
            let detail = match &row.error {
                Some(error) => error.message.clone(),
                None => format!("the job is {}", status.as_str()),
            };
            Err(Problem::new(ProblemKind::ToolFailed, detail).about(&row))
        }
        status => {
            let detail = format!("the job `{}` is {} and goes on", row.id, status.as_str());
            let (name, value) = location(&row);
            Err(Problem::new(ProblemKind::TimedOut, detail).about(&row).with_header(name, value))
        }
    }
}

fn remaining_ms(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let number = |value: &HeaderValue| value.to_str().ok()?.trim().parse().ok();
    let given = headers.get(REMAINING);
    let wrong = || Problem::header(REMAINING, "is no whole number of milliseconds");
    given.map(|value| number(value).ok_or_else(wrong)).transpose()
}
