//! A fleet on one machine that works on what is in a bucket.

use std::fs::File;
use std::process::Child;

use serde_json::Value;

use crate::fleet::fleet;

const BUCKET: &str = "objects-of-one-machine";
/// Not moments: those that pass before the process is there are never due.
const MANIFEST: &str = "
name: one-machine
version: 1.0.0
tools:
  analyze_file:
    description: Tell what a file is
    parameters: {bucket: {type: string, required: true}, key: {type: string, required: true}}
    handler: s3.analyze_file
schedules:
  first:
    every: rate(1 minute)
    batch: {tool: analyze_file, s3: {bucket: objects-of-one-machine, prefix: in/}, new_only: true}
  second:
    every: rate(1 minute)
    batch: {tool: analyze_file, s3: {bucket: objects-of-one-machine, prefix: in/}, new_only: true}
";

struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn its_schedules_make_batches_of_a_buckets_objects() {
    let fleet = fleet();
    let s3 = fleet.s3().await;
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    for key in ["in/a.txt", "in/b.txt", "elsewhere.txt"] {
        s3.put_object().bucket(BUCKET).key(key).body(b"some words".to_vec().into()).send().await.unwrap();
    }
    let folder = fleet.scratch("one-machine");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("gantz.yaml"), MANIFEST).unwrap();
    let said = fleet.scratch("one-machine.json");
    let mut dev = fleet.command(&["dev", "--port", "0", "--output", "json"]);
    dev.current_dir(&folder).stdout(File::create(&said).unwrap());
    dev.stderr(File::create(fleet.scratch("one-machine.log")).unwrap());
    let _dev = Dev(dev.spawn().unwrap());
    let document = async || serde_json::from_slice(&std::fs::read(&said).unwrap()).unwrap_or(Value::Null);
    let document = fleet.until(document, |document: &Value| document["url"].is_string()).await;
    let url = format!("{}/batches", document["url"].as_str().unwrap());
    let listed = async || reqwest::get(&url).await.unwrap().json::<Value>().await.unwrap();
    // A slow machine may see a third run, which finds nothing new.
    let taken = |batches: &Value| {
        let batches = batches["batches"].as_array().cloned().unwrap_or_default();
        let ended = batches.into_iter().filter(|batch| batch["status"] == "SUCCEEDED");
        ended.map(|batch| batch["planned"].clone()).filter(|planned| *planned != 0).collect::<Vec<_>>()
    };
    let batches = fleet.until(listed, |batches: &Value| taken(batches).len() >= 2).await;
    assert_eq!(taken(&batches), [2, 2], "two schedules do not share what they have taken");
}
