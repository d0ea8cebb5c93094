//! The part of a schedule.

use gantz_core::manifest::ScheduleSpec;
use serde_json::json;

use super::piece::{fill_holes, literal_in_sub, logical, quoted, section};

const PIECE: &str = include_str!("../../../infra/schedule.yaml");

/// The schedule's resource.
pub(super) fn resources(schedule: &ScheduleSpec) -> String {
    let window = match schedule.jitter_minutes {
        Some(minutes) => format!("{{Mode: FLEXIBLE, MaximumWindowInMinutes: {minutes}}}"),
        None => "{Mode: 'OFF'}".to_owned(),
    };
    let piece = fill_holes(
        PIECE,
        &[
            ("id", &format!("Schedule{}", logical(&schedule.name))),
            ("name", &quoted(&schedule.name)),
            ("expression", &quoted(&schedule.when.to_string())),
            ("timezone", schedule.timezone.as_deref().unwrap_or("UTC")),
            ("window", &window),
            ("input", &input(schedule)),
        ],
    );
    section(&piece, "Resources")
}

/// The event that the dispatcher gets, as a value of YAML. The scheduler fills in `<aws.scheduler.…>`; the uploads
/// bucket, which the stack names, is the one thing that `Fn::Sub` is to fill in.
fn input(schedule: &ScheduleSpec) -> String {
    let mut call = json!({ "tool": schedule.tool, "parameters": schedule.parameters });
    if let Some(lane) = &schedule.lane {
        call["lane"] = json!(lane);
    }
    let Some(batch) = &schedule.batch else {
        return quoted(&event(&schedule.name, &format!("\"job\":{call}")));
    };
    if let Some(tolerate) = &batch.tolerate {
        call["tolerate"] = json!(tolerate);
    }
    let new_only = batch.new_only;
    match &batch.bucket {
        Some(bucket) => {
            call["s3"] = json!({ "bucket": bucket, "prefix": batch.prefix });
            quoted(&event(&schedule.name, &format!("\"batch\":{call},\"new_only\":{new_only}")))
        }
        None => {
            let call = literal_in_sub(&call.to_string());
            let prefix = literal_in_sub(&json!(batch.prefix).to_string());
            let s3 = format!("\"s3\":{{\"bucket\":\"${{Uploads}}\",\"prefix\":{prefix}}}");
            let call = call.trim_start_matches('{');
            let ask = format!("\"batch\":{{{s3},{call},\"new_only\":{new_only}");
            format!("!Sub {}", quoted(&event(&schedule.name, &ask)))
        }
    }
}

/// A schedule's name is made of letters that neither JSON nor `Fn::Sub` gives a meaning to.
fn event(name: &str, ask: &str) -> String {
    format!(
        "{{\"gantz_schedule\":\"{name}\",\"scheduled_time\":\"<aws.scheduler.scheduled-time>\",\
         \"schedule_arn\":\"<aws.scheduler.schedule-arn>\",{ask}}}"
    )
}
