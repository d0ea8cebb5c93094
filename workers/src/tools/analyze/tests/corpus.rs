//! Small broken files, as they are found, and what is right about each: see `corpus/expected.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{analyze, difference};

#[test]
fn broken_files_are_told_as_what_they_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tools/analyze/tests/corpus");
    let expected = std::fs::read(folder.join("expected.json")).expect("what to expect");
    let expected: BTreeMap<String, Value> = serde_json::from_slice(&expected).expect("one entry a file");
    let files = folder.read_dir().expect("the corpus").map(|entry| entry.expect("an entry").file_name());
    let mut files: Vec<_> = files.map(|name| name.into_string().expect("UTF-8")).collect();
    files.retain(|name| name != "expected.json");
    files.sort();
    assert_eq!(files, expected.keys().cloned().collect::<Vec<_>>(), "every file, and nothing else");

    let differ = |(name, expect): (&String, &Value)| {
        let report = analyze(name, &std::fs::read(folder.join(name)).expect("a file"));
        difference(&report, expect, "").map(|what| format!("{name}: {what}\n   in {report}"))
    };
    let different: Vec<_> = expected.iter().filter_map(differ).collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}
