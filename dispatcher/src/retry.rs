//! Doing again what ended without success: its row becomes a submission.

use gantz_core::admit_retry::{RetryRefusal, admit_batch_retry, admit_retry, may_retry, may_retry_batch};
use gantz_core::batch::BatchRecord;
use gantz_core::ids::JobId;
use gantz_core::job::JobRecord;
use gantz_core::ports::{PortError, read_parameters};

use crate::submit::{Dispatcher, SubmitError, Submitted};

/// What was submitted to do a job or a batch again.
#[derive(Debug, Clone, PartialEq)]
pub enum Retried {
    /// A job, for a job.
    Job(Box<Submitted<JobRecord>>),
    /// A batch of those children that did not succeed, for a batch.
    Batch(Box<Submitted<BatchRecord>>),
}

/// A job or a batch is not done again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// There is neither.
    #[error("there is no job and no batch `{0}`")]
    Unknown(JobId),
    /// It must not be, or cannot.
    #[error("`{id}` is not retried: {why}")]
    Refused {
        /// The job or batch.
        id: JobId,
        /// The reason.
        why: RetryRefusal,
    },
    /// Asking again gives the batch of before, but that one was asked for with the other answer.
    #[error(
        "`{id}` was retried before, as `{batch}`, with another `even_if_it_ran`; retry the children that it has left out one by one"
    )]
    Otherwise {
        /// The batch.
        id: JobId,
        /// The one that does it again.
        batch: JobId,
    },
    /// It would be, but was not accepted.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl From<PortError> for RetryError {
    fn from(error: PortError) -> Self {
        Self::Submit(error.into())
    }
}

impl Dispatcher {
    /// Submits a job again that ended without success, as a new job, or a batch's children that did, as a new batch. The
    /// new id follows from the old one: asking again gives the same. A job whose tool must not run twice and may have run
    /// is submitted only if `even_if_it_ran`; a batch leaves such children out and counts them.
    ///
    /// # Errors
    /// When there is neither, it may not be retried, the manifest no longer takes it, or the backend fails.
    pub async fn retry(&self, id: &JobId, even_if_it_ran: bool) -> Result<Retried, RetryError> {
        match self.ports.jobs.get(id).await? {
            Some(row) => self.retry_job(&row, even_if_it_ran).await.map(Box::new).map(Retried::Job),
            None => self.retry_batch(id, even_if_it_ran).await.map(Box::new).map(Retried::Batch),
        }
    }

    async fn retry_job(
        &self,
        row: &JobRecord,
        even_if_it_ran: bool,
    ) -> Result<Submitted<JobRecord>, RetryError> {
        let refused = |why| RetryError::Refused { id: row.id.clone(), why };
        let kept = may_retry(row, even_if_it_ran).map_err(refused)?.clone();
        let parameters = read_parameters(&*self.ports.blobs, kept).await.map_err(PortError::from)?;
        let admission = admit_retry(row, parameters, &self.manifest, self.clock.now_ms(), self.random());
        Ok(self.submit_admitted(admission.map_err(SubmitError::from)?).await?)
    }

    async fn retry_batch(
        &self,
        id: &JobId,
        even_if_it_ran: bool,
    ) -> Result<Submitted<BatchRecord>, RetryError> {
        let progress = self.ports.batches.progress(id).await?;
        let progress = progress.ok_or_else(|| RetryError::Unknown(id.clone()))?;
        may_retry_batch(&progress).map_err(|why| RetryError::Refused { id: id.clone(), why })?;
        let admission =
            admit_batch_retry(&progress.batch, even_if_it_ran, &self.manifest, self.clock.now_ms());
        self.submit_admitted_batch(admission.map_err(SubmitError::from)?).await.map_err(|error| match error {
            SubmitError::Conflict { id: batch } => RetryError::Otherwise { id: id.clone(), batch },
            error => error.into(),
        })
    }
}
