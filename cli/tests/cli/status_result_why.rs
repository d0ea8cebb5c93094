//! `status`, `result` and `why`.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{Dev, Project, until};

#[tokio::test]
async fn a_running_job_is_watched_to_its_end() {
    let project = Project::trial();
    let _dev = Dev::start(&project).await;
    project.gantz(&["submit", "hold", "--gate", "open", "--job-id", "held-job"]).await.ok();
    project.reach("held-job", "RUNNING").await;
    let ran = project.gantz(&["status", "held-job"]).await;
    assert!(ran.ok().contains("status    RUNNING\n"), "{ran}");
    let ran = project.gantz(&["result", "held-job"]).await;
    assert_snapshot!(ran.refused(1), @r"
    error: `held-job` is RUNNING
    hint: `gantz why held-job` tells its story
    ");

    let watching = project.start(&["status", "--watch", "held-job"]);
    project.open("open");
    let ran = watching.end().await;
    assert!(ran.ok().contains("status    SUCCEEDED\n"), "{ran}");
    assert_eq!(project.gantz(&["result", "held-job"]).await.ok(), "7\n");
}

#[tokio::test]
async fn who_watches_what_nobody_works_on_is_told() {
    let project = Project::trial();
    let dev = Dev::start(&project).await;
    project.gantz(&["submit", "hold", "--gate", "open", "--job-id", "held-job"]).await.ok();
    project.reach("held-job", "RUNNING").await;
    dev.kill();
    let watching = project.start(&["status", "--watch", "held-job"]);
    until("it says so", async || {
        (watching.stderr() == "nobody works on it: start `gantz worker`, or `gantz dev`\n").then_some(())
    })
    .await;
    project.open("open");
    let _dev = Dev::start(&project).await;
    let ran = watching.end().await;
    assert_eq!(ran.failed(0).lines().count(), 1, "{ran}");
    assert!(ran.stdout.contains("status    SUCCEEDED\n"), "{ran}");
}

#[tokio::test]
async fn large_results_are_read_from_where_they_are() {
    let project = Project::trial();
    let long = "x".repeat(20_000);
    let ran = project.gantz(&["submit", "say", "--what", &long, "--job-id", "long-story", "--wait"]).await;
    assert!(ran.ok().contains("result    large; `gantz result long-story` prints it\n"), "{ran}");
    let ran = project.gantz(&["result", "long-story"]).await;
    ran.ok();
    assert_eq!(ran.json(), Value::from(long));
}

#[tokio::test]
async fn a_failed_job_has_no_result() {
    let project = Project::trial();
    project.gantz(&["submit", "broken", "--job-id", "broken-1", "--wait"]).await.failed(1);
    assert!(project.gantz(&["status", "broken-1"]).await.failed(1).is_empty());
    let ran = project.gantz(&["result", "broken-1"]).await;
    assert_snapshot!(ran.refused(1), @r"
    error: `broken-1` is FAILED: exit_status: `sh` ended with exit code 65: no luck
    hint: `gantz why broken-1` tells its story
    ");
}

#[tokio::test]
async fn why_tells_of_retries() {
    let project = Project::trial();
    project.gantz(&["run", "flaky", "--job-id", "flaky-job"]).await.ok();
    let story = project.gantz(&["why", "flaky-job", "-o", "json"]).await.json();
    let told = story["timeline"].as_array().expect("a list");
    let what: Vec<_> = told.iter().filter_map(|moment| moment["what"].as_str()).collect();
    assert_eq!(what, ["accepted", "attempt began", "attempt failed", "attempt began", "ended"], "{story}");
    let detail = told[2]["detail"].as_str().expect("a text");
    // The pause may have been none: it is drawn from zero on.
    assert!(detail.starts_with("exit_status: `sh` ended with exit code 75: not yet"), "{detail}");
    assert_eq!(told[4]["detail"], "SUCCEEDED");
    assert_eq!(story["job"]["attempt"], 2);

    let ran = project.gantz(&["why", "flaky-job"]).await;
    let mut lines = ran.ok().lines();
    assert_eq!(lines.next(), Some("flaky-job flaky SUCCEEDED"));
    assert_eq!(
        lines.nth(1).map(|head| head.split_whitespace().collect::<Vec<_>>()),
        Some(vec!["WHEN", "AFTER", "WHAT"])
    );
    let rest: Vec<&str> = lines.collect();
    assert_eq!(rest.len(), 7, "{ran}");
    assert_eq!(rest[5..], ["", "delivered at least 2 times"], "{ran}");
}

#[tokio::test]
async fn why_tells_of_a_delay() {
    let project = Project::trial();
    let _dev = Dev::start(&project).await;
    project.gantz(&["submit", "say", "--what", "x", "--delay", "10m", "--job-id", "later-job"]).await.ok();
    let story = project.gantz(&["why", "later-job", "-o", "json"]).await.json();
    let [accepted, due] = &story["timeline"].as_array().expect("a list")[..] else { panic!("{story}") };
    assert_eq!((&accepted["what"], &due["what"]), (&"accepted".into(), &"due".into()), "{story}");
    let [accepted_ms, due_ms] = [accepted, due].map(|moment| moment["at_ms"].as_u64().expect("a time"));
    assert!((600_000..660_000).contains(&(due_ms - accepted_ms)), "{story}");
    assert_eq!(story["messages"][0]["deliveries"], 0, "{story}");
}

#[tokio::test]
async fn why_tells_of_crashes() {
    let project = Project::trial();
    let dev = Dev::start(&project).await;
    project.gantz(&["submit", "hold", "--gate", "open", "--job-id", "held-job"]).await.ok();
    project.reach("held-job", "RUNNING").await;
    dev.kill();
    project.open("open");
    let _dev = Dev::start(&project).await;
    project.reach("held-job", "SUCCEEDED").await;
    let story = project.gantz(&["why", "held-job", "-o", "json"]).await.json();
    let told = story["timeline"].as_array().expect("a list");
    let what: Vec<_> = told.iter().filter_map(|moment| moment["what"].as_str()).collect();
    assert_eq!(what, ["accepted", "attempt began", "attempt crashed", "attempt began", "ended"], "{story}");
    assert_eq!(story["deliveries_at_least"], 2, "{story}");
}

#[tokio::test]
async fn why_tells_of_deferrals() {
    let project = Project::trial();
    let lines: String = (0..4).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    project.gantz_with(&lines, &["batch", "paced", "--jsonl", "-", "--id", "paced-batch"]).await.ok();
    let mut deferred = Vec::new();
    for index in 0..4 {
        let id = format!("paced-batch.{index:07}");
        let story = project.gantz(&["why", &id, "-o", "json"]).await.json();
        let told = story["timeline"].as_array().expect("a list").clone();
        // Waiting for room costs nothing.
        assert_eq!(story["job"]["attempt"], 1, "{story}");
        deferred.extend(told.into_iter().filter(|moment| moment["what"] == "deferred"));
    }
    let detail = deferred.first().expect("four at once are too many for two a second")["detail"].as_str();
    let detail = detail.expect("a text");
    assert!(detail.starts_with("rate_limited for ") && detail.ends_with("; no attempt used"), "{detail}");
}

#[tokio::test]
async fn a_batch_is_no_job() {
    let project = Project::trial();
    project.gantz_with("{\"n\": 1}", &["batch", "paced", "--jsonl", "-", "--id", "a-batch-1"]).await.ok();
    let ran = project.gantz(&["status", "a-batch-1"]).await;
    assert!(ran.ok().contains("status     SUCCEEDED\njobs       1\nsucceeded  1\n"), "{ran}");
    for command in ["result", "why"] {
        let ran = project.gantz(&[command, "a-batch-1"]).await;
        assert_eq!(
            ran.refused(1),
            "error: `a-batch-1` is a batch\n\
             hint: `gantz status a-batch-1` shows it, `gantz jobs --batch a-batch-1` lists its jobs\n"
        );
    }
}

#[tokio::test]
async fn ids_that_nobody_has() {
    let project = Project::trial();
    for command in ["status", "result", "why"] {
        let ran = project.gantz(&[command, "unknown-id"]).await;
        let stderr = ran.refused(1);
        assert!(stderr.starts_with("error: nothing was ever stored in `"), "{ran}");
        assert!(stderr.contains("\nhint: `--data-dir DIR` names another"), "{ran}");
    }
    assert_eq!(project.read(".gantz/lock"), None, "reading makes no data directory");

    project.gantz(&["run", "say", "--what", "x"]).await.ok();
    for command in ["status", "result", "why", "cancel"] {
        let ran = project.gantz(&[command, "unknown-id"]).await;
        assert_eq!(
            ran.refused(1),
            "error: there is no job or batch `unknown-id`\n\
             hint: `gantz jobs` lists the newest\n"
        );
        let ran = project.gantz(&[command, "short"]).await;
        assert_eq!(ran.refused(2), "error: `short` is no job id: expected 8 to 64 of A-Z a-z 0-9 . _ -\n");
    }
}
