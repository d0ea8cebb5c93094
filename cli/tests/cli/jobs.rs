//! `jobs`.

use crate::support::Project;

#[tokio::test]
async fn jobs_are_found_by_status_tool_and_batch() {
    let project = Project::trial();
    project.gantz(&["run", "say", "--what", "x", "--job-id", "said-one"]).await.ok();
    project.gantz(&["run", "broken", "--job-id", "broken-1"]).await.failed(1);
    let lines = "{\"what\": \"a\"}\n{}\n";
    project.gantz_with(lines, &["batch", "say", "--jsonl", "-", "--id", "sayings-1"]).await.failed(1);

    let check = async |words: &[&str], expect: &[&str]| {
        let ran = project.gantz(&[&["jobs", "-o", "jsonl"], words].concat()).await;
        ran.ok();
        let found: Vec<_> =
            ran.json_lines().iter().map(|job| job["job_id"].as_str().expect("an id").to_owned()).collect();
        assert_eq!(found, expect, "{words:?}");
    };
    let (first, second) = ("sayings-1.0000000", "sayings-1.0000001");
    check(&["--tool", "broken"], &["broken-1"]).await;
    check(&["--status", "failed", "--tool", "say"], &[second]).await;
    check(&["--status", "SUCCEEDED", "--batch", "sayings-1"], &[first]).await;
    check(&["--status", "in-doubt"], &[]).await;
    check(&["--batch", "unknown-batch"], &[]).await;
    let all = project.gantz(&["jobs", "-o", "json"]).await.json();
    assert_eq!(all.as_array().map(Vec::len), Some(4));
    let newest = project.gantz(&["jobs", "--limit", "3", "-o", "json"]).await.json();
    assert_eq!(newest.as_array().map(|jobs| &jobs[..]), all.as_array().map(|jobs| &jobs[..3]));
}

#[tokio::test]
async fn a_table_for_people() {
    let project = Project::trial();
    project.gantz(&["run", "broken", "--job-id", "broken-1"]).await.failed(1);
    let ran = project.gantz(&["jobs"]).await;
    let [head, row] = &ran.ok().lines().collect::<Vec<_>>()[..] else { panic!("{ran}") };
    assert_eq!(
        head.split_whitespace().collect::<Vec<_>>(),
        ["JOB", "TOOL", "STATUS", "ATTEMPT", "ACCEPTED", "TOOK", "WHAT"]
    );
    assert!(row.starts_with("broken-1  broken  FAILED  1/3      2"), "{ran}");
    assert!(row.ends_with("`sh` ended with exit code 65: no luck"), "{ran}");
    // Nothing, in each format.
    assert_eq!(project.gantz(&["jobs", "--tool", "say"]).await.ok(), "no such jobs\n");
    assert_eq!(project.gantz(&["jobs", "--tool", "say", "-o", "json"]).await.ok(), "[]\n");
    assert_eq!(project.gantz(&["jobs", "--tool", "say", "-o", "jsonl"]).await.ok(), "");
}

#[tokio::test]
async fn words_that_are_no_filter() {
    let project = Project::trial();
    let ran = project.gantz(&["jobs", "--status", "done"]).await;
    assert!(ran.refused(2).contains("expected one of QUEUED, RUNNING, WAITING, SUCCEEDED"), "{ran}");
    let ran = project.gantz(&["jobs", "--limit", "0"]).await;
    assert!(ran.refused(2).contains("expected a number of at least 1"), "{ran}");
    let ran = project.gantz(&["jobs", "--batch", "short"]).await;
    assert!(ran.refused(2).contains("`short` is no job id"), "{ran}");
}
