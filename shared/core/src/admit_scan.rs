//! Admission of scans: what its jobs share is checked once, each object as it is found.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::admit::{
    Admission, Place, Rejection, check_parameters, field, find_tool, known_lane, new_job, short_label,
    takes_objects, tenant,
};
use crate::ids::{JobId, Lane, Tenant};
use crate::job::{JobRecord, NewJob};
use crate::limits::{DEADLINE_DEFAULT_MS, IDEMPOTENCY_KEY_MAX_CHARS, OBJECT_OVERLAP_MS};
use crate::manifest::{Manifest, ToolSpec};
use crate::object_prefix::ObjectPrefix;
use crate::ports::{Object, Watermark};

/// The source that the ids of scans' jobs are derived from.
const SOURCE: &str = "scan";

/// A scan as a schedule asks for it: one job for each object that is new since the last run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// The name under which its watermark is kept: the schedule's.
    pub name: String,
    /// The tool every job calls. It takes `bucket` and `key`.
    pub tool: String,
    /// The objects: `s3://bucket/prefix`.
    pub s3: String,
    /// Parameters that all jobs share, beside `bucket` and `key`.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// The lane, instead of the tool's own.
    #[serde(default)]
    pub lane: Option<String>,
    /// Whose jobs they are.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// A scan that may be run.
#[derive(Debug, Clone)]
pub struct ScanAdmission<'a> {
    /// The name of its watermark.
    pub name: String,
    /// The tool.
    pub tool: &'a ToolSpec,
    /// The objects.
    pub place: ObjectPrefix,
    /// Parameters that all jobs share.
    pub shared: Map<String, Value>,
    /// Where its jobs wait.
    pub lane: Lane,
    /// Whose they are.
    pub tenant: Tenant,
}

/// Admits a scan.
///
/// # Errors
/// When the tool is unknown or takes no objects, or a field breaks its rule.
pub fn admit_scan(scan: Scan, manifest: &Manifest) -> Result<ScanAdmission<'_>, Rejection> {
    let tool = find_tool(manifest, &scan.tool)?;
    let chars = scan.name.chars().count();
    if chars == 0 || chars > IDEMPOTENCY_KEY_MAX_CHARS {
        let message = format!("has {chars} characters, expected 1 to {IDEMPOTENCY_KEY_MAX_CHARS}");
        return Err(field("/name", message));
    }
    let place = ObjectPrefix::parse(&scan.s3).map_err(|error| field("/s3", error.to_string()))?;
    takes_objects(tool)?;
    let tenant = scan.tenant.map_or_else(|| Ok(Tenant::default_tenant()), tenant)?;
    let lane = match scan.lane {
        Some(name) => known_lane(manifest, name)?,
        None => tool.policy.lane.clone(),
    };
    Ok(ScanAdmission { name: scan.name, tool, place, shared: scan.parameters, lane, tenant })
}

/// Whether an object may be new since the last finished run. One that is not is told by its job's id.
pub fn may_be_new(object: &Object, watermark: &Watermark) -> bool {
    !object.is_folder_marker()
        && object.modified_at_ms >= watermark.until_ms.saturating_sub(OBJECT_OVERLAP_MS)
}

