use crate::job::JobRecord;

/// What came of recording a new job.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum AcceptVerdict {
    /// The row is new.
    Created,
    /// The same job was accepted before; this is its row.
    Exists(Box<JobRecord>),
    /// The id belongs to a job of another tenant, with another tool or other parameters. Its row is untouched.
    Conflict(Box<JobRecord>),
}

impl AcceptVerdict {
    /// Whether the job's message must be sent (again): the row is new, or its first message may never have left.
    /// A job that was claimed once has a message, or had one. One that ended without a claim may have had none that
    /// tells of its end: it was cancelled after its caller's first try died before sending.
    pub fn needs_sending(&self) -> bool {
        match self {
            Self::Created => true,
            Self::Exists(row) => row.attempt == 0,
            Self::Conflict(_) => false,
        }
    }
}

/// Decides on a new job, given the row its id already has.
pub fn accept(existing: Option<&JobRecord>, new: &JobRecord) -> AcceptVerdict {
    match existing {
        None => AcceptVerdict::Created,
        // Our own write, whose answer got lost.
        Some(row) if row.token.is_some() && row.token == new.token => AcceptVerdict::Created,
        Some(row) if row.is_foreign_to(new) => AcceptVerdict::Conflict(Box::new(row.clone())),
        Some(row) => AcceptVerdict::Exists(Box::new(row.clone())),
    }
}
