//! Admission of batches: what they share is checked at once, their children as they are planned.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

use crate::admit::{
    Family, Origin, Place, Rejection, deadline_ms, field, find_tool, keyed_id, known_lane, takes_objects,
    tenant,
};
use crate::batch::{BatchRecord, Counts, Tolerance};
use crate::ids::{JobId, Tenant, sha256_hex};
use crate::job::JobStatus;
use crate::limits::{BATCH_CHILDREN_MAX, BATCH_ID_MAX_CHARS};
use crate::manifest::{Manifest, ToolSpec};
use crate::object_prefix::{ObjectPrefix, ObjectUrl};
use crate::spec::Instant;
use crate::trace::TraceParent;

/// A batch as submitted. Exactly one of `items`, `jsonl`, `files` and `s3` says where its children come from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSpec {
    /// The tool every child calls.
    pub tool: String,
    /// Parameters that all children share; a child's own go first.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// One object of parameters per child.
    #[serde(default)]
    pub items: Option<Vec<Value>>,
    /// A file of JSON Lines, one object of parameters each; or one that is an object, as `s3://bucket/key`.
    #[serde(default)]
    pub jsonl: Option<String>,
    /// Folders or glob patterns, one or a list; each file becomes a child with the parameter named by `as`.
    #[serde(default)]
    pub files: Option<OneOrMore>,
    /// Objects; each becomes a child with the parameters `bucket` and `key`.
    #[serde(default)]
    pub s3: Option<S3Place>,
    /// The parameter that takes a file's path.
    #[serde(default, rename = "as")]
    pub path_parameter: Option<String>,
    /// How many children may fail: a number, or a share such as `"2%"`.
    #[serde(default)]
    pub tolerate: Option<Tolerance>,
    /// The caller's own id for the batch.
    #[serde(default)]
    pub batch_id: Option<String>,
    /// What makes a repeated submission the same one.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Whose batch it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The lane, instead of the tool's own.
    #[serde(default)]
    pub lane: Option<String>,
    /// When its children are no longer worth doing.
    #[serde(default)]
    pub deadline: Option<Instant>,
    /// The trace that its children belong to, as W3C's header of that name has it.
    #[serde(default)]
    pub traceparent: Option<TraceParent>,
    /// Whether the end of each child is told by an event of its own.
    #[serde(default)]
    pub child_events: bool,
}

impl BatchSpec {
    /// A call of `tool` for each object of `place`, and nothing else said.
    pub fn of_objects(tool: impl Into<String>, place: S3Place) -> Self {
        Self {
            tool: tool.into(),
            parameters: Map::new(),
            items: None,
            jsonl: None,
            files: None,
            s3: Some(place),
            path_parameter: None,
            tolerate: None,
            batch_id: None,
            idempotency_key: None,
            tenant: None,
            lane: None,
            deadline: None,
            traceparent: None,
            child_events: false,
        }
    }

    /// Refuses what would have the planner's own files read: they are none of a caller's business who is elsewhere.
    ///
    /// # Errors
    /// When `files` is given, or a `jsonl` that is no object.
    pub fn refuse_local_sources(&self) -> Result<(), Rejection> {
        let of_a_file = self.jsonl.as_ref().is_some_and(|place| !ObjectUrl::is_meant_by(place));
        let pointer = match (of_a_file, &self.files) {
            (true, _) => "/jsonl",
            (_, Some(_)) => "/files",
            (false, None) => return Ok(()),
        };
        let help = "names files, and none are read here for callers: send `items`, `s3`, or `jsonl` as `s3://bucket/key`";
        Err(field(pointer, help))
    }
}

/// Objects as a caller names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum S3Place {
    /// `s3://bucket/prefix`.
    Url(String),
    /// The same in parts.
    Parts {
        /// The bucket.
        bucket: String,
        /// What the keys begin with.
        #[serde(default)]
        prefix: String,
    },
}

impl S3Place {
    fn read(&self) -> Result<ObjectPrefix, Rejection> {
        let read = match self {
            Self::Url(url) => ObjectPrefix::parse(url),
            Self::Parts { bucket, prefix } => ObjectPrefix::of(bucket, prefix),
        };
        read.map_err(|error| field("/s3", error.to_string()))
    }
}

