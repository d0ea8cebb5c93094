//! `dev`, and commands beside it.

use serde_json::json;

use crate::support::{Dev, Project, until};

#[tokio::test]
async fn commands_talk_to_it() {
    let project = Project::trial();
    project.write("data/one.csv", "a,b\n1,2\n");
    let dev = Dev::start(&project).await;
    assert_eq!(project.gantz(&["run", "say", "--what", "hello"]).await.ok(), "hello\n");
    let batch = project.start(&["batch", "analyze_file", "--files", "data", "--id", "one-file-batch"]);
    project.gantz(&["submit", "hold", "--gate", "never", "--job-id", "held-job"]).await.ok();
    project.reach("held-job", "RUNNING").await;
    assert_eq!(project.gantz(&["cancel", "held-job"]).await.ok(), "held-job was asked to stop\n");
    project.reach("held-job", "CANCELLED").await;
    assert!(batch.end().await.ok().contains("one-file-batch SUCCEEDED: 1 job, 1 succeeded"));

    let ran = dev.stop().await;
    ran.failed(130);
    assert!(ran.stdout.starts_with("trial 1.0.0 with 7 tools on http://127.0.0.1:"), "{ran}");
    assert_eq!(ran.stdout.lines().count(), 4, "{ran}");
}

#[tokio::test]
async fn a_directory_is_shared() {
    let project = Project::trial();
    let (first, second) = (Dev::start(&project).await, Dev::start(&project).await);
    for (id, dev) in [("by-the-first", &first), ("by-the-second", &second)] {
        let job = json!({"tool": "say", "parameters": {"what": "x"}, "job_id": id});
        let answer = reqwest::Client::new().post(format!("{}/jobs", dev.url)).json(&job).send().await;
        assert_eq!(answer.expect("an answer").status(), 202);
        project.reach(id, "SUCCEEDED").await;
    }
    first.kill();
    let row = json!({"tool": "say", "parameters": {"what": "x"}, "job_id": "after-the-first"});
    let wait = format!("{}/jobs", second.url);
    let answer = reqwest::Client::new().post(wait).json(&row).send().await;
    assert_eq!(answer.expect("an answer").status(), 202);
    project.reach("after-the-first", "SUCCEEDED").await;
    let _other = project.gantz(&["run", "say", "--what", "x", "--data-dir", "other"]).await.ok();
    assert!(project.path("other/gantz.db").exists());
}

#[tokio::test]
async fn a_port_has_one_owner() {
    let project = Project::trial();
    let dev = Dev::start(&project).await;
    let port = dev.url.rsplit(':').next().expect("a port");
    let ran = project.gantz(&["dev", "--port", port, "--data-dir", "other"]).await;
    assert!(
        ran.refused(1).contains(&format!("cannot listen on port {port}: Address already in use")),
        "{ran}"
    );
    assert!(ran.stderr.contains("hint: `--port PORT` takes another one"), "{ran}");
}

#[tokio::test]
async fn after_kill_9_the_next_command_works() {
    let project = Project::trial();
    let dev = Dev::start(&project).await;
    project.gantz(&["submit", "say", "--what", "x", "--delay", "10m", "--job-id", "later-job"]).await.ok();
    dev.kill();
    assert_eq!(project.gantz(&["run", "say", "--what", "hello"]).await.ok(), "hello\n");
    assert_eq!(project.gantz(&["cancel", "later-job"]).await.ok(), "later-job is CANCELLED\n");
    let dev = Dev::start(&project).await;
    project.gantz(&["run", "say", "--what", "hello"]).await.ok();
    dev.stop().await.failed(130);
}

#[tokio::test]
async fn a_file_that_appears_becomes_one_job() {
    let project = Project::trial();
    project.write("in/first.csv", "a,b\n1,2\n");
    let dev = Dev::start_with(&project, &["--watch", "in"]).await;
    let jobs = async || {
        let ran = project.gantz(&["jobs", "--status", "succeeded", "-o", "json"]).await;
        if ran.stdout.is_empty() { 0 } else { ran.json().as_array().map_or(0, Vec::len) }
    };
    until("the file that was there is analysed", async || (jobs().await == 1).then_some(())).await;
    project.write("in/deep/second.csv", "a,b\n1,2\n");
    until("the file that appeared is analysed", async || (jobs().await == 2).then_some(())).await;
    dev.stop().await.failed(130);

    // A restart looks at all files again. Once it has come past a new one, it has come past the old ones.
    let _dev = Dev::start_with(&project, &["--watch", "in"]).await;
    project.write("in/third.csv", "a,b\n1,2\n");
    until("the third file is analysed", async || (jobs().await >= 3).then_some(())).await;
    let all = project.gantz(&["jobs", "-o", "json"]).await.json();
    let mut labels: Vec<_> =
        all.as_array().expect("a list").iter().filter_map(|job| job["label"].as_str()).collect();
    labels.sort_unstable();
    let expect = ["in/deep/second.csv", "in/first.csv", "in/third.csv"].map(|name| project.path(name));
    assert_eq!(labels, expect.each_ref().map(|path| path.to_str().expect("UTF-8")));
}

