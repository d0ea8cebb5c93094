//! Objects that were put into a bucket, as S3 tells the function itself and as it tells the event bus.

use gantz_core::manifest::Arrival;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

pub(super) const SOURCE: &str = "aws:s3";

/// An object that was put into a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// Bytes, where S3 says.
    pub size: Option<u64>,
    /// The entity tag without quotes, empty where S3 does not say.
    pub etag: String,
    /// The version's id, empty where the bucket keeps no versions.
    pub version: String,
    /// What tells this upload from others to the same key.
    pub revision: String,
}

impl Upload {
    /// What this upload is called for one trigger, the same through both doors and in each delivery.
    pub fn occurrence(&self, trigger: &str) -> String {
        json!([self.bucket, self.key, self.revision, trigger]).to_string()
    }

    /// The object as a trigger's parameters have it.
    pub fn arrival(&self) -> Arrival<'_> {
        Arrival { bucket: &self.bucket, key: &self.key, etag: &self.etag, version: &self.version }
    }

    /// Whether it is the marker by which consoles show an empty folder.
    pub fn is_folder(&self) -> bool {
        self.key.ends_with('/') && self.size == Some(0)
    }
}

/// Whether this is what S3 sends when a notification is set up.
pub(super) fn is_test(event: &Value) -> bool {
    event["Event"] == "s3:TestEvent"
}

/// An upload that S3 told the function of. `None` for what is no upload, such as an object's removal.
pub(super) fn notified(record: &Value) -> Option<Result<Upload, String>> {
    if let Some(name) = record["eventName"].as_str()
        && !name.trim_start_matches("s3:").starts_with("ObjectCreated:")
    {
        return None;
    }
    let object = &record["s3"]["object"];
    let names = Names { version: "versionId", etag: "eTag" };
    Some(form_decoded(&object["key"]).and_then(|key| read(&record["s3"]["bucket"], object, key, &names)))
}

/// An upload that S3 told the event bus of. There the key is written as it is.
pub(super) fn announced(detail: &Value) -> Result<Upload, String> {
    let object = &detail["object"];
    let names = Names { version: "version-id", etag: "etag" };
    let key = object["key"].as_str().unwrap_or_default().to_owned();
    read(&detail["bucket"], object, key, &names)
}

/// What the two call the same.
struct Names {
    version: &'static str,
    etag: &'static str,
}

fn read(bucket: &Value, object: &Value, key: String, names: &Names) -> Result<Upload, String> {
    let bucket = bucket["name"].as_str().unwrap_or_default().to_owned();
    if bucket.is_empty() || key.is_empty() {
        return Err("the bucket's name or the object's key is missing".into());
    }
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let etag = text(names.etag).trim_matches('"').to_owned();
    let version =
        Some(text(names.version)).filter(|version| *version != "null").unwrap_or_default().to_owned();
    let revision = revision(&version, text("sequencer"), &etag)
        .ok_or("the object has no version, sequencer or entity tag: two deliveries would be two jobs")?;
    Ok(Upload { bucket, key, size: object["size"].as_u64(), etag, version, revision })
}

/// A version's id belongs to one upload. Where there are no versions, the sequencer tells uploads apart; it is a number
/// in hexadecimal, written to as many digits as it needs. Stores like S3 that have neither have at least a tag.
fn revision(version: &str, sequencer: &str, etag: &str) -> Option<String> {
    if !version.is_empty() {
        return Some(format!("version {version}"));
    }
    if !sequencer.is_empty() {
        return Some(format!("sequencer {}", sequencer.to_ascii_uppercase().trim_end_matches('0')));
    }
    (!etag.is_empty()).then(|| format!("etag {etag}"))
}

/// Undoes the encoding of forms, in which a plus is a space.
fn form_decoded(key: &Value) -> Result<String, String> {
    let spaced = key.as_str().unwrap_or_default().replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(String::from).map_err(|_| "the object's key is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gantz_testkit::fault_table::{Level, fault};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    fn key(record: Option<Result<Upload, String>>) -> Option<Result<String, String>> {
        record.map(|upload| upload.map(|upload| upload.key))
    }

    /// A notification, and what the event bus is told, of objects whose keys are written like this.
    fn told(notified_key: &str, announced_key: &str) -> [Option<Result<Upload, String>>; 2] {
        let bucket = json!({"name": "uploads"});
        let object = |key: &str| json!({"key": key, "size": 7, "sequencer": "0A"});
        let record = json!({"eventName": "ObjectCreated:Put",
            "s3": {"bucket": bucket, "object": object(notified_key)}});
        let detail = json!({"bucket": bucket, "object": object(announced_key)});
        [notified(&record), Some(announced(&detail))]
    }

    #[test]
    fn keys_are_read_as_each_door_writes_them() {
        let shown = fault(8, Level::Unit);
        let table = [
            ("a+b%2B", "a b+"),
            ("caf%C3%A9/%E6%97%A5.csv", "café/日.csv"),
            ("new%0Aline", "new\nline"),
            ("100%25", "100%"),
            ("dir/", "dir/"),
        ];
        for (written, meant) in table {
            let [told, plain] = told(written, written).map(key);
            assert_eq!(told, Some(Ok(meant.to_owned())), "{written}");
            assert_eq!(plain, Some(Ok(written.to_owned())), "the event bus encodes nothing");
        }
        let [broken, _] = told("%FF", "any");
        assert!(key(broken).unwrap().unwrap_err().contains("not UTF-8"));
        shown.in_runs(table.len() as u64, "odd keys through both doors");
    }

    proptest! {
        #[test]
        fn both_doors_tell_of_the_same_upload(meant in "\\PC{1,40}") {
            let written = utf8_percent_encode(&meant, NON_ALPHANUMERIC).to_string();
            for written in [written.replace("%20", "+"), written] {
                let [told, plain] = told(&written, &meant);
                prop_assert_eq!(&told, &plain);
                prop_assert_eq!(key(told), Some(Ok(meant.clone())));
            }
        }
    }
}
