//! The worker as a layer: functions are nothing but a manifest and its scripts.
//!
//! The emulator runs no program out of a layer, so the worker is run here, as AWS Lambda lays it out: the layer unpacked
//! in one folder, the function's package in another.

use std::io::Cursor;
use std::path::Path;
use std::process::Stdio;

use gantz_testkit::runtime_api::RuntimeApi;
use serde_json::{Value, json};
use zip::ZipArchive;

use crate::fleet::{Fleet, fleet, success, text};
use crate::records::envelope;

/// What was stored under a key with this in it, according to the command.
async fn unpacked(fleet: &Fleet, told: &str, name: &str, folder: &Path) {
    let stored = told.split_whitespace().filter_map(|word| word.strip_prefix("s3://"));
    let (bucket, key) = stored
        .filter_map(|place| place.split_once('/'))
        .find(|(_, key)| {
            key.trim_start_matches("gantz/").strip_prefix(name).is_some_and(|rest| rest.len() == HASHED)
        })
        .unwrap_or_else(|| panic!("`{name}` is not in {told}"));
    let object = fleet.s3().await.get_object().bucket(bucket).key(key).send().await.unwrap();
    let bytes = object.body.collect().await.unwrap().into_bytes();
    ZipArchive::new(Cursor::new(bytes)).unwrap().extract(folder).unwrap();
}

/// The end of a key: a hash and the extension.
const HASHED: usize = "-0123456789abcdef.zip".len();

#[tokio::test]
async fn a_function_of_a_manifest_and_scripts_runs_on_the_layer() {
    let fleet = fleet();
    let deployed = fleet.deploy("layered", &["--layer", "--parameter", "Dashboard=true"]);
    let told = String::from_utf8_lossy(&deployed.stderr).into_owned();
    let outputs: Value = success(&deployed)["outputs"].clone();
    let lambda = aws_sdk_lambda::Client::new(&fleet.aws().await);
    let name = outputs["AgentWorkerFunction"].as_str().unwrap();
    let function = lambda.get_function_configuration().function_name(name).send().await.unwrap();
    let layers: Vec<_> = function.layers().iter().map(|layer| layer.arn().unwrap()).collect();
    assert_eq!(layers, [outputs["WorkerLayerArn"].as_str().unwrap()]);

    let folder = tempfile::tempdir().unwrap();
    let (opt, task) = (folder.path().join("opt"), folder.path().join("task"));
    unpacked(fleet, &told, "gantz-worker-layer", &opt).await;
    unpacked(fleet, &told, "gantz-worker", &task).await;
    assert!(!task.join("bootstrap").exists() && task.join("gantz.yaml").exists());
    assert_eq!(opt.read_dir().unwrap().count(), 1);

    let mut api = RuntimeApi::start().await;
    let mut worker = fleet.bootstrap(&opt.join("bootstrap"), name, &api, &task).await;
    let worker = worker.stdout(Stdio::null()).spawn().unwrap();

    let body = envelope("layered-0001", "echo", "fast", &json!({"text": "from a layer"})).to_string();
    let mut record = fleet.record("lane-fast", "message 1", &body);
    record["eventSourceARN"] = json!("arn:aws:sqs:us-east-1:000000000000:layered-lane-fast");
    let answer = api.invoke(&json!({ "Records": [record] })).await;
    assert_eq!(answer, Ok(json!({ "batchItemFailures": [] })));
    drop(worker);
    let table = outputs["TableName"].as_str().unwrap();
    let row = fleet.row_of(table, "layered-0001").await.unwrap();
    assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");

    let destroyed = fleet.gantz(&["destroy", "--stack", "layered", "--yes", "--output", "json"]);
    let destroyed = success(&destroyed);
    assert_eq!(destroyed["status"], "DELETE_COMPLETE");
    assert_eq!(destroyed["kept"][0], json!({"kind": "table", "name": table}), "{destroyed}");
    assert!(fleet.row_of(table, "layered-0001").await.is_some());
}
