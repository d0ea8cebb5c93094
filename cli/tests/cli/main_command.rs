//! The README's main command, `gantz batch analyze_file --files .`, on a folder with many files and a huge one: it
//! counts every file, and its memory grows with neither.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Project, count_files, until_within};

/// Of each kind.
const FILES: usize = 400;
/// Sparse, so that it takes no room on disk; it is read to its end.
const HUGE_BYTES: u64 = 3 * 1024 * 1024 * 1024;
/// A hundredth of what is read, and a multiple of what the command needs.
const MEMORY_MAX_KB: u64 = 150 * 1024;
/// A debug build on a busy machine reads and digests the huge file in a minute or two.
const PATIENCE: Duration = Duration::from_secs(400);

#[tokio::test]
async fn every_file_is_counted_in_little_memory() {
    let project = Project::with(include_str!("../../../gantz.yaml"));
    let mut expect = BTreeMap::from([("application/yaml", 1), ("application/octet-stream", 1)]);
    for (extension, media_type, text) in [
        ("csv", "text/csv", "a,b\n1,2\n"),
        ("rs", "text/x-rust", "fn main() {}\n"),
        ("json", "application/json", "{\"a\": [1, 2]}\n"),
    ] {
        for n in 0..FILES {
            project.write(&format!("in/{}/{n}.{extension}", n % 10), text);
        }
        expect.insert(media_type, FILES);
    }
    let huge = File::create(project.path("huge.bin")).expect("a file");
    huge.set_len(HUGE_BYTES).expect("a sparse file");
    let files = count_files(&project.path(""));
    assert_eq!(files, 3 * FILES + 2);

    let mut run = project.start(&["batch", "analyze_file", "--files", ".", "-o", "json"]);
    let mut peak_kb = 0;
    until_within(PATIENCE, "it ends", async || {
        peak_kb = peak_kb.max(run.peak_memory_kb().unwrap_or(0));
        run.has_ended().then_some(())
    })
    .await;
    let ran = run.end().await;
    ran.ok();
    let document = ran.json();
    assert_eq!(document["total"], files);
    assert_eq!(document["by_status"]["SUCCEEDED"], files);
    let types = document["types"].as_object().expect("an object");
    let counted: BTreeMap<&str, &Value> =
        types.iter().map(|(name, share)| (name.as_str(), &share["jobs"])).collect();
    let expect = expect.into_iter().map(|(name, jobs)| (name, json!(jobs))).collect::<BTreeMap<_, _>>();
    assert_eq!(counted, expect.iter().map(|(name, jobs)| (*name, jobs)).collect());
    assert!(document["bytes"].as_u64() > Some(HUGE_BYTES), "{document}");
    // Only Linux tells it of a process that runs.
    if cfg!(target_os = "linux") {
        assert!((1..MEMORY_MAX_KB).contains(&peak_kb), "it took {peak_kb} KB");
    }
    // What was counted once is there once.
    let jobs = project.gantz(&["jobs", "--limit", "10000", "-o", "jsonl"]).await;
    assert_eq!(jobs.json_lines().len(), files);
    let huge = jobs
        .json_lines()
        .into_iter()
        .find(|job| job["label"].as_str().is_some_and(|l| l.ends_with("huge.bin")));
    assert_eq!(huge.expect("its job")["result"]["size"], HUGE_BYTES);
    fs::remove_file(project.path("huge.bin")).expect("it is there");
}
