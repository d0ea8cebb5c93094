//! Doing a job again: the row that ended without success becomes a submission.

use gantz_core::admit_retry::{RetryRefusal, admit_retry, may_retry};
use gantz_core::envelope::Parameters;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::limits::PARAMETERS_MAX_BYTES;
use gantz_core::ports::BlobError;
use serde_json::Value;

use crate::submit::{Dispatcher, SubmitError, Submitted, blob_error};

/// A job is not done again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// There is no such job.
    #[error("there is no job `{0}`")]
    Unknown(JobId),
    /// It must not be, or cannot.
    #[error("the job `{id}` is not retried: {why}")]
    Refused {
        /// The job.
        id: JobId,
        /// The reason.
        why: RetryRefusal,
    },
    /// It would be, but was not accepted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl Dispatcher {
    /// Submits a job again that ended without success, as a new job whose id follows from its own: asking again gives
    /// that one. A job whose tool must not run twice and may have run is submitted only if `even_if_it_ran`.
    ///
    /// # Errors
    /// When there is no such job, it may not be retried, the manifest no longer takes it, or the backend fails.
    pub async fn retry(&self, id: &JobId, even_if_it_ran: bool) -> Result<Submitted<JobRecord>, RetryError> {
        let row = self.ports.jobs.get(id).await.map_err(SubmitError::from)?;
        let row = row.ok_or_else(|| RetryError::Unknown(id.clone()))?;
        let kept =
            may_retry(&row, even_if_it_ran).map_err(|why| RetryError::Refused { id: id.clone(), why })?;
        let parameters = self.check_out(kept).await?;
        let admission = admit_retry(&row, parameters, &self.manifest, self.clock.now_ms(), self.random());
        Ok(self.submit_admitted(admission.map_err(SubmitError::from)?).await?)
    }

    /// Parameters themselves, wherever they are kept.
    async fn check_out(&self, parameters: &Parameters) -> Result<Value, SubmitError> {
        let reference = match parameters {
            Parameters::Inline(value) => return Ok(value.clone()),
            Parameters::Ref(reference) => reference,
        };
        let bytes = self.ports.blobs.get(reference, PARAMETERS_MAX_BYTES).await.map_err(blob_error)?;
        serde_json::from_slice(&bytes).map_err(|_| blob_error(BlobError::Damaged(reference.clone())))
    }
}
