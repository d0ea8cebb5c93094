use crate::envelope::Parameters;
use crate::job::{JobRecord, JobStatus};

/// What came of keeping a job's parameters.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum KeepVerdict {
    /// They are in the row. This is the row now.
    Kept(Box<JobRecord>),
    /// It has no use for them: it succeeded, has not ended, has them already, or is not there.
    Needless,
}

/// Decides on keeping the parameters of a job that somebody ended who did not know them, such as who cancelled it.
pub fn keep(row: Option<&JobRecord>, parameters: &Parameters, now_ms: u64) -> KeepVerdict {
    match row {
        Some(row) if lacks_parameters(row) => KeepVerdict::Kept(Box::new(JobRecord {
            parameters: Some(parameters.clone()),
            updated_at_ms: row.next_update_ms(now_ms),
            ..row.clone()
        })),
        _ => KeepVerdict::Needless,
    }
}

/// It ended without success, and nobody could do it again.
pub fn lacks_parameters(row: &JobRecord) -> bool {
    row.is_finished() && row.status != JobStatus::Succeeded && row.parameters.is_none()
}
