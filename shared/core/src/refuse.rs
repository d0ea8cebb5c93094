//! Refusals that nobody waits for: the row of a job that was not accepted, so that whoever polls it learns why.

use crate::admit::{Origin, find_tool, keyed_id, known_lane};
use crate::envelope::Parameters;
use crate::ids::{JobId, Lane, Tenant, params_hash};
use crate::job::{JobRecord, JobStatus, NewJob};
use crate::lifecycle::Ending;
use crate::limits::{KEPT_PARAMETERS_MAX_BYTES, NAME_SHOWN_MAX_CHARS};
use crate::manifest::Manifest;
use crate::outcome::{ErrorKind, JobError};
use crate::policy::Effects;
use crate::spec::JobSpec;

/// The row of a refused job, which ends as it begins: `FAILED`, by no attempt. Parameters that are small are kept, so
/// that it can be submitted again once the manifest was mended.
///
/// Its id is the one that it would have had; where that breaks its rule, the one that the occurrence stands for. `None`
/// if nothing names it.
pub fn refused(
    spec: &JobSpec,
    manifest: &Manifest,
    origin: &Origin,
    error: JobError,
    now_ms: u64,
) -> Option<JobRecord> {
    let tenant = spec.tenant.clone().and_then(|name| Tenant::try_new(name).ok());
    let tenant = tenant.unwrap_or_else(Tenant::default_tenant);
    let id = id(spec, origin, &tenant)?;
    let tool = find_tool(manifest, &spec.tool).ok();
    let asked_for = spec.lane.clone().and_then(|name| known_lane(manifest, name).ok());
    let lane = asked_for.or_else(|| Some(tool?.policy.lane.clone())).unwrap_or_else(Lane::default_lane);
    let job = NewJob {
        id,
        params_hash: params_hash(&tenant, &spec.tool, &spec.parameters),
        tool: spec.tool.chars().take(NAME_SHOWN_MAX_CHARS).collect(),
        tenant,
        lane,
        max_attempts: tool.map_or(1, |tool| tool.policy.retry.max_attempts()),
        // It had none, and never will.
        effects: Effects::ReadOnly,
        effect_key: None,
        retry_of: None,
        deadline_ms: None,
        parent: None,
        index: None,
        child_events: false,
        label: None,
        created_at_ms: now_ms,
    };
    let is_small = spec.parameters.to_string().len() <= KEPT_PARAMETERS_MAX_BYTES;
    let kept = is_small.then(|| Parameters::Inline(spec.parameters.clone()));
    Some(Ending::failed(error).keeping(kept).at_once(job))
}

/// Whether a row is that of a refused submission.
pub fn is_refusal(row: &JobRecord) -> bool {
    let kind = row.error.as_ref().map(|error| error.kind);
    row.status == JobStatus::Failed
        && row.attempt == 0
        && matches!(kind, Some(ErrorKind::Invalid | ErrorKind::UnknownTool | ErrorKind::TooLarge))
}

fn id(spec: &JobSpec, origin: &Origin, tenant: &Tenant) -> Option<JobId> {
    let own = spec.job_id.as_deref().and_then(|id| JobId::try_new(id).ok());
    let keyed = || {
        let key = spec.idempotency_key.as_deref().filter(|_| spec.job_id.is_none())?;
        keyed_id(tenant, origin.source, key).ok()
    };
    let told = || {
        let occurrence = origin.occurrence.as_deref()?;
        JobId::try_new(occurrence).ok().or_else(|| origin.id(tenant))
    };
    own.or_else(keyed).or_else(told)
}