#[tokio::test]
async fn what_is_no_job_is_told_once() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let project = Project::with(
        "name: picky\nversion: 1.0.0\ntools: {take: {description: Take, handler: command, command: {program: cat}, \
         parameters: {path: {type: string, pattern: 'csv$'}}}}\n",
    );
    project.write("in/wrong.txt", "x");
    let odd = project.path("in").join(OsStr::from_bytes(b"odd-\xff.csv"));
    std::fs::write(odd, "a,b\n").expect("a file");
    let dev = Dev::start_with(&project, &["--watch", "in", "--watch-tool", "take"]).await;
    until("both are told", async || {
        let told = dev.stderr();
        (told.contains("failed to submit a watched file") && told.contains("not UTF-8")).then_some(())
    })
    .await;
    // Two files later, the folder was looked at a few times more.
    for name in ["one.csv", "two.csv"] {
        project.write(&format!("in/{name}"), "a,b\n");
        until("it is a job", async || {
            let ran = project.gantz(&["jobs", "--status", "succeeded", "-o", "jsonl"]).await;
            ran.stdout.contains(name).then_some(())
        })
        .await;
    }
    let ran = dev.stop().await;
    assert_eq!(ran.failed(130).matches(" WARN ").count(), 2, "{ran}");
    let jobs = project.gantz(&["jobs", "-o", "jsonl"]).await.json_lines();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
}

#[tokio::test]
async fn what_cannot_be_watched() {
    let project = Project::trial();
    let ran = project.gantz(&["dev", "--watch", "nowhere"]).await;
    assert!(ran.refused(2).contains("`nowhere` is no folder to watch"), "{ran}");
    for tool in ["nothing", "say"] {
        let ran = project.gantz(&["dev", "--watch", ".", "--watch-tool", tool]).await;
        assert!(ran.refused(2).contains(&format!("no tool `{tool}` with a parameter `path`")), "{ran}");
    }
}

#[tokio::test]
async fn programs_are_told_where_it_is() {
    let project = Project::trial();
    let dev = Dev::start_with(&project, &["-o", "json"]).await;
    let url = dev.url.clone();
    let ran = dev.stop().await;
    ran.failed(130);
    assert_eq!(ran.json()["url"], url.as_str());
    assert_eq!(ran.json()["name"], "trial");
}

#[tokio::test]
async fn whoever_sets_a_token_is_asked_for_it() {
    let project = Project::trial();
    let start = |token: &str| {
        let mut command = project.command(&["dev", "--port", "0"]);
        command.env("GANTZ_TOKEN", token);
        project.begin(command)
    };
    let dev = Dev::of(start("a-token-of-16-or-more")).await;
    let client = reqwest::Client::new();
    let ask = async |path: &str, token: Option<&str>| {
        let request = client.get(format!("{}{path}", dev.url));
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        request.send().await.expect("an answer").status().as_u16()
    };
    for path in ["/jobs", "/metrics", "/events"] {
        assert_eq!(ask(path, None).await, 401, "{path}");
        assert_eq!(ask(path, Some("a-token-of-16-or-less")).await, 401, "{path}");
        assert_eq!(ask(path, Some("a-token-of-16-or-more")).await, 200, "{path}");
    }
    // Commands work on the data directory, beside it.
    project.gantz(&["run", "say", "--what", "x"]).await.ok();
    let ran = dev.stop().await;
    assert!(!ran.stdout.contains("a-token"), "who has set it knows it: {ran}");

    let ran = start("too-short").end().await;
    assert!(ran.refused(2).contains("`GANTZ_TOKEN` is no token, expected 16 or more"), "{ran}");
}

#[tokio::test]
async fn only_json_from_this_machine_is_taken() {
    let project = Project::trial();
    let dev = Dev::start(&project).await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let post = async |kind: &str, host: &str| {
        let request = http.post(format!("{}/jobs", dev.url)).header("content-type", kind);
        request
            .header("host", host)
            .body(r#"{"tool": "say", "parameters": {"what": "x"}}"#)
            .send()
            .await
            .expect("an answer")
            .status()
            .as_u16()
    };
    let host = dev.url.strip_prefix("http://").expect("a host");
    assert_eq!(post("application/json", host).await, 202);
    // What a page of another site could have a browser send.
    assert_eq!(post("text/plain", host).await, 415);
    assert_eq!(post("application/json", "evil.example").await, 403);
}
