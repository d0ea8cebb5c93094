//! Submissions that nobody waits for, such as events: what is refused is recorded as a job that failed, and told.

use gantz_core::admit::{Origin, Rejection};
use gantz_core::event;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::lifecycle::AcceptVerdict;
use gantz_core::outcome::{ErrorKind, JobError};
use gantz_core::refuse::{is_refusal, refused};
use gantz_core::spec::JobSpec;

use crate::send::unanswered;
use crate::submit::{Dispatcher, SubmitError, Submitted};

/// Why a submission is refused for good, as its row says it.
#[derive(Debug)]
pub(crate) struct Refusal {
    error: JobError,
}

impl Refusal {
    pub(crate) fn invalid(problem: impl Into<String>) -> Self {
        Self { error: JobError::new(ErrorKind::Invalid, problem) }
    }

    /// `None` where the same submission may be accepted later, or its id is another job's.
    fn of(error: &SubmitError) -> Option<Self> {
        let kind = match error {
            SubmitError::Rejected(Rejection::UnknownTool { .. }) => ErrorKind::UnknownTool,
            SubmitError::Rejected(Rejection::Parameters { .. } | Rejection::Field { .. }) => {
                ErrorKind::Invalid
            }
            SubmitError::TooLarge { .. } => ErrorKind::TooLarge,
            SubmitError::Conflict { .. } | SubmitError::Backlog { .. } | SubmitError::Port(_) => return None,
        };
        Some(Self { error: JobError::new(kind, error.to_string()) })
    }
}

impl Dispatcher {
    /// As [`Dispatcher::submit_all`], for callers who are gone: a job that is refused for good gets a row that says why,
    /// and its end is told as `Gantz Job Rejected`. It is an error only where its row is another job's, or nothing names
    /// it. What happened once is one job, although the manifest makes another of it since: the first one stands.
    pub async fn submit_unattended(
        &self,
        asked: Vec<(JobSpec, Origin)>,
    ) -> Vec<Result<Submitted<JobRecord>, SubmitError>> {
        let mut answers = Vec::with_capacity(asked.len());
        for ((spec, origin), answer) in asked.iter().zip(self.submit_all(asked.clone()).await) {
            let answer = match answer {
                Err(SubmitError::Conflict { id }) if is_named_by(origin, spec) => {
                    self.as_told_first(id).await
                }
                Err(error) => match Refusal::of(&error) {
                    Some(refusal) => {
                        self.refuse(spec, origin, refusal).await.and_then(|row| row.ok_or(error))
                    }
                    None => Err(error),
                },
                Ok(submitted) => Ok(submitted),
            };
            answers.push(answer);
        }
        answers
    }

    async fn as_told_first(&self, id: JobId) -> Result<Submitted<JobRecord>, SubmitError> {
        tracing::info!(job_id = %id, "told again, and admitted otherwise than the first time: the first job stands");
        let row = self.ports.jobs.get(&id).await?;
        row.map(|record| Submitted { record, created: false }).ok_or(SubmitError::Conflict { id })
    }

    /// Records and tells a refusal. `None` where there is no room for its row.
    pub(crate) async fn refuse(
        &self,
        spec: &JobSpec,
        origin: &Origin,
        Refusal { error }: Refusal,
    ) -> Result<Option<Submitted<JobRecord>>, SubmitError> {
        let Some(row) = refused(spec, &self.manifest, origin, error, self.clock.now_ms()) else {
            return Ok(None);
        };
        let verdict = self.accept(vec![row.clone()]).await?.into_iter().next();
        let (record, created) = match verdict.ok_or_else(|| unanswered("accept"))? {
            AcceptVerdict::Created => (row, true),
            AcceptVerdict::Exists(row) => (*row, false),
            AcceptVerdict::Conflict(_) => return Ok(None),
        };
        if is_refusal(&record) {
            self.publish(event::completion(&record)).await?;
        }
        Ok(Some(Submitted { record, created }))
    }
}

/// Whether the job's id is derived from what happened, and not the caller's own.
fn is_named_by(origin: &Origin, spec: &JobSpec) -> bool {
    origin.occurrence.is_some() && spec.job_id.is_none() && spec.idempotency_key.is_none()
}