/// A text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// As many as there are.
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(texts: OneOrMore) -> Self {
        match texts {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        }
    }
}

/// Where a batch's children come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchSource {
    /// A list in the submission. The planner finds it in a blob.
    Items(Vec<Value>),
    /// A file of JSON Lines.
    Jsonl(String),
    /// An object that is one.
    JsonlObject(ObjectUrl),
    /// Every file of folders, or every file that patterns match.
    Files {
        /// The folders and patterns, at least one.
        patterns: Vec<String>,
        /// The parameter that takes the path.
        parameter: String,
    },
    /// Every object of a bucket whose key begins with a prefix.
    Objects(ObjectPrefix),
    /// Those of them that no earlier run of a schedule has taken.
    NewObjects {
        /// The objects.
        place: ObjectPrefix,
        /// The schedule's name.
        schedule: String,
        /// When the run was due, milliseconds since the epoch.
        due_ms: u64,
    },
    /// The children of an earlier batch that ended without success.
    Unsuccessful {
        /// The batch, which has ended.
        batch: JobId,
        /// Whether those are done again, too, that may have done what must not happen twice.
        even_if_it_ran: bool,
    },
}

/// A batch that may be recorded and planned.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchAdmission {
    /// The row to record.
    pub record: BatchRecord,
    /// Where its children come from.
    pub source: BatchSource,
    /// Parameters that all children share.
    pub shared: Map<String, Value>,
    /// Whether whoever submitted it named its deadline, and so waits for its end by then.
    pub names_deadline: bool,
    /// The trace that its children belong to.
    pub trace: Option<TraceParent>,
}

impl BatchAdmission {
    /// The batch of a schedule's run that takes only objects that no earlier run has taken.
    ///
    /// # Errors
    /// When its children come from elsewhere than from S3.
    pub fn of_new_objects(mut self, schedule: &str, due_ms: u64) -> Result<Self, Rejection> {
        let BatchSource::Objects(place) = self.source else {
            return Err(field("/s3", "is missing: only objects can be new"));
        };
        self.source = BatchSource::NewObjects { place, schedule: schedule.to_owned(), due_ms };
        self.record.source_hash = source_hash(&self.source, &self.shared);
        Ok(self)
    }
}

/// Admits a batch.
///
/// # Errors
/// When the tool is unknown, the source is missing or not the only one, or another field breaks its rule.
pub fn admit_batch(
    spec: BatchSpec,
    manifest: &Manifest,
    origin: &Origin,
    now_ms: u64,
    random: [u64; 2],
) -> Result<BatchAdmission, Rejection> {
    let tool = find_tool(manifest, &spec.tool)?;
    let tenant = spec.tenant.map_or_else(|| Ok(Tenant::default_tenant()), tenant)?;
    let lane = match spec.lane {
        Some(name) => known_lane(manifest, name)?,
        None => tool.policy.lane.clone(),
    };
    let id = match (spec.batch_id, spec.idempotency_key) {
        (Some(id), _) => batch_id(id)?,
        (None, Some(key)) => keyed_id(&tenant, origin.source, &key)?,
        (None, None) => JobId::from_time(now_ms, random),
    };
    let deadline_ms = Some(deadline_ms(spec.deadline.as_ref(), now_ms, 0)?);
    let source = source(spec.items, spec.jsonl, spec.files, spec.s3, spec.path_parameter)?;
    check_fit(tool, &source)?;
    let place = Place { tenant, lane, deadline_ms };
    let names_deadline = spec.deadline.is_some();
    let record = BatchRecord {
        tolerate: spec.tolerate.unwrap_or(Tolerance::NONE),
        child_events: spec.child_events,
        ..new_batch(id, tool, place, &source, &spec.parameters, now_ms)
    };
    Ok(BatchAdmission { record, source, shared: spec.parameters, names_deadline, trace: spec.traceparent })
}

