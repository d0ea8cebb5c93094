//! A lane is paused for processes and functions alike.

use serde_json::json;

use crate::fleet::{Fleet, fleet, text};

const LANE: &str = "maths";

/// What the emulator says of what feeds the lane to its function.
async fn states(fleet: &Fleet) -> Vec<String> {
    let lambda = aws_sdk_lambda::Client::new(&fleet.aws().await);
    let mappings = lambda.list_event_source_mappings().event_source_arn(fleet.queue_arn("lane-maths"));
    let mappings = mappings.send().await.unwrap().event_source_mappings.unwrap();
    mappings.into_iter().map(|mapping| mapping.state.unwrap()).collect()
}

#[tokio::test]
async fn a_paused_lane_is_not_fed_to_its_function() {
    let fleet = fleet();
    fleet.ask(&["pause", LANE]);
    fleet.until(async || states(fleet).await, |states| states == &["Disabled"]).await;
    let job = json!({"tool": "divide", "parameters": {"dividend": 6, "divisor": 3}, "job_id": "paused-0001"});
    fleet.invoke("DispatcherFunction", &job).await;
    let lanes = fleet.ask(&["lanes"]);
    let of = |name: &str| lanes.as_array().unwrap().iter().find(|lane| lane["lane"] == name).unwrap().clone();
    assert!(of(LANE)["paused_until_ms"].is_u64() && of("fast")["paused_until_ms"].is_null(), "{lanes}");
    assert_eq!(text(&fleet.row("paused-0001").await.unwrap(), "status"), "QUEUED");
    fleet.ask(&["resume", LANE]);
    // How it ends is another's business: as it is deployed, the lane's function lacks the tool.
    fleet.ended("paused-0001").await;
    fleet.until(async || states(fleet).await, |states| states == &["Enabled"]).await;
}
