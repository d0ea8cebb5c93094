//! What a job was to be done with outlives its message where it ended without success, so that it can be done again.

use gantz_core::envelope::{Envelope, Parameters};
use gantz_core::job::{JobRecord, JobStatus};
use gantz_core::lifecycle::{Ending, KeepVerdict, lacks_parameters};
use gantz_core::limits::KEPT_PARAMETERS_MAX_BYTES;
use gantz_core::ports::{Message, PortResult};

use crate::delivery::Disposition;
use crate::process::{Worker, insist, put};

impl Worker {
    /// An ending with the parameters that its message brought, unless it is a success. Runs move parameters into their
    /// tools, so they are read once more here, where few jobs end.
    pub(crate) async fn keeping(&self, ending: Ending, message: &Message) -> Ending {
        if ending.status() == JobStatus::Succeeded {
            return ending;
        }
        match Envelope::parse(&message.body) {
            Ok(envelope) => ending.keeping(self.kept(&envelope.parameters).await),
            Err(_) => ending,
        }
    }

    /// Parameters as a row keeps them: large ones are put into a blob first. The outcome matters more: where no blob can be
    /// put, the job cannot be done again.
    pub(crate) async fn kept(&self, parameters: &Parameters) -> Option<Parameters> {
        let Parameters::Inline(value) = parameters else { return Some(parameters.clone()) };
        let text = value.to_string();
        if text.len() <= KEPT_PARAMETERS_MAX_BYTES {
            return Some(parameters.clone());
        }
        match insist(|| put(&*self.ports.blobs, &text)).await {
            Ok(reference) => Some(Parameters::Ref(reference)),
            Err(error) => {
                tracing::warn!(%error, "failed to keep a job's parameters, it cannot be retried");
                None
            }
        }
    }

    /// Announces the end of a job that was found ended, by somebody who may not have known its parameters. Those of a
    /// batch's child are in its page, too, and a cancelled batch has many children.
    pub(crate) async fn announce_found(
        &self,
        parameters: &Parameters,
        row: &JobRecord,
    ) -> PortResult<Disposition> {
        if row.parent.is_none()
            && lacks_parameters(row)
            && let Some(kept) = self.kept(parameters).await
            && let KeepVerdict::Kept(row) = self.ports.jobs.keep(&row.id, kept, self.clock.now_ms()).await?
        {
            tracing::debug!(job_id = %row.id, "kept the parameters of a job that somebody else ended");
        }
        self.announce(row).await
    }

    /// Likewise where a run, which took the parameters, found out that somebody else had ended its job.
    pub(crate) async fn announce_found_after_run(
        &self,
        message: &Message,
        row: &JobRecord,
    ) -> PortResult<Disposition> {
        match Envelope::parse(&message.body) {
            Ok(envelope) => self.announce_found(&envelope.parameters, row).await,
            Err(_) => self.announce(row).await,
        }
    }
}
