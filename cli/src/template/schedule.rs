//! The part of a schedule.

use gantz_core::manifest::{Scan, ScheduleSpec};
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
    match &schedule.scan {
        None => quoted(&event(&schedule.name, &format!("\"job\":{call}"))),
        Some(Scan { bucket: Some(bucket), prefix }) => {
            call["name"] = json!(schedule.name);
            call["s3"] = json!(format!("s3://{bucket}/{prefix}"));
            quoted(&event(&schedule.name, &format!("\"scan\":{call}")))
        }
        Some(Scan { bucket: None, prefix }) => {
            call["name"] = json!(schedule.name);
            let call = literal_in_sub(&call.to_string());
            let prefix = literal_in_sub(&json!(prefix).to_string());
            let (call, prefix) = (call.trim_start_matches('{'), prefix.strip_prefix('"').unwrap_or(&prefix));
            let ask = format!("\"scan\":{{\"s3\":\"s3://${{Uploads}}/{prefix},{call}");
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
