//! Metrics as CloudWatch reads them from a function's log: one line of JSON in the embedded metric format.

use std::sync::Arc;

use serde_json::{Map, Value, json};

const NAMESPACE: &str = "Gantz/MCP";

/// Takes a line for the log: standard output in a function, a list in a test.
pub type Emit = Arc<dyn Fn(&str) + Send + Sync>;

/// The line that counts these, or none if there is nothing to count.
pub(super) fn counts(now_ms: u64, counts: &[(&str, u64)]) -> Option<String> {
    let counted: Vec<_> = counts.iter().filter(|(_, count)| *count > 0).collect();
    if counted.is_empty() {
        return None;
    }
    let metrics: Vec<Value> =
        counted.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    let mut line: Map<String, Value> =
        counted.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": metrics});
    line.insert("_aws".to_owned(), json!({"Timestamp": now_ms, "CloudWatchMetrics": [directive]}));
    Some(Value::Object(line).to_string())
}
