//! `submit`.

use serde_json::Value;

use crate::support::{Dev, Project};

#[tokio::test]
async fn who_waits_runs_the_job_and_is_shown_it() {
    let project = Project::trial();
    let ran = project.gantz(&["submit", "say", "--what", "hello", "--job-id", "hello-you", "--wait"]).await;
    let card: Vec<_> = ran.ok().lines().filter_map(|line| line.split_once("  ")).collect();
    let names: Vec<_> = card.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["job", "tool", "status", "attempt", "accepted", "started", "finished", "result"],
        "{ran}"
    );
    let values: Vec<_> = card.iter().map(|(_, value)| value.trim_start()).collect();
    assert_eq!(values[..4], ["hello-you", "say", "SUCCEEDED", "1 of 3"]);
    assert_eq!(values[7], "\"hello\"");
    assert!(!ran.stdout.lines().any(|line| line.ends_with(' ')), "{ran}");
}

#[tokio::test]
async fn with_a_fleet_it_prints_the_id_at_once() {
    let project = Project::trial();
    let dev = Dev::start(&project).await;
    let ran = project.gantz(&["submit", "hold", "--gate", "open", "--job-id", "held-job"]).await;
    assert_eq!(ran.ok(), "held-job\n");
    let ran = project.gantz(&["submit", "hold", "--gate", "open", "-o", "json"]).await;
    ran.ok();
    let row = ran.json();
    assert_eq!(row["tool"], "hold");
    let id = row["job_id"].as_str().expect("an id");

    let waiting = project.start(&["submit", "hold", "--gate", "open", "--job-id", "held-job", "--wait"]);
    project.open("open");
    let ran = waiting.end().await;
    assert!(ran.ok().contains("status    SUCCEEDED\n"), "{ran}");
    project.reach(id, "SUCCEEDED").await;
    dev.stop().await.failed(130);
}

#[tokio::test]
async fn the_same_key_is_the_same_job() {
    let project = Project::trial();
    let _dev = Dev::start(&project).await;
    let submit = async |key: &str| {
        let ran = project.gantz(&["submit", "say", "--what", "x", "--idempotency-key", key]).await;
        ran.ok().to_owned()
    };
    let id = submit("order 66").await;
    assert_eq!(submit("order 66").await, id);
    assert_ne!(submit("order 67").await, id);
    let jobs = project.gantz(&["jobs", "-o", "json"]).await.json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(2), "{jobs}");
}

#[tokio::test]
async fn another_jobs_id_is_refused() {
    let project = Project::trial();
    let submit = async |what: &str| {
        project.gantz(&["submit", "say", "--what", what, "--job-id", "my-own-id", "--wait"]).await
    };
    submit("this").await.ok();
    submit("this").await.ok();
    let ran = submit("that").await;
    assert!(
        ran.refused(1).starts_with("error: `my-own-id` was accepted before with other parameters"),
        "{ran}"
    );
    let job = project.status("my-own-id").await;
    assert_eq!(job.as_ref().map(|job| &job["result"]), Some(&Value::from("this")));
}

#[tokio::test]
async fn a_failed_job_is_a_failure() {
    let project = Project::trial();
    let ran = project.gantz(&["submit", "broken", "--wait"]).await;
    ran.failed(1);
    assert!(ran.stdout.contains("status    FAILED\n"), "{ran}");
    assert!(ran.stdout.contains("error     exit_status: `sh` ended with exit code 65: no luck\n"), "{ran}");
}
