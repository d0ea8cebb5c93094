//! `cancel`.

use std::process::Command;

use crate::support::{Dev, Project, until};

#[tokio::test]
async fn a_job_that_waits() {
    let project = Project::trial();
    let _dev = Dev::start(&project).await;
    project.gantz(&["submit", "say", "--what", "x", "--delay", "10m", "--job-id", "later-job"]).await.ok();
    assert_eq!(project.gantz(&["cancel", "later-job"]).await.ok(), "later-job is CANCELLED\n");
    // Again is no failure, and no change.
    let row = project.status("later-job").await;
    assert_eq!(project.gantz(&["cancel", "later-job"]).await.ok(), "later-job is CANCELLED\n");
    assert_eq!(project.status("later-job").await, row);
    let ran = project.gantz(&["run", "say", "--what", "x", "--delay", "10m", "--job-id", "later-job"]).await;
    assert!(ran.refused(1).starts_with("error: job `later-job` is CANCELLED: cancelled: "), "{ran}");
}

#[tokio::test]
async fn a_job_that_runs_and_all_its_processes() {
    let project = Project::trial();
    let _dev = Dev::start(&project).await;
    project.gantz(&["submit", "family", "--job-id", "family-1"]).await.ok();
    let group = until("the tool has started", async || project.read("group")).await;
    let group = group.trim().to_owned();
    assert_eq!(alive_in(&group), 2, "a shell and what it started");

    let ran = project.gantz(&["cancel", "family-1"]).await;
    assert_eq!(ran.ok(), "family-1 was asked to stop\n");
    let row = project.reach("family-1", "CANCELLED").await;
    assert_eq!(row["error"]["message"], "cancelled while it ran");
    until("its processes are gone", async || (alive_in(&group) == 0).then_some(())).await;
}

#[tokio::test]
async fn a_job_that_has_ended() {
    let project = Project::trial();
    project.gantz(&["run", "say", "--what", "x", "--job-id", "said-one"]).await.ok();
    assert_eq!(project.gantz(&["cancel", "said-one"]).await.ok(), "said-one had ended before: SUCCEEDED\n");
    let ran = project.gantz(&["cancel", "said-one", "-o", "json"]).await;
    ran.ok();
    assert_eq!(ran.json()["status"], "SUCCEEDED");
}

#[tokio::test]
async fn a_batch_with_its_jobs() {
    let project = Project::trial();
    let _dev = Dev::start(&project).await;
    let batch = start_batch(&project);
    until("its jobs run", async || (running(&project).await == 3).then_some(())).await;
    assert_eq!(project.gantz(&["cancel", "held-batch"]).await.ok(), "held-batch was asked to stop\n");
    let ran = batch.end().await;
    ran.failed(1);
    assert!(ran.stdout.contains("held-batch CANCELLED: 3 jobs, 0 succeeded, 3 unsuccessful; "), "{ran}");
    let ran = project.gantz(&["jobs", "--status", "cancelled", "-o", "jsonl"]).await;
    assert_eq!(ran.json_lines().len(), 3, "{ran}");
}

#[tokio::test]
async fn a_batch_that_nobody_works_on() {
    let project = Project::trial();
    let dev = Dev::start(&project).await;
    let batch = start_batch(&project);
    until("its jobs run", async || (running(&project).await == 3).then_some(())).await;
    batch.kill();
    dev.kill();

    // No job runs in order to be cancelled: after `kill -9`, each is on its lease and was only asked to stop.
    assert_eq!(project.gantz(&["cancel", "held-batch"]).await.ok(), "held-batch was asked to stop\n");
    let jobs = project.gantz(&["jobs", "--batch", "held-batch", "-o", "jsonl"]).await.json_lines();
    assert!(jobs.iter().all(|job| job["attempt"] == 1), "{jobs:?}");
    let _dev = Dev::start(&project).await;
    let row = project.reach("held-batch", "CANCELLED").await;
    assert_eq!(row["by_status"]["CANCELLED"], 3, "{row}");
}

#[tokio::test]
async fn to_cancel_one_job_starts_no_other() {
    let project = Project::with(
        r#"
name: once
version: 1.0.0
lanes:
  fast: {concurrency: 1}
tools:
  once:
    description: Must not run twice
    handler: command
    command: {program: sh, args: ["-c", "echo >> starts; while test -e gantz.yaml; do sleep 0.05; done"]}
    effects: at_most_once
"#,
    );
    let dev = Dev::start(&project).await;
    for id in ["the-first", "the-second", "the-third"] {
        project.gantz(&["submit", "once", "--job-id", id]).await.ok();
    }
    project.reach("the-first", "RUNNING").await;
    dev.kill();
    assert_eq!(project.gantz(&["cancel", "the-third"]).await.ok(), "the-third is CANCELLED\n");
    let row = project.status("the-second").await.expect("a row");
    assert_eq!(row["status"], "QUEUED", "{row}");
    assert_eq!(project.read("starts").as_deref(), Some("\n"), "only the first was ever started");
}

fn start_batch(project: &Project) -> crate::support::Process {
    project.write("lines.jsonl", &"{\"gate\": \"never\"}\n".repeat(3));
    project.start(&["batch", "hold", "--jsonl", "lines.jsonl", "--id", "held-batch"])
}

async fn running(project: &Project) -> usize {
    let ran = project.gantz(&["jobs", "--status", "running", "-o", "json"]).await;
    if ran.stdout.is_empty() { 0 } else { ran.json().as_array().map_or(0, Vec::len) }
}

/// Processes of a group that have not ended, those left aside that nobody has waited for.
fn alive_in(group: &str) -> usize {
    let listed = Command::new("ps").args(["-A", "-o", "pgid=,stat="]).output().expect("`ps`").stdout;
    let listed = String::from_utf8(listed).expect("text");
    let mut columns = listed.lines().filter_map(|line| line.trim().split_once(' '));
    columns.by_ref().filter(|(pgid, stat)| *pgid == group && !stat.trim().starts_with('Z')).count()
}