/// A batch of `tool` none of whose children may fail.
pub(crate) fn new_batch(
    id: JobId,
    tool: &ToolSpec,
    place: Place,
    source: &BatchSource,
    shared: &Map<String, Value>,
    now_ms: u64,
) -> BatchRecord {
    BatchRecord {
        id,
        tool: tool.name.clone(),
        tenant: place.tenant,
        lane: place.lane,
        status: JobStatus::Running,
        tolerate: Tolerance::NONE,
        child_events: false,
        source_hash: source_hash(source, shared),
        planned: 0,
        planning_done: false,
        cursor: None,
        page: None,
        planning_error: None,
        open_shards: BTreeSet::new(),
        closed_ahead: BTreeSet::new(),
        retry_of: None,
        left_out: 0,
        counts: Counts::default(),
        cancel_requested_at_ms: None,
        deadline_ms: place.deadline_ms,
        created_at_ms: now_ms,
        finished_at_ms: None,
    }
}

impl BatchRecord {
    /// What its children have in common.
    pub fn family(&self, trace: Option<TraceParent>) -> Family {
        Family {
            parent: self.id.clone(),
            child_events: self.child_events,
            trace,
            place: Place {
                tenant: self.tenant.clone(),
                lane: self.lane.clone(),
                deadline_ms: self.deadline_ms,
            },
        }
    }
}

fn batch_id(id: String) -> Result<JobId, Rejection> {
    if id.len() > BATCH_ID_MAX_CHARS {
        let message = format!(
            "has {} characters, at most {BATCH_ID_MAX_CHARS} leave room for the children's",
            id.len()
        );
        return Err(field("/batch_id", message));
    }
    JobId::try_new(id).map_err(|error| field("/batch_id", error.to_string()))
}

fn source(
    items: Option<Vec<Value>>,
    jsonl: Option<String>,
    files: Option<OneOrMore>,
    s3: Option<S3Place>,
    path_parameter: Option<String>,
) -> Result<BatchSource, Rejection> {
    match (items, jsonl, files, s3) {
        (Some(items), None, None, None) if items.len() > BATCH_CHILDREN_MAX as usize => Err(field(
            "/items",
            format!("has {} items, at most {BATCH_CHILDREN_MAX} fit a batch", items.len()),
        )),
        (Some(items), None, None, None) => Ok(BatchSource::Items(items)),
        (None, Some(url), None, None) if ObjectUrl::is_meant_by(&url) => ObjectUrl::parse(&url)
            .map(BatchSource::JsonlObject)
            .map_err(|error| field("/jsonl", error.to_string())),
        (None, Some(path), None, None) => Ok(BatchSource::Jsonl(path)),
        (None, None, Some(OneOrMore::More(patterns)), None) if patterns.is_empty() => {
            Err(field("/files", "is empty, expected at least one folder or pattern"))
        }
        (None, None, Some(patterns), None) => {
            let parameter = path_parameter.unwrap_or_else(|| "path".into());
            Ok(BatchSource::Files { patterns: patterns.into(), parameter })
        }
        (None, None, None, Some(place)) => place.read().map(BatchSource::Objects),
        _ => Err(field("/items", "expected exactly one of `items`, `jsonl`, `files` and `s3`")),
    }
}

/// Whether the tool has the parameters that the source gives each child.
fn check_fit(tool: &ToolSpec, source: &BatchSource) -> Result<(), Rejection> {
    match source {
        BatchSource::Items(_)
        | BatchSource::Jsonl(_)
        | BatchSource::JsonlObject(_)
        | BatchSource::Unsuccessful { .. } => Ok(()),
        BatchSource::Objects(_) | BatchSource::NewObjects { .. } => takes_objects(tool),
        BatchSource::Files { parameter, .. } => {
            if tool.parameters.iter().any(|known| known.name == *parameter) {
                return Ok(());
            }
            let message =
                format!("the tool `{}` has no parameter `{parameter}` for a file's path", tool.name);
            Err(field("/as", message))
        }
    }
}

fn source_hash(source: &BatchSource, shared: &Map<String, Value>) -> String {
    // Both are plain JSON with sorted keys, so equal batches have equal texts.
    let text = serde_json::json!({ "source": source, "parameters": shared }).to_string();
    sha256_hex(text.as_bytes())
}
