//! The CloudFormation template: `infra/template.yaml` with what a manifest adds to it.
//!
//! The template is a file that works as it stands; [`render`] fills its regions, marked `# >>> NAME` and `# <<< NAME`,
//! with pieces of YAML that lie beside it. No template engine: the pieces are templates themselves, and whatever a
//! manifest's author wrote is quoted.

mod lane;
mod piece;
mod schedule;
mod secrets;
mod tools;
mod trigger;

use std::collections::{BTreeMap, BTreeSet};

use gantz_core::ids::Lane;
use gantz_core::manifest::{Manifest, ToolSpec, TriggerSpec};

pub(crate) use secrets::named as secret_parameters;

use lane::Working;
use piece::{fill_region, section};

const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

/// The template of a manifest's stack: the same text for the same manifest.
///
/// Parameters without a default, which whoever deploys it has to give: `ArtifactsBucket`, and in it `DispatcherKey`,
/// `WorkerKey` and `DeadLetterKey`; `DatabaseSecret` or `DatabaseUrl` if a tool's handler is `postgres.query`; and for each secret that the manifest names as
/// `${env:SEARCH_TOKEN}` its `SecretSearchToken`. Worth knowing among the others: `Architecture` (`arm64`); for endpoints other than AWS's own `EndpointUrl` and
/// `QueueUrlPrefix` (which ends with `STACK-`); `JwtIssuer` and `JwtAudience`; and of each lane `…WorkerMemorySize`,
/// `…WorkerReservedConcurrency` and `…WorkerProvisionedConcurrency`, with `Agent` for the lane `fast`, `Async` for `bulk`
/// and `LaneGpu` for one called `gpu`.
///
/// The stack has roles, so it is made with `CAPABILITY_IAM`. Its outputs are `TableName`, `BlobsBucket`, `UploadsBucket`,
/// `EventBusName`, `QueueUrlPrefix`, `IngestQueueUrl`, `UndeliveredQueueUrl`, `ApiUrl`, `ScheduleGroupName`,
/// `ArtifactsVersion`, the functions' names, `DispatcherFunction`, `DeadLetterFunction`, `WorkerFunction` (that of the lane of
/// jobs that name none), and of each lane the queue and the function: `FastQueueUrl` and `AgentWorkerFunction`, `BulkQueueUrl`
/// and `AsyncWorkerFunction`, `LaneGpuQueueUrl` and `LaneGpuWorkerFunction`.
pub(crate) fn render(manifest: &Manifest) -> String {
    let lanes = Working::all(manifest);
    let tools: Vec<&ToolSpec> = manifest.tools().collect();
    let variables = secrets::named(manifest);
    let mut template = TEMPLATE.to_owned();
    for name in ["Parameters", "Conditions", "Resources", "Outputs"] {
        let parts: String = lanes.iter().map(|lane| lane.part(name, &variables)).collect();
        template = fill_region(&template, &format!("lane {name}"), &parts);
    }
    let parameters = tools::part(&tools, "Parameters") + &secrets::parameters(&variables);
    template = fill_region(&template, "tool Parameters", &parameters);
    template = fill_region(&template, "tool Conditions", &tools::part(&tools, "Conditions"));
    template = fill_region(&template, "tool Rules", &tools::rules(&tools));
    let schedules: String = manifest.schedules().map(schedule::resources).collect();
    let triggers = triggers_by_bucket(manifest);
    let other_buckets = triggers.iter().filter_map(|(bucket, triggers)| Some(((*bucket)?, triggers)));
    let rules: String =
        other_buckets.map(|(bucket, triggers)| trigger::resources(bucket, triggers)).collect();
    let uploads = if triggers.contains_key(&None) { "State: ENABLED" } else { "State: DISABLED" };
    let scanned: String = listed_buckets(manifest).into_iter().map(tools::may_list).collect();
    template = fill_region(&template, "schedule Resources", &schedules);
    template = fill_region(&template, "trigger Resources", &rules);
    template = fill_region(&template, "uploads", uploads);
    template = fill_region(&template, "dead-letter concurrency", &lane::dead_letters(lanes.len()));
    fill_region(&template, "scanned buckets", &scanned)
}

/// The names of a template's parameters.
pub(crate) fn parameter_names(template: &str) -> BTreeSet<String> {
    let names = section(template, "Parameters");
    let names = names.lines().filter(|line| !line.starts_with([' ', '#']));
    names.filter_map(|line| line.strip_suffix(':')).map(str::to_owned).collect()
}

/// Whether a function works that lane of the manifest's stack.
pub(crate) fn has_function(manifest: &Manifest, lane: &Lane) -> bool {
    Working::all(manifest).iter().any(|working| working.lane == lane && working.has_function())
}

/// What whoever deploys the manifest should know: tools that no Lambda function has the time for.
pub(crate) fn warnings(manifest: &Manifest) -> Vec<String> {
    let lanes = Working::all(manifest).into_iter();
    lanes
        .filter_map(|working| {
            let too_long: Vec<_> = working.too_long().map(|tool| format!("`{}`", tool.name)).collect();
            let others = working.tools.len() - too_long.len();
            (!too_long.is_empty()).then(|| {
                let apart = if others == 0 { "" } else { "; a lane of their own would leave the other tools to Lambda" };
                format!(
                    "no Lambda function works lane `{}`, only `gantz worker` does: {} may take longer than a function's \
                     15 minutes{apart}",
                    working.lane,
                    too_long.join(", "),
                )
            })
        })
        .collect()
}

/// The triggers of each bucket; `None` stands for the stack's own.
fn triggers_by_bucket(manifest: &Manifest) -> BTreeMap<Option<&str>, Vec<&TriggerSpec>> {
    let mut buckets: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for trigger in manifest.triggers() {
        buckets.entry(trigger.bucket.as_deref()).or_default().push(trigger);
    }
    buckets
}

fn listed_buckets(manifest: &Manifest) -> BTreeSet<&str> {
    manifest.schedules().filter_map(|schedule| schedule.batch.as_ref()?.bucket.as_deref()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_known_by_their_names() {
        let names = parameter_names(TEMPLATE);
        for known in ["ArtifactsBucket", "LogRetentionDays", "AsyncWorkerProvisionedConcurrency"] {
            assert!(names.contains(known), "{names:?}");
        }
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_alphanumeric())), "{names:?}");
    }

    #[test]
    fn the_dashboard_is_json() {
        let (_, body) = TEMPLATE.split_once("DashboardBody: !Sub |\n").unwrap();
        let (body, _) = body.split_once("\nOutputs:").unwrap();
        // Names of the stack and its region, which need no escape.
        let body: serde_json::Value = serde_json::from_str(&body.replace("${AWS::", "{AWS::")).unwrap();
        for widget in body["widgets"].as_array().unwrap() {
            let shown = &widget["properties"];
            assert!(shown["title"].is_string() && shown["region"] == "{AWS::Region}", "{widget}");
            assert!(shown["metrics"].as_array().is_some_and(|metrics| !metrics.is_empty()), "{widget}");
        }
    }
}
