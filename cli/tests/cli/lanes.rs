//! `gantz lanes`, `pause` and `resume`.

use serde_json::{Value, json};

use crate::support::Project;

fn lane<'a>(lanes: &'a Value, name: &str) -> &'a Value {
    let lanes = lanes.as_array().expect("a list");
    lanes.iter().find(|lane| lane["lane"] == name).expect("the lane")
}

#[tokio::test]
async fn a_paused_lane_is_shown_and_keeps_its_jobs() {
    let project = Project::trial();
    assert_eq!(project.gantz(&["pause", "fast", "-o", "json"]).await.json()["lane"], "fast");
    let submitted = project.gantz(&["submit", "say", "--what", "later", "--job-id", "later-01"]).await;
    assert!(submitted.failed(0).contains("the lane `fast` is paused until it is resumed"), "{submitted}");
    let lanes = project.gantz(&["lanes", "-o", "json"]).await.json();
    let fast = lane(&lanes, "fast");
    assert_eq!((&fast["queued"], fast["paused_until_ms"].is_u64()), (&json!(1), true));
    assert_eq!(lane(&lanes, "bulk")["paused_until_ms"], Value::Null);
    let table = project.gantz(&["lanes"]).await;
    assert!(table.ok().contains("paused until it is resumed"), "{table}");

    assert_eq!(project.gantz(&["resume", "fast"]).await.ok(), "fast is open\n");
    project.gantz(&["run", "say", "--what", "first"]).await.ok();
    let shorter = project.gantz(&["pause", "fast", "--for", "90s"]).await;
    assert!(shorter.ok().starts_with("fast is paused until 2"), "{shorter}");
}

#[tokio::test]
async fn a_lane_that_is_none_is_named() {
    let project = Project::trial();
    let refused = project.gantz(&["pause", "fst"]).await;
    let told = refused.refused(2);
    assert!(told.contains("there is no lane `fst`") && told.contains("`fast`"), "{told}");
    let refused = project.gantz(&["pause", "fast", "--for", "soon"]).await;
    assert!(refused.refused(2).contains("such as `90s`"), "{refused}");
}
