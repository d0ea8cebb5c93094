//! `worker` on this machine: any number of them, beside other commands.

use serde_json::json;

use crate::support::{Process, Project, until};

const WORKERS: usize = 8;
const JOBS: usize = 400;

async fn start(project: &Project) -> Process {
    let worker = project.start(&["worker", "--concurrency", "4"]);
    until("it works", async || worker.stderr().contains("; Ctrl-C stops\n").then_some(())).await;
    worker
}

#[tokio::test]
async fn eight_share_a_batch_and_one_is_killed() {
    let project = Project::trial();
    let lines: String = (0..JOBS).map(|job| format!("{{\"what\": \"{job}\"}}\n")).collect();
    project.write("lines.jsonl", &lines);
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(start(&project).await);
    }
    let words = ["batch", "say", "--jsonl", "lines.jsonl", "--id", "shared-batch", "--detach"];
    assert_eq!(project.gantz(&words).await.ok(), "shared-batch\n");
    until("some of its jobs have ended", async || {
        let batch = project.status("shared-batch").await?;
        (batch["by_status"]["SUCCEEDED"].as_u64()? > 20).then_some(())
    })
    .await;
    workers.pop().expect("a worker").kill();
    // Its jobs come back at once, not when their leases run out.
    let batch = project.reach("shared-batch", "SUCCEEDED").await;
    assert_eq!(batch["by_status"], json!({ "SUCCEEDED": JOBS }));

    let jobs = project.gantz(&["jobs", "--batch", "shared-batch", "--limit", "1000", "-o", "jsonl"]).await;
    let jobs = jobs.json_lines();
    let by: std::collections::BTreeSet<&str> = jobs
        .iter()
        .map(|job| {
            job["finished_by"].as_str().expect("a name").split(['.', '-', ':']).next().expect("a part")
        })
        .collect();
    assert!(by.len() > 1, "one worker did it all: {by:?}");
    for worker in workers {
        worker.signal("TERM");
        let ran = worker.end().await;
        assert!(!ran.failed(0).contains("locked"), "{ran}");
    }
}

#[tokio::test]
async fn prometheus_reads_what_it_has_measured() {
    let project = Project::trial();
    let worker = project.start(&["worker", "--metrics-port", "0"]);
    let url = until("it says where", async || {
        let said = worker.stderr();
        let (_, url) = said.split_once("metrics are at ")?;
        url.split_once('\n').map(|(url, _)| url.to_owned())
    })
    .await;
    project.gantz(&["submit", "say", "--what", "x", "--job-id", "measured-job"]).await.ok();
    project.reach("measured-job", "SUCCEEDED").await;
    until("its end is counted", async || {
        let metrics = reqwest::get(&url).await.ok()?.text().await.ok()?;
        let ended = "gantz_jobs_finished_total{status=\"SUCCEEDED\"} 1\n";
        let waiting = "gantz_queue_messages{lane=\"fast\",state=\"visible\"} 0\n";
        (metrics.contains(ended) && metrics.contains(waiting)).then_some(())
    })
    .await;
    let taken = url.rsplit([':', '/']).nth(1).expect("a port");
    let ran = project.gantz(&["worker", "--metrics-port", taken]).await;
    assert!(ran.failed(1).contains("`--metrics-port PORT` takes another one"), "{ran}");
}

#[tokio::test]
async fn it_works_on_the_lanes_that_it_is_told() {
    let tool = |lane: &str| {
        format!(
            "  {lane}: {{description: d, handler: command, lane: {lane}, command: {{program: echo, args: [x], output: text}}}}\n"
        )
    };
    let tools = [tool("fast"), tool("bulk")].concat();
    let project = Project::with(&format!("name: lanes\nversion: 1.0.0\ntools:\n{tools}"));
    let bulk = project.start(&["worker", "--lane", "bulk"]);
    until("it works", async || bulk.stderr().contains("on bulk (").then_some(())).await;
    project.gantz(&["submit", "fast", "--job-id", "of-lane-fast"]).await.ok();
    project.gantz(&["submit", "bulk", "--job-id", "of-lane-bulk"]).await.ok();
    project.reach("of-lane-bulk", "SUCCEEDED").await;
    let row = project.status("of-lane-fast").await.expect("a row");
    assert_eq!(row["status"], "QUEUED", "{row}");
    let _all = start(&project).await;
    project.reach("of-lane-fast", "SUCCEEDED").await;
    bulk.signal("INT");
    bulk.end().await.failed(130);
    let ran = project.gantz(&["worker", "--lane", "bluk"]).await;
    assert!(ran.refused(2).contains("there is no lane `bluk`"), "{ran}");
}
