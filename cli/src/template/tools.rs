//! What tools need besides what every worker has: parameters, permissions, and environment variables.

use std::collections::BTreeSet;

use gantz_core::manifest::{Handler, ToolSpec};

use super::lane::Working;
use super::piece::{fill_holes, quoted, section};
use super::secrets;

/// Handlers and their pieces. Handlers that are not here need nothing.
const PIECES: [(&str, &str); 5] = [
    (Handler::CREATE_FUNCTION, include_str!("../../../infra/create-function.yaml")),
    ("aws_lambda.get_logs", include_str!("../../../infra/get-logs.yaml")),
    ("aws_lambda.invoke", include_str!("../../../infra/invoke.yaml")),
    ("aws_lambda.list_functions", include_str!("../../../infra/list-functions.yaml")),
    ("postgres.query", include_str!("../../../infra/postgres.yaml")),
];

const READ_OBJECTS: &str = "[s3:GetObject, s3:GetObjectVersion]";

/// What these tools add to a section, each handler's part once. What the manifest does not allow needs nothing.
pub(super) fn part(tools: &[&ToolSpec], name: &str) -> String {
    let needs = |tool: &&&ToolSpec| tool.handler.name() != Handler::CREATE_FUNCTION || tool.creates_functions;
    let handlers: BTreeSet<_> = tools.iter().filter(needs).map(|tool| tool.handler.name()).collect();
    let pieces = PIECES.iter().filter(|(handler, _)| handlers.contains(handler));
    pieces.map(|(_, piece)| section(piece, name)).collect()
}

/// What is to hold of these tools' parameters: a section of its own, where there is anything.
pub(super) fn rules(tools: &[&ToolSpec]) -> String {
    let rules = part(tools, "Rules");
    if rules.is_empty() { rules } else { fill_holes("Rules:\n  {{rules}}\n", &[("rules", &rules)]) }
}

/// What the workers of a lane may do besides what all may.
pub(super) fn statements(lane: &Working<'_>) -> String {
    let objects: String =
        lane.buckets.iter().map(|bucket| allow(READ_OBJECTS, &format!("{bucket}/*"))).collect();
    objects + &secrets::statements(&lane.secrets) + &part(&lane.tools, "Statements")
}

/// What the dispatcher may do to find new objects in a bucket that is not the stack's own.
pub(super) fn may_list(bucket: &str) -> String {
    allow("s3:ListBucket", bucket)
}

fn allow(action: &str, objects: &str) -> String {
    let arn = quoted(&format!("arn:${{AWS::Partition}}:s3:::{objects}"));
    format!("- Effect: Allow\n  Action: {action}\n  Resource: !Sub {arn}\n")
}
