//! Admission of a job, or of a batch's children, that are to be done again.

use serde_json::{Map, Value};

use crate::admit::{Admission, Origin, Place, Rejection, admit, deadline_ms, find_tool};
use crate::admit_batch::{BatchAdmission, BatchSource, new_batch};
use crate::batch::{BatchProgress, BatchRecord};
use crate::envelope::Parameters;
use crate::ids::{JobId, Lane};
use crate::job::{JobRecord, JobStatus};
use crate::manifest::Manifest;
use crate::policy::Effects;
use crate::spec::JobSpec;

/// Where a retry comes from. With the id of the job it does again, that makes its own id: asking twice makes one job.
const SOURCE: &str = "retry";

/// Why a job is not done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetryRefusal {
    /// It may still succeed by itself.
    #[error("it is {}, and has not ended", .0.as_str())]
    NotEnded(JobStatus),
    /// There is nothing left to do.
    #[error("it has SUCCEEDED; submit its tool again for another result")]
    Succeeded,
    /// Its tool must not run twice, and may have run.
    #[error(
        "its tool must not run twice and was started, so it may have done what it does; look there, then retry with `even_if_it_ran`"
    )]
    MayHaveRun,
    /// All of a batch's children succeeded.
    #[error("all its children have SUCCEEDED")]
    NoneFailed,
    /// Whoever ended it did not know them.
    #[error(
        "its parameters are not kept: nobody has received its message since it was ended, or it was refused before"
    )]
    NoParameters,
}

/// The parameters to do a job again with.
///
/// # Errors
/// When it has not ended, succeeded, or has no parameters; and unless `even_if_it_ran`, when its tool must not run twice
/// and may have run.
pub fn may_retry(row: &JobRecord, even_if_it_ran: bool) -> Result<&Parameters, RetryRefusal> {
    if !row.is_finished() {
        return Err(RetryRefusal::NotEnded(row.status));
    }
    if row.status == JobStatus::Succeeded {
        return Err(RetryRefusal::Succeeded);
    }
    let started_once = row.effects == Effects::AtMostOnce && row.attempt > 0;
    if (started_once || row.status == JobStatus::InDoubt) && !even_if_it_ran {
        return Err(RetryRefusal::MayHaveRun);
    }
    row.parameters.as_ref().ok_or(RetryRefusal::NoParameters)
}

/// Admits a job that does `row` again, as the manifest is now: with a deadline and attempts of its own, and with the effect
/// key of the first of its kind, so that a keyed tool's provider knows the effect again.
///
/// # Errors
/// As [`admit`]: the manifest may have changed since.
pub fn admit_retry(
    row: &JobRecord,
    parameters: Value,
    manifest: &Manifest,
    now_ms: u64,
    random: [u64; 2],
) -> Result<Admission, Rejection> {
    let still_known = is_known(&row.lane, manifest);
    let spec = JobSpec {
        tenant: Some(row.tenant.to_string()),
        lane: still_known.then(|| row.lane.to_string()),
        label: row.label.clone(),
        ..JobSpec::new(row.tool.clone(), parameters)
    };
    let origin = Origin { source: SOURCE, occurrence: Some(row.id.to_string()) };
    let mut admission = admit(spec, manifest, &origin, now_ms, random)?;
    admission.record.retry_of = Some(row.id.clone());
    admission.record.effect_key = Some(row.effect_key().clone());
    Ok(admission)
}

/// Whether a batch has ended and has children to do again.
///
/// # Errors
/// When it has not.
pub fn may_retry_batch(progress: &BatchProgress) -> Result<(), RetryRefusal> {
    if !progress.batch.is_finished() {
        return Err(RetryRefusal::NotEnded(progress.batch.status));
    }
    if progress.totals.unsuccessful() == 0 {
        return Err(RetryRefusal::NoneFailed);
    }
    Ok(())
}

/// Admits a batch of those children of `row` that ended without success, as the manifest is now. Each is looked at when
/// it is planned.
///
/// # Errors
/// When the manifest no longer has the tool.
pub fn admit_batch_retry(
    row: &BatchRecord,
    even_if_it_ran: bool,
    manifest: &Manifest,
    now_ms: u64,
) -> Result<BatchAdmission, Rejection> {
    let tool = find_tool(manifest, &row.tool)?;
    let lane = if is_known(&row.lane, manifest) { &row.lane } else { &tool.policy.lane };
    let deadline_ms = Some(deadline_ms(None, now_ms, 0)?);
    let place = Place { tenant: row.tenant.clone(), lane: lane.clone(), deadline_ms };
    let id = JobId::from_key(&row.tenant, SOURCE, row.id.as_str());
    let source = BatchSource::Unsuccessful { batch: row.id.clone(), even_if_it_ran };
    let shared = Map::new();
    let record = BatchRecord {
        tolerate: row.tolerate,
        child_events: row.child_events,
        retry_of: Some(row.id.clone()),
        ..new_batch(id, tool, place, &source, &shared, now_ms)
    };
    Ok(BatchAdmission { record, source, shared, names_deadline: false, trace: None })
}

fn is_known(lane: &Lane, manifest: &Manifest) -> bool {
    manifest.lanes().any(|(known, _)| known == lane)
}
