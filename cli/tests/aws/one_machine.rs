//! A fleet on one machine that works on what is in a bucket.

use std::fs::File;
use std::process::Child;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::fleet::fleet;

const BUCKET: &str = "objects-of-one-machine";
/// Moments are whole seconds, and the process has to be there by then.
const DUE_AFTER: SignedDuration = SignedDuration::from_secs(4);

fn manifest(first: Timestamp) -> String {
    let at = |moment: Timestamp| moment.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let batch = format!("{{tool: analyze_file, s3: {{bucket: {BUCKET}, prefix: in/}}, new_only: true}}");
    let (first, second) = (at(first), at(first + SignedDuration::from_secs(1)));
    format!(
        "
name: one-machine
version: 1.0.0
tools:
  analyze_file:
    description: Tell what a file is
    parameters: {{bucket: {{type: string, required: true}}, key: {{type: string, required: true}}}}
    handler: s3.analyze_file
schedules:
  first: {{every: at({first}), batch: {batch}}}
  second: {{every: at({second}), batch: {batch}}}
"
    )
}

struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "schedules are due at moments of the machine's own clock")]
async fn its_schedules_make_batches_of_a_buckets_objects() {
    let fleet = fleet();
    let s3 = fleet.s3().await;
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    for key in ["in/a.txt", "in/b.txt", "elsewhere.txt"] {
        s3.put_object().bucket(BUCKET).key(key).body(b"some words".to_vec().into()).send().await.unwrap();
    }
    let folder = fleet.scratch("one-machine");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("gantz.yaml"), manifest(Timestamp::now() + DUE_AFTER)).unwrap();
    let said = fleet.scratch("one-machine.json");
    let mut dev = fleet.command(&["dev", "--port", "0", "--output", "json"]);
    dev.current_dir(&folder).stdout(File::create(&said).unwrap());
    dev.stderr(File::create(fleet.scratch("one-machine.log")).unwrap());
    let _dev = Dev(dev.spawn().unwrap());
    let document = async || serde_json::from_slice(&std::fs::read(&said).unwrap()).unwrap_or(Value::Null);
    let document = fleet.until(document, |document: &Value| document["url"].is_string()).await;
    let url = format!("{}/batches", document["url"].as_str().unwrap());
    let listed = async || reqwest::get(&url).await.unwrap().json::<Value>().await.unwrap();
    let ended = |batches: &Value| {
        let batches = batches["batches"].as_array().cloned().unwrap_or_default();
        batches.len() == 2 && batches.iter().all(|batch| batch["status"] == "SUCCEEDED")
    };
    let batches = fleet.until(listed, ended).await;
    let planned: Vec<_> =
        batches["batches"].as_array().unwrap().iter().map(|batch| &batch["planned"]).collect();
    assert_eq!(planned, [&json!(2), &json!(2)], "two schedules do not share what they have taken");
}