impl ScanAdmission<'_> {
    /// The job of one object. Its id follows from the scan's name and the object's place and content, so that no run
    /// repeats it. A job whose parameters do not fit comes with the reason: it is to be recorded as failed.
    pub fn job(&self, object: &Object, now_ms: u64) -> (Admission, Option<Rejection>) {
        let bucket = &self.place.bucket;
        let mut parameters = self.shared.clone();
        parameters.insert("bucket".into(), json!(bucket));
        parameters.insert("key".into(), json!(object.key));
        let submitted = Value::Object(parameters);
        let (parameters, refused) = match check_parameters(self.tool, submitted.clone()) {
            Ok(checked) => (checked, None),
            Err(rejection) => (submitted.clone(), Some(rejection)),
        };
        let occurrence = json!([self.name, bucket, object.key, object.etag]).to_string();
        let id = JobId::from_key(&self.tenant, SOURCE, &occurrence);
        let place = Place {
            tenant: self.tenant.clone(),
            lane: self.lane.clone(),
            deadline_ms: Some(now_ms + DEADLINE_DEFAULT_MS),
        };
        let label = Some(short_label(object.key.clone()));
        let record = JobRecord::queued(NewJob { label, ..new_job(self.tool, id, place, &submitted, now_ms) });
        (Admission { record, parameters, delay_ms: 0 }, refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::truncate;

    const MANIFEST: &str = "\
name: scans
version: 1.0.0
tools:
  read:
    description: Reads an object
    parameters:
      bucket: {type: string, required: true}
      key: {type: string, required: true}
      mood: {type: string}
    handler: test.read
  greet:
    description: Takes no object
    handler: test.greet
";

    fn scan(s3: &str) -> Scan {
        Scan {
            name: "nightly".into(),
            tool: "read".into(),
            s3: s3.into(),
            parameters: Map::new(),
            lane: None,
            tenant: None,
        }
    }

    fn object(key: &str, etag: &str, modified_at_ms: u64) -> Object {
        Object { key: key.into(), size_bytes: 1, etag: etag.into(), modified_at_ms }
    }

    #[test]
    fn an_object_has_one_job_and_other_contents_or_names_others() {
        let manifest = Manifest::parse("gantz.yaml", MANIFEST).unwrap();
        let id = |scan: Scan, object: &Object, now_ms| {
            admit_scan(scan, &manifest).unwrap().job(object, now_ms).0.record.id
        };
        let first = id(scan("s3://abc/x"), &object("x/1", "a", 1), 5);
        assert_eq!(
            first,
            id(scan("s3://abc"), &object("x/1", "a", 2), 6),
            "the same content of the same key"
        );
        let others = [
            id(scan("s3://abc/x"), &object("x/1", "b", 1), 5),
            id(scan("s3://abc/x"), &object("x/2", "a", 1), 5),
            id(scan("s3://abcd/x"), &object("x/1", "a", 1), 5),
            id(Scan { name: "weekly".into(), ..scan("s3://abc/x") }, &object("x/1", "a", 1), 5),
            id(Scan { tenant: Some("acme".into()), ..scan("s3://abc/x") }, &object("x/1", "a", 1), 5),
        ];
        assert!(others.iter().all(|other| *other != first), "{first} {others:?}");
    }

    #[test]
    fn what_may_be_new_is_not_older_than_the_overlap() {
        let mark = Watermark { until_ms: 2 * OBJECT_OVERLAP_MS, ..Watermark::default() };
        for (modified_at_ms, expected) in [
            (OBJECT_OVERLAP_MS - 1, false),
            (OBJECT_OVERLAP_MS, true),
            (2 * OBJECT_OVERLAP_MS, true),
            (9 * OBJECT_OVERLAP_MS, true),
        ] {
            assert_eq!(may_be_new(&object("k", "e", modified_at_ms), &mark), expected, "{modified_at_ms}");
        }
        assert!(may_be_new(&object("k", "e", 0), &Watermark::default()), "the first run takes all");
        let marker = Object { size_bytes: 0, ..object("dir/", "e", u64::MAX) };
        assert!(!may_be_new(&marker, &Watermark::default()));
        assert!(may_be_new(&Object { size_bytes: 0, ..object("empty", "e", 1) }, &Watermark::default()));
        assert!(may_be_new(&object("named/", "e", 1), &Watermark::default()));
    }

    #[test]
    fn a_wrong_scan_is_refused_where_it_is_wrong() {
        let manifest = Manifest::parse("gantz.yaml", MANIFEST).unwrap();
        let ok = scan("s3://abc/x");
        let table = [
            (Scan { name: String::new(), ..ok.clone() }, "`/name`"),
            (Scan { tool: "reed".into(), ..ok.clone() }, "did you mean `read`"),
            (Scan { tool: "greet".into(), ..ok.clone() }, "no parameter `bucket`"),
            (Scan { s3: "s3://A/x".into(), ..ok.clone() }, "`/s3`"),
            (Scan { lane: Some("none".into()), ..ok.clone() }, "`/lane`"),
            (Scan { tenant: Some("a b".into()), ..ok.clone() }, "`/tenant`"),
        ];
        for (scan, expected) in table {
            let error = admit_scan(scan, &manifest).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_misfit_is_a_job_too() {
        let manifest = Manifest::parse("gantz.yaml", MANIFEST).unwrap();
        let parameters =
            Map::from_iter([("mood".to_owned(), json!(7)), ("key".to_owned(), json!("not mine"))]);
        let scan = Scan { parameters, ..scan("s3://abc/x") };
        let (job, refused) = admit_scan(scan, &manifest).unwrap().job(&object("x/1", "a", 1), 5);
        assert!(refused.unwrap().to_string().contains("/mood"));
        assert_eq!(job.parameters["key"], "x/1", "the object's own goes first");
        let mut label = job.record.label.unwrap();
        truncate(&mut label, 3);
        assert_eq!(label, "x/1");
    }
}
