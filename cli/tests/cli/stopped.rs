//! A process that is stopped for longer than its lease, and goes on.

use gantz_testkit::fault_table::{Level, fault};
use serde_json::json;

use crate::support::{Project, until};

/// The first run answers once there is the file `over-1`, the second waits for `over-2`.
const MANIFEST: &str = r#"
name: stopped
version: 1.0.0
tools:
  long:
    description: Answer how often it was started
    handler: command
    command:
      program: sh
      args: ["-c", "echo run >> started; n=$(wc -l < started); while ! test -e over-$n; do sleep 0.1; done; echo $n"]
"#;

#[tokio::test]
async fn a_worker_that_slept_through_its_lease_changes_nothing() {
    let shown = fault(16, Level::Process);
    let project = Project::with(MANIFEST);
    let id = "slept-0001";
    project.gantz(&["submit", "long", "--job-id", id]).await.failed(0);
    // With its one place taken it does not look for more work, so it holds no lock while it is stopped.
    let sleeper = project.start(&["worker", "--concurrency", "1"]);
    until("the tool runs", async || project.read("started")).await;
    sleeper.signal("STOP");

    let other = project.start(&["worker"]);
    until("its job is another worker's", async || project.status(id).await.filter(|row| row["attempt"] == 2))
        .await;
    project.write("over-1", "");
    sleeper.signal("CONT");
    // Its heartbeat and its tool's end are both due: what it tries first is refused.
    let heard = ["a later attempt has the job", "lost the lease while running"];
    until("it hears that it is late", async || {
        heard.iter().any(|text| sleeper.stderr().contains(text)).then_some(())
    })
    .await;
    project.write("over-2", "");
    let ended = project.reach(id, "SUCCEEDED").await;
    assert_eq!((&ended["attempt"], &ended["result"]), (&json!(2), &json!(2)), "{ended}");

    for worker in [sleeper, other] {
        worker.signal("TERM");
        worker.end().await.failed(0);
    }
    assert_eq!(project.status(id).await, Some(ended));
    shown.in_runs(1, "a worker stopped for longer than its lease of 30 s: what it tries then is refused");
}
