//! Uploads: a job for every trigger that an object starts.

use gantz_core::admit::Origin;
use gantz_core::manifest::{Manifest, TriggerSpec};
use gantz_core::spec::JobSpec;
use serde_json::{Value, json};

use super::error::LambdaError;
use super::s3::Upload;
use super::submission::Door;
use crate::submit::{Dispatcher, Submitted};

/// Reasons repeated in an error: the rest are likely to be the same.
const REASONS_MAX: usize = 3;

/// Submits the jobs of all uploads together. One that fails keeps none of the others from becoming jobs.
pub(super) async fn dispatch(
    dispatcher: &Dispatcher,
    found: Vec<Result<Upload, String>>,
) -> Result<Value, LambdaError> {
    let all = found.len();
    let (mut places, mut asked, mut skipped, mut failures) = (Vec::new(), Vec::new(), 0, Vec::new());
    for upload in found {
        let started =
            upload.and_then(|upload| Ok((place(&upload), started_by(&dispatcher.manifest, &upload)?)));
        match started {
            Ok((_, jobs)) if jobs.is_empty() => skipped += 1,
            Ok((place, jobs)) => {
                places.extend(std::iter::repeat_n(place, jobs.len()));
                asked.extend(jobs);
            }
            Err(reason) => failures.push(reason),
        }
    }
    let mut is_final = true;
    let mut jobs = Vec::new();
    for (place, answer) in places.into_iter().zip(dispatcher.submit_unattended(asked).await) {
        match answer {
            Ok(Submitted { record, created }) => {
                jobs.push(json!({"job_id": record.id, "status": record.status, "created": created}));
            }
            Err(error) => {
                is_final &= error.is_final();
                failures.push(format!("{place}: {error}"));
            }
        }
    }
    if failures.is_empty() {
        return Ok(json!({"jobs": jobs, "skipped": skipped}));
    }
    let failed = failures.len();
    failures.truncate(REASONS_MAX);
    Err(LambdaError::Uploads { failed, all, is_final, reasons: failures.join("; ") })
}

/// The jobs that an upload starts, one for each trigger.
fn started_by(manifest: &Manifest, upload: &Upload) -> Result<Vec<(JobSpec, Origin)>, String> {
    if upload.is_folder() {
        return Ok(vec![]);
    }
    if manifest.triggers().next().is_none() {
        let place = place(upload);
        return Err(format!("{place}: the manifest has no trigger that would say which tool takes it"));
    }
    let triggers = manifest.triggers_for(&upload.bucket, &upload.key);
    Ok(triggers.map(|trigger| job(upload, trigger)).collect())
}

fn job(upload: &Upload, trigger: &TriggerSpec) -> (JobSpec, Origin) {
    let parameters = trigger.render(&upload.arrival());
    let mut spec = JobSpec::new(trigger.tool.clone(), parameters);
    spec.lane = trigger.lane.as_ref().map(ToString::to_string);
    spec.label = Some(place(upload));
    (spec, Origin { source: Door::S3.as_str(), occurrence: Some(upload.occurrence(&trigger.name)) })
}

fn place(upload: &Upload) -> String {
    format!("s3://{}/{}", upload.bucket, upload.key)
}
