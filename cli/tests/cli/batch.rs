//! `batch`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Dev, Project, count_files};

#[tokio::test]
async fn every_file_of_a_folder_is_a_job() {
    let project = with_files();
    let ran =
        project.gantz(&["batch", "analyze_file", "--files", "data", "--id", "all-files", "-o", "json"]).await;
    ran.ok();
    let document = ran.json();
    assert_eq!(document["status"], "SUCCEEDED");
    assert_eq!(document["total"], count_files(&project.path("data")));
    assert_eq!(document["by_status"]["SUCCEEDED"], 5);
    let types = json!({
        "text/csv": {"jobs": 3, "by_status": {"SUCCEEDED": 3}, "bytes": 24},
        "text/x-rust": {"jobs": 2, "by_status": {"SUCCEEDED": 2}, "bytes": 26},
    });
    assert_eq!(document["types"], types);
    assert_eq!(document["bytes"], 50);

    let ran = project.gantz(&["status", "--watch", "all-files"]).await;
    let (table, total) = ran.ok().split_once("\n\n").expect("a table and a total");
    assert_snapshot!(table, @r"
    TYPE         JOBS  SUCCEEDED  FAILED  BYTES
    text/csv     3     3          0       24 B
    text/x-rust  2     2          0       26 B
    ");
    assert!(total.starts_with("all-files SUCCEEDED: 5 jobs, 5 succeeded, 0 unsuccessful; 50 B in "), "{ran}");
}

#[tokio::test]
async fn a_pattern_chooses_files() {
    let project = with_files();
    for (pattern, expect) in
        [("data/**/*.rs", 2), ("data/*.csv", 2), ("data/{one,deep/three}.csv", 2), ("./data/./*.csv", 2)]
    {
        let ran = project.gantz(&["batch", "analyze_file", "--files", pattern, "-o", "jsonl"]).await;
        ran.ok();
        let [document] = &ran.json_lines()[..] else { panic!("{ran}") };
        assert_eq!(document["total"], expect, "{pattern}");
        assert_eq!(document["by_status"]["SUCCEEDED"], expect, "{pattern}");
    }
    let ran = project.gantz(&["batch", "analyze_file", "--files", "data/*.txt"]).await;
    assert!(ran.stdout.contains(" SUCCEEDED: 0 jobs, "), "{ran}");
    assert!(ran.failed(1).contains(" has no jobs: no file matches\nhint: "), "{ran}");
    let ran = project.gantz_with("", &["batch", "analyze_file", "--jsonl", "-"]).await;
    assert_eq!(ran.failed(0), "warning: there was nothing to do\n");
    let words =
        ["batch", "analyze_file", "--files", "data/*.csv", "data/**/*.csv", "data/*.rs", "-o", "json"];
    assert_eq!(project.gantz(&words).await.json()["total"], 4, "each file once");
}

#[tokio::test]
async fn a_folder_with_an_odd_name_is_no_part_of_a_pattern() {
    let project = with_files();
    project.write("[x]{y}*/one.csv", "a,b\n1,2\n");
    project.write("[x]{y}*/deep/two.csv", "a,b\n1,2\n");
    project.write("x/three.csv", "a,b\n1,2\n");
    for (pattern, expect) in [("*.csv", 1), ("./*.csv", 1), ("**/*.csv", 2), ("../data/*.csv", 2), (".", 2)] {
        let words =
            ["batch", "analyze_file", "--files", pattern, "-o", "json", "--manifest", "../gantz.yaml"];
        let mut command = project.command(&words);
        command.current_dir(project.path("[x]{y}*"));
        let ran = project.run(command).await;
        ran.ok();
        assert_eq!(ran.json()["total"], expect, "{pattern}: {ran}");
    }
}

#[tokio::test]
async fn the_data_directory_is_no_data() {
    let project = with_files();
    // Twice: the second time, there is a data directory from the start.
    for id in ["whole-project-1", "whole-project-2"] {
        let ran = project.gantz(&["batch", "analyze_file", "--files", ".", "--id", id, "-o", "json"]).await;
        ran.ok();
        assert_eq!(ran.json()["total"], count_files(&project.path("")), "{ran}");
    }
    let jobs = project.gantz(&["jobs", "--limit", "1000", "-o", "jsonl"]).await;
    let of_our_own = jobs.json_lines().iter().filter(|job| label(job).contains("/.gantz/")).count();
    assert_eq!(of_our_own, 0);
}

/// A file, a line that is no JSON, a missing file, a line that is no object, an empty line, a parameter misspelt.
const LINES: &str = r#"{"path": "data/one.csv"}
not json
{"path": "data/missing.csv"}
["data/one.csv"]

{"pth": "data/one.csv"}
"#;

#[tokio::test]
async fn bad_lines_become_failed_jobs() {
    let project = with_files();
    project.write("lines.jsonl", LINES);
    let ran = project
        .gantz(&["batch", "analyze_file", "--jsonl", "lines.jsonl", "--id", "some-bad", "-o", "json"])
        .await;
    ran.failed(1);
    let document = ran.json();
    assert_eq!(document["status"], "FAILED");
    assert_eq!(document["total"], 5);
    assert_eq!(document["by_status"]["SUCCEEDED"], 1);
    assert_eq!(document["by_status"]["FAILED"], 4);
    assert_eq!(document["failures_total"], 4);
    let failed = document["failures"].as_array().expect("a list");
    let told: Vec<_> =
        failed.iter().map(|job| ["label", "kind", "message"].map(|key| text(&job[key])).join(": ")).collect();
    assert_snapshot!(told.join("\n"), @r"
    line 2: invalid: line 2, column 2: not JSON (Syntax error)
    line 3: not_found: data/missing.csv does not exist
    line 4: invalid: line 4 is no JSON object of parameters
    line 6: invalid: the parameters do not fit the tool `analyze_file`: /path: missing required parameter `path`; /pth: unknown parameter `pth`, did you mean `path`?
    ");
    let inputs: Vec<_> = failed.iter().map(|job| job["input"].clone()).collect();
    let expected = [json!("line 2"), json!({"path": "data/missing.csv"}), json!("line 4")];
    assert_eq!(inputs.get(..3), Some(&expected[..]), "what could not be read is told by its place");
    let ran = project.gantz(&["status", "some-bad", "-o", "json"]).await;
    assert_eq!(ran.json()["failures"], document["failures"], "{ran}");
    let ran = project.gantz(&["status", "--watch", "some-bad"]).await;
    ran.failed(1);
    assert!(
        ran.stdout.contains("unsuccessful, by reason:\n        3  invalid\n        1  not_found\n"),
        "{ran}"
    );
    assert!(!ran.stdout.lines().any(|line| line.ends_with(' ')), "{ran}");
    let table: Vec<&str> = ran.stdout.lines().take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(table.join("\n"), @r"
    TYPE      JOBS  SUCCEEDED  FAILED  BYTES
    -         4     0          4       0 B
    text/csv  1     1          0       8 B
    ");
}

#[tokio::test]
async fn what_failed_is_told_by_kind_and_by_status() {
    let project = with_files();
    std::os::unix::fs::symlink("nowhere", project.path("data/gone.CSV")).expect("a link");
    let ran = project.gantz(&["batch", "analyze_file", "--files", "data"]).await;
    ran.failed(1);
    let table: Vec<&str> = ran.stdout.lines().take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(table.join("\n"), @r"
    TYPE         JOBS  SUCCEEDED  FAILED  BYTES
    text/csv     3     3          0       24 B
    text/x-rust  2     2          0       26 B
    *.csv        1     0          1       0 B
    ");

    let project = Project::trial();
    let _dev = Dev::start(&project).await;
    project.write("lines.jsonl", &"{\"path\": \"/dev/null\"}\n".repeat(2));
    let document = project
        .gantz(&["batch", "analyze_file", "--jsonl", "lines.jsonl", "--id", "two-nulls", "-o", "json"])
        .await
        .json();
    let share = json!({"jobs": 2, "by_status": {"SUCCEEDED": 0, "FAILED": 2}, "bytes": 0});
    assert_eq!(document["types"]["-"], share);
}

#[tokio::test]
async fn so_many_may_fail() {
    let project = with_files();
    for (tolerate, code) in [("0", 1), ("3", 1), ("4", 0), ("79%", 1), ("80%", 0)] {
        let ran = project
            .gantz_with(LINES, &["batch", "analyze_file", "--jsonl", "-", "--tolerate", tolerate])
            .await;
        ran.failed(code);
        assert!(ran.stdout.contains(": 5 jobs, 1 succeeded, 4 unsuccessful; "), "{ran}");
    }
    let ran = project.gantz(&["batch", "analyze_file", "--files", "data", "--tolerate", "some"]).await;
    assert!(ran.refused(2).contains("`some` is no tolerance"), "{ran}");
}

#[tokio::test]
async fn an_id_given_again_is_the_same_batch() {
    let project = with_files();
    let _dev = Dev::start(&project).await;
    let batch = async |files: &str| {
        project.gantz(&["batch", "analyze_file", "--files", files, "--id", "my-batch", "-o", "json"]).await
    };
    let first = batch("data").await;
    first.ok();
    assert_eq!(batch("data").await.json(), first.json());
    let ran = batch("data/deep").await;
    assert!(
        ran.refused(1).starts_with("error: `my-batch` was accepted before with other parameters"),
        "{ran}"
    );

    // What came from stdin is told apart by its lines, not by where they were kept.
    let lines = async |lines: &str| {
        project
            .gantz_with(lines, &["batch", "analyze_file", "--jsonl", "-", "--id", "my-lines", "-o", "json"])
            .await
    };
    let first = lines(LINES).await;
    first.failed(1);
    assert_eq!(lines(LINES).await.json(), first.json());
    assert!(lines("{}").await.refused(1).contains("`my-lines` was accepted before"));
}

const IDLE: &str = "nobody works on it: start `gantz worker`, or `gantz dev`\n";

#[tokio::test]
async fn it_may_be_left_to_a_fleet() {
    let project = with_files();
    let words = ["batch", "analyze_file", "--files", "data", "--detach", "--id", "left-alone"];
    let ran = project.gantz(&words).await;
    assert_eq!((ran.stdout.as_str(), ran.failed(0)), ("left-alone\n", IDLE), "{ran}");

    let _dev = Dev::start(&project).await;
    assert_eq!(project.gantz(&words).await.ok(), "left-alone\n");
    let batch = project.reach("left-alone", "SUCCEEDED").await;
    assert_eq!(batch["by_status"]["SUCCEEDED"], 5);
}

#[tokio::test]
async fn mistakes_are_told_before_anything_is_done() {
    let project = with_files();
    for (words, code, expect) in [
        (&["analyze_file"][..], 2, "<--files <GLOB>...|--s3 <URL>|--jsonl <FILE>|--resume <ID>>"),
        (&["analyze_file", "--files", "data", "--jsonl", "-"], 2, "cannot be used with"),
        (&["analyse_file", "--files", "data"], 2, "hint: did you mean `analyze_file`?"),
        (
            &["analyze_file", "--files", "data", "--as", "file"],
            2,
            "has no parameter `file` for a file's path",
        ),
        (&["analyze_file", "--files", "data", "--parameters", "[]"], 2, "`--parameters` is no JSON object"),
        (
            &["analyze_file", "--files", "data", "--parameters", "[1]"],
            2,
            "`--parameters` is no JSON object, but an array",
        ),
        (&["analyze_file", "--files", "data", "--parameters", "{"], 2, "`--parameters` is no JSON: EOF"),
        (&["analyze_file", "--files", "data", "--id", "short"], 2, "\n  --id: `short` is no job id"),
        (&["analyze_file", "--files", "dta"], 2, "error: there is no file or folder `"),
        (&["analyze_file", "--files", "dta/*.csv"], 1, "has no jobs: there is no folder `"),
        (&["analyze_file", "--jsonl", "missing.jsonl"], 2, "error: cannot open `"),
    ] {
        let ran = project.gantz(&[&["batch"], words].concat()).await;
        assert!(ran.refused(code).contains(expect), "{ran}\nexpected {expect}");
    }
    let project = with_files();
    for source in [["--files", "dta"], ["--jsonl", "missing.jsonl"]] {
        project.gantz(&[&["batch", "analyze_file"], &source[..]].concat()).await.failed(2);
        assert_eq!(project.read(".gantz/lock"), None, "a slip starts nothing");
    }
}

#[tokio::test]
async fn jobs_share_parameters_and_any_tool_will_do() {
    let project = Project::trial();
    let lines = "{}\n{\"what\": \"other\"}\n";
    let words = ["batch", "say", "--jsonl", "-", "--parameters", r#"{"what": "same"}"#, "--id", "sayings-1"];
    let ran = project.gantz_with(lines, &words).await;
    // Nothing here has a type or a size, so no table and no bytes.
    assert!(ran.ok().starts_with("sayings-1 SUCCEEDED: 2 jobs, 2 succeeded, 0 unsuccessful; "), "{ran}");
    assert!(!ran.stdout.contains(" B in "), "{ran}");
    let ran = project.gantz(&["jobs", "--batch", "sayings-1", "-o", "jsonl"]).await;
    let mut said: Vec<_> = ran.json_lines().iter().map(|job| text(&job["result"]).to_owned()).collect();
    said.sort();
    assert_eq!(said, ["other", "same"]);
}

fn with_files() -> Project {
    let project = Project::trial();
    for name in ["one.csv", "two.csv", "deep/three.csv"] {
        project.write(&format!("data/{name}"), "a,b\n1,2\n");
    }
    for name in ["one.rs", "deep/two.rs"] {
        project.write(&format!("data/{name}"), "fn main() {}\n");
    }
    project
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn label(job: &Value) -> &str {
    text(&job["label"])
}

/// As found in the field: a pipe holds up whoever opens it, and a name may be any bytes.
#[tokio::test]
async fn what_is_no_file_and_what_has_an_odd_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::process::Command;

    let project = Project::empty();
    project.write("d/ok.csv", "a,b\n");
    let pipe = Command::new("mkfifo").arg(project.path("d/p.csv")).status().expect("mkfifo");
    assert!(pipe.success());
    std::os::unix::fs::symlink("p.csv", project.path("d/q.csv")).expect("a link");
    let ran = project.gantz(&["batch", "analyze_file", "--files", "d/*.csv", "-o", "json"]).await;
    ran.failed(1);
    let document = ran.json();
    assert_eq!(document["by_status"], json!({"SUCCEEDED": 1, "FAILED": 2}));
    for (failure, name) in document["failures"].as_array().expect("a list").iter().zip(["p.csv", "q.csv"]) {
        assert_eq!(failure["kind"], "not_regular_file", "{failure}");
        assert!(text(&failure["input"]["path"]).ends_with(name), "{failure}");
    }

    let project = Project::empty();
    for name in [b"d/caf\xe9.csv".as_slice(), b"d/caf\xe8.csv", b"d/a\nb.csv", b"d/[x] 1.csv", b"-n.csv"] {
        let path = project.path("").join(Path::new(OsStr::from_bytes(name)));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, [b"a,b\n", name].concat()).expect("a file");
    }
    let words = ["batch", "analyze_file", "--files", "d/*", "*.csv", "--results", "out.jsonl", "-o", "json"];
    let ran = project.gantz(&words).await;
    ran.ok();
    assert_eq!(ran.json()["by_status"], json!({"SUCCEEDED": 5}));
    let results = project.read("out.jsonl").expect("a file of results");
    let lines: Vec<Value> = results.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let name = |line: &Value| match line["input"]["path"].as_str() {
        Some(path) => path.rsplit('/').next().unwrap_or_default().to_owned(),
        // Bytes that are no text.
        None => line["input"]["path_base64"].as_str().map(|_| "?".to_owned()).unwrap_or_default(),
    };
    let names: Vec<String> = lines.iter().map(name).collect();
    assert_eq!(names, ["[x] 1.csv", "a\nb.csv", "?", "?", "-n.csv"]);
    assert_ne!(lines.get(2).map(|line| &line["input"]), lines.get(3).map(|line| &line["input"]));
    for (index, line) in lines.iter().enumerate() {
        assert_eq!((&line["index"], &line["status"]), (&json!(index), &json!("SUCCEEDED")), "{line}");
    }
    let hashes: std::collections::BTreeSet<&str> =
        lines.iter().map(|line| text(&line["result"]["sha256"])).collect();
    assert_eq!(hashes.len(), 5, "each was read by its own name");
}

/// A file of results that cannot get its name leaves nothing behind, and the batch is no worse for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_cannot_be_written() {
    let project = Project::empty();
    project.write("in/a.csv", "a\n");
    project.write("taken/by-a-folder", "");
    let ran = project.gantz(&[
        "batch",
        "analyze_file",
        "--files",
        "in/*",
        "--id",
        "batch-kept",
        "--results",
        "taken",
    ]);
    assert!(ran.await.failed(1).contains("cannot write `taken`"));
    assert!(!project.path("taken.part").exists(), "an unfinished file was left");
    let again = ["batch", "analyze_file", "--resume", "batch-kept", "--results", "out.jsonl", "-o", "json"];
    assert_eq!(project.gantz(&again).await.json()["by_status"], json!({"SUCCEEDED": 1}));
    assert_eq!(project.read("out.jsonl").map(|lines| lines.lines().count()), Some(1));
}

#[tokio::test]
async fn objects_need_a_region() {
    let project = Project::trial();
    for source in [["--s3", "s3://acme-incoming/in/"], ["--jsonl", "s3://acme-incoming/lines.jsonl"]] {
        let words = ["batch", "analyze_file"].into_iter().chain(source).collect::<Vec<_>>();
        let refused = project.gantz(&words).await;
        assert!(refused.refused(2).contains("`--region REGION`"), "{refused}");
    }
}
