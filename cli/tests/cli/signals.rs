//! SIGINT and SIGTERM.

use crate::support::{Dev, Project, until};

#[tokio::test]
async fn the_first_lets_running_jobs_finish() {
    for signal in ["INT", "TERM"] {
        let project = Project::trial();
        let dev = Dev::start(&project).await;
        project.gantz(&["submit", "hold", "--gate", "open", "--job-id", "held-job"]).await.ok();
        project.reach("held-job", "RUNNING").await;
        dev.signal(signal);
        dev.reach_stopping().await;
        project.open("open");
        let ran = dev.end().await;
        assert_eq!(
            ran.failed(130),
            "stopping: running jobs may finish for 30 s; Ctrl-C again stops them now\n"
        );
        let row = project.status("held-job").await.expect("a row");
        assert_eq!((&row["status"], &row["attempt"]), (&"SUCCEEDED".into(), &1.into()), "{row}");
    }
}

#[tokio::test]
async fn the_second_hands_them_back() {
    let project = Project::trial();
    let dev = Dev::start(&project).await;
    project.gantz(&["submit", "hold", "--gate", "open", "--job-id", "held-job"]).await.ok();
    project.reach("held-job", "RUNNING").await;
    dev.interrupt().await;
    dev.signal("INT");
    dev.end().await.failed(130);
    let row = project.status("held-job").await.expect("a row");
    assert_eq!(row["status"], "WAITING", "{row}");
    let story = project.gantz(&["why", "held-job", "-o", "json"]).await.json();
    let what: Vec<_> =
        story["timeline"].as_array().expect("a list").iter().map(|moment| &moment["what"]).collect();
    assert!(what.contains(&&"handed back".into()), "{story}");

    project.open("open");
    let _dev = Dev::start(&project).await;
    let row = project.reach("held-job", "SUCCEEDED").await;
    // It was claimed twice, and no attempt was used up.
    assert_eq!((&row["attempt"], &row["deferrals"]), (&2.into(), &1.into()), "{row}");
}

#[tokio::test]
async fn a_batch_is_resumed() {
    let project = Project::trial();
    let lines = "{\"gate\": \"open\"}\n".repeat(5);
    let words = ["batch", "hold", "--jsonl", "lines.jsonl", "--id", "held-batch"];
    project.write("lines.jsonl", &lines);
    let batch = project.start(&words);
    until("its jobs run", async || {
        let ran = project.gantz(&["jobs", "--status", "running", "-o", "jsonl"]).await;
        (ran.stdout.lines().count() == 5).then_some(())
    })
    .await;
    batch.signal("INT");
    let ran = batch.end().await;
    assert_eq!(
        ran.refused(130),
        "error: interrupted; batch `held-batch` is kept\n\
         hint: it goes on with `gantz worker`; `gantz batch hold --resume held-batch` goes on with it here\n"
    );

    project.open("open");
    let ran = project.gantz(&["batch", "say", "--resume", "held-batch"]).await;
    assert!(ran.refused(2).contains("`held-batch` is a batch of the tool `hold`, not of `say`"), "{ran}");
    let ran = project.gantz(&["batch", "hold", "--resume", "other-batch"]).await;
    assert!(ran.refused(1).contains("there is no batch `other-batch` to go on with"), "{ran}");
    let ran = project.gantz(&["batch", "hold", "--resume", "held-batch"]).await;
    assert!(ran.ok().starts_with("held-batch SUCCEEDED: 5 jobs, 5 succeeded, 0 unsuccessful; "), "{ran}");
}

#[tokio::test]
async fn a_job_is_kept_under_its_id() {
    let project = Project::trial();
    let run = project.start(&["run", "hold", "--gate", "open", "--job-id", "held-job"]);
    project.reach("held-job", "RUNNING").await;
    run.signal("INT");
    assert_eq!(
        run.end().await.refused(130),
        "error: interrupted; job `held-job` is kept\n\
         hint: it goes on with `gantz worker`; `gantz cancel held-job` ends it\n"
    );
    project.open("open");
    assert_eq!(project.gantz(&["run", "hold", "--gate", "open", "--job-id", "held-job"]).await.ok(), "7\n");
}

#[tokio::test]
async fn a_fleet_goes_on_when_its_caller_is_gone() {
    let project = Project::trial();
    let _dev = Dev::start(&project).await;
    let run = project.start(&["run", "hold", "--gate", "open", "--job-id", "held-job"]);
    project.reach("held-job", "RUNNING").await;
    run.signal("INT");
    let ran = run.end().await;
    assert!(
        ran.refused(130).contains("hint: others go on with it; `gantz status --watch held-job`"),
        "{ran}"
    );
    project.open("open");
    project.reach("held-job", "SUCCEEDED").await;
}

#[tokio::test]
async fn stdin_that_never_ends_can_be_interrupted() {
    use std::process::Stdio;
    let project = Project::trial();
    let mut command = project.command(&["batch", "say", "--jsonl", "-"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary");
    until("it reads", async || project.path(".gantz/spool").exists().then_some(())).await;
    let id = child.id().to_string();
    // Not INT: a test run in the background of a shell without job control has that ignored, and so have its children.
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &id]).status().expect("`kill`").success());
    until("it ends", async || child.try_wait().expect("its state")).await;
}
