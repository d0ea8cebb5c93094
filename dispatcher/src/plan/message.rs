//! What the planner is told to do, as it travels.

use gantz_core::admit::Rejection;
use gantz_core::admit_batch::BatchSource;
use gantz_core::envelope::message_body;
use gantz_core::ids::JobId;
use gantz_core::limits::{BATCH_PART_MAX_BYTES, PARAMETERS_MAX_BYTES};
use gantz_core::object_prefix::{ObjectPrefix, ObjectUrl};
use gantz_core::ports::{PortError, Ports};
use gantz_core::trace::TraceParent;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::submit::SubmitError;

/// What the planner is told to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "plan")]
pub enum PlanMessage {
    /// Plan the batch, from where its cursor stands.
    Batch {
        /// The batch.
        batch_id: JobId,
        /// Where its children come from.
        source: StoredSource,
        /// Parameters that all children share.
        shared: Map<String, Value>,
        /// The trace that they belong to.
        #[serde(default, skip_serializing_if = "Option::is_none", rename = "traceparent")]
        trace: Option<TraceParent>,
    },
    /// Cancel the children that were planned.
    Cancel {
        /// The batch.
        batch_id: JobId,
    },
    /// Once its deadline has passed, end what has not ended.
    Expire {
        /// The batch.
        batch_id: JobId,
    },
}

/// Where a batch's children come from, as it travels: short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredSource {
    /// A blob of JSON Lines, as earlier versions put them into one.
    Blob(String),
    /// Blobs of JSON Lines, one after another.
    Blobs(Vec<String>),
    /// A file of JSON Lines.
    Jsonl(String),
    /// An object that is one.
    JsonlObject(ObjectUrl),
    /// Folders or patterns, and the parameter that takes a file's path.
    Files {
        /// The folders and patterns.
        patterns: Vec<String>,
        /// The parameter.
        parameter: String,
    },
    /// The objects of a bucket.
    Objects(ObjectPrefix),
    /// Those of them that no earlier run of a schedule has taken.
    NewObjects(NewObjectsOf),
    /// Children of an earlier batch that ended without success.
    Unsuccessful {
        /// The batch.
        batch: JobId,
        /// Whether those are done again, too, that may have done what must not happen twice.
        even_if_it_ran: bool,
    },
}

/// Objects that no earlier run of a schedule has taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewObjectsOf {
    /// The objects.
    pub place: ObjectPrefix,
    /// The schedule's name.
    pub schedule: String,
    /// When the run was due, milliseconds since the epoch.
    pub due_ms: u64,
}

impl PlanMessage {
    /// The message that has a new batch planned. A list of items is put into blobs first.
    pub(crate) async fn prepare(
        ports: &Ports,
        batch_id: &JobId,
        source: BatchSource,
        shared: Map<String, Value>,
        trace: Option<TraceParent>,
    ) -> Result<Self, SubmitError> {
        let source = match source {
            BatchSource::Items(items) => StoredSource::Blobs(check_in(ports, items).await?),
            BatchSource::Jsonl(path) => StoredSource::Jsonl(path),
            BatchSource::JsonlObject(url) => StoredSource::JsonlObject(url),
            BatchSource::Files { patterns, parameter } => StoredSource::Files { patterns, parameter },
            BatchSource::Objects(place) => StoredSource::Objects(place),
            BatchSource::NewObjects { place, schedule, due_ms } => {
                StoredSource::NewObjects(NewObjectsOf { place, schedule, due_ms })
            }
            BatchSource::Unsuccessful { batch, even_if_it_ran } => {
                StoredSource::Unsuccessful { batch, even_if_it_ran }
            }
        };
        let plan = Self::Batch { batch_id: batch_id.clone(), source, shared, trace };
        // Found out only when it is sent, after the batch was recorded, the batch would wait for ever.
        plan.check_size(ports)?;
        Ok(plan)
    }

    /// Refuses a plan that no message can hold.
    pub(crate) fn check_size(&self, ports: &Ports) -> Result<(), SubmitError> {
        let (bytes, bound) = (self.to_body()?.len(), ports.queue.limits().body_bytes);
        if bytes <= bound {
            return Ok(());
        }
        let message =
            format!("what all children share makes a message of {bytes} bytes, at most {bound} can be sent");
        Err(Rejection::Field { pointer: "/parameters", message }.into())
    }

    pub(crate) fn to_body(&self) -> Result<String, PortError> {
        message_body(self)
            .map_err(|error| PortError::Permanent(format!("the plan cannot be written: {error}")))
    }
}

/// Puts items into blobs, as lines, and returns their references in order.
async fn check_in(ports: &Ports, items: Vec<Value>) -> Result<Vec<String>, PortError> {
    let mut references = Vec::new();
    let mut part = Vec::new();
    for item in items {
        let mut line = item.to_string().into_bytes();
        // So much of it is enough to refuse it by, when it is its turn.
        line.truncate(PARAMETERS_MAX_BYTES + 1);
        if part.len() + line.len() >= BATCH_PART_MAX_BYTES {
            references.push(ports.blobs.put(std::mem::take(&mut part)).await?);
        }
        part.extend(line);
        part.push(b'\n');
    }
    references.push(ports.blobs.put(part).await?);
    Ok(references)
}
