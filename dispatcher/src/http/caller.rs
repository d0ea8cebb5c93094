//! The caller of a request, and what is withheld from it.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use gantz_core::batch::BatchProgress;
use gantz_core::ids::{JobId, Tenant};
use gantz_core::job::JobRecord;

use super::Door;
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use crate::caller::Caller;

impl FromRequestParts<Door> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _door: &Door) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// Fills in the tenant of a submission.
pub(super) fn own(caller: &Caller, tenant: &mut Option<String>) -> Result<(), Problem> {
    *tenant = caller.tenant_of(tenant.take()).map_err(|own| anothers(&own))?;
    Ok(())
}

/// The caller's job of that id; another's is not there.
pub(super) async fn job(door: &Door, caller: &Caller, id: &JobId) -> Result<JobRecord, Problem> {
    let row = door.dispatcher.ports.jobs.get(id).await?.filter(|row| caller.may_see(&row.tenant));
    row.ok_or_else(|| Problem::new(ProblemKind::NoSuchJob, format!("there is no job `{id}`")))
}

/// The caller's batch, if it is there; another's is not.
pub(super) fn batch(
    caller: &Caller,
    id: &JobId,
    found: Option<BatchProgress>,
) -> Result<BatchProgress, Problem> {
    let own = found.filter(|progress| caller.may_see(&progress.batch.tenant));
    own.ok_or_else(|| Problem::new(ProblemKind::NoSuchJob, format!("there is no batch `{id}`")))
}

/// That the caller's is a job or a batch of that id, before something is done to it. Nothing needs to be read for those
/// who may do it to any.
pub(super) async fn check_either(door: &Door, caller: &Caller, id: &JobId) -> Result<(), Problem> {
    if *caller == Caller::Trusted {
        return Ok(());
    }
    let ports = &door.dispatcher.ports;
    let tenant = match ports.jobs.get(id).await? {
        Some(row) => Some(row.tenant),
        None => ports.batches.progress(id).await?.map(|progress| progress.batch.tenant),
    };
    match tenant {
        Some(tenant) if caller.may_see(&tenant) => Ok(()),
        _ => Err(Problem::new(ProblemKind::NoSuchJob, format!("there is no job and no batch `{id}`"))),
    }
}

/// The tenant whose jobs are listed: the caller's own one, unless the caller may choose.
pub(super) fn listed(caller: &Caller, asked: Option<Tenant>) -> Result<Option<Tenant>, Problem> {
    match (caller, asked) {
        (Caller::Trusted, asked) => Ok(asked),
        (Caller::Of(own), Some(asked)) if asked != *own => Err(anothers(own)),
        (Caller::Of(own), _) => Ok(Some(own.clone())),
    }
}

fn anothers(own: &Tenant) -> Problem {
    Problem::new(ProblemKind::Forbidden, format!("the token is for the tenant `{own}`, leave out `tenant`"))
}
