//! What is measured, and how CloudWatch reads it from a function's log: the embedded metric format.
//!
//! The pipeline tells an [`Observer`] what happens. A process that nobody measures has an observer that does not listen;
//! a function has a [`Meter`], whose lines it writes to stdout before it answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gantz_core::job::JobStatus;
use serde_json::{Map, Value, json};

/// The namespace of every metric.
pub const NAMESPACE: &str = "Gantz/MCP";
/// Values of one metric in one line: what CloudWatch reads.
const VALUES_MAX: usize = 100;

/// Something that happened, and is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// A tool was started, and ended so long after.
    ToolRan {
        /// Its name.
        tool: String,
        /// Milliseconds.
        elapsed_ms: u64,
        /// Whether it did its work.
        success: bool,
    },
    /// A job was claimed for the first time, so long after it was accepted.
    Started {
        /// Milliseconds.
        queue_delay_ms: u64,
    },
    /// A job ended.
    Finished {
        /// How.
        status: JobStatus,
        /// Attempts that counted.
        attempts: u32,
    },
    /// A message went back to its queue.
    Deferred {
        /// [`Postponed::as_str`](gantz_core::ports::Postponed::as_str).
        why: &'static str,
    },
    /// A worker's write was refused, as a later attempt had the job.
    FencedOut,
    /// A message that nobody can work on was set aside.
    Quarantined,
    /// So many records of a batch were reported as failed.
    BatchItemFailures(usize),
}

/// Who is told. Clones tell the same.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(Measure) + Send + Sync>);

impl Observer {
    /// An observer that calls `tell`, which must not block.
    pub fn new(tell: impl Fn(Measure) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// One that tells both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(move |measure| {
            self.note(measure.clone());
            other.note(measure);
        })
    }

    pub(crate) fn note(&self, measure: Measure) {
        (self.0)(measure);
    }
}

impl Default for Observer {
    /// Nobody.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Collects measures until they are taken.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Vec<Measure>>>);

impl Meter {
    /// The observer that adds to this meter.
    pub fn observer(&self) -> Observer {
        let measures = Arc::clone(&self.0);
        Observer::new(move |measure| {
            measures.lock().unwrap_or_else(PoisonError::into_inner).push(measure);
        })
    }

    /// What was collected since the last time.
    pub fn take(&self) -> Vec<Measure> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The measures as lines of the embedded metric format, one for each set of dimensions, more where a metric has more
/// values than a line may hold.
pub fn embedded_metrics(measures: &[Measure], now_ms: u64) -> Vec<String> {
    let mut series: BTreeMap<Dimensions, BTreeMap<Metric, Vec<u64>>> = BTreeMap::new();
    for (dimensions, metric, value) in measures.iter().flat_map(points) {
        let values = series.entry(dimensions).or_default().entry(metric).or_default();
        match values.last_mut() {
            Some(sum) if metric.unit == COUNT => *sum += value,
            _ => values.push(value),
        }
    }
    series.into_iter().flat_map(|(dimensions, metrics)| lines(&dimensions, &metrics, now_ms)).collect()
}

pub(crate) type Dimensions = Vec<(&'static str, String)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
}

/// Values of this unit are added up; of any other, each is kept.
pub(crate) const COUNT: &str = "Count";
pub(crate) const MILLISECONDS: &str = "Milliseconds";

/// What a measure says, as values of metrics.
pub(crate) fn points(measure: &Measure) -> Vec<(Dimensions, Metric, u64)> {
    let count = |name| Metric { name, unit: COUNT };
    let milliseconds = |name| Metric { name, unit: MILLISECONDS };
    match measure {
        Measure::ToolRan { tool, elapsed_ms, success } => {
            let tool = ("ToolName", tool.clone());
            let success = ("Success", if *success { "True" } else { "False" }.to_owned());
            vec![
                (vec![tool.clone()], milliseconds("ToolExecutionTime"), *elapsed_ms),
                (vec![tool, success], count("ToolExecutions"), 1),
            ]
        }
        Measure::Started { queue_delay_ms } => vec![(vec![], milliseconds("QueueDelay"), *queue_delay_ms)],
        Measure::Finished { status, attempts } => vec![
            (vec![("Status", status.as_str().to_owned())], count("JobsFinished"), 1),
            // Its distribution is of interest, not its sum.
            (vec![], Metric { name: "Attempts", unit: "None" }, u64::from(*attempts)),
        ],
        Measure::Deferred { why } => vec![(vec![("Why", (*why).to_owned())], count("Deferred"), 1)],
        Measure::FencedOut => vec![(vec![], count("FencedOut"), 1)],
        Measure::Quarantined => vec![(vec![], count("Quarantined"), 1)],
        Measure::BatchItemFailures(failures) => {
            vec![(vec![], count("BatchItemFailures"), u64::try_from(*failures).unwrap_or(u64::MAX))]
        }
    }
}

fn lines(dimensions: &Dimensions, metrics: &BTreeMap<Metric, Vec<u64>>, now_ms: u64) -> Vec<String> {
    let values_most = metrics.values().map(Vec::len).max().unwrap_or(0);
    (0..values_most).step_by(VALUES_MAX).map(|from| line(dimensions, metrics, from, now_ms)).collect()
}

/// The line that holds every metric's values from this one on.
fn line(dimensions: &Dimensions, metrics: &BTreeMap<Metric, Vec<u64>>, from: usize, now_ms: u64) -> String {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let mut declared = Vec::new();
    let mut line: Map<String, Value> =
        dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    for (metric, values) in metrics {
        match values.iter().skip(from).take(VALUES_MAX).collect::<Vec<_>>().as_slice() {
            [] => continue,
            [one] => line.insert(metric.name.to_owned(), json!(one)),
            many => line.insert(metric.name.to_owned(), json!(many)),
        };
        declared.push(json!({"Name": metric.name, "Unit": metric.unit}));
    }
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": declared});
    line.insert("_aws".to_owned(), json!({"Timestamp": now_ms, "CloudWatchMetrics": [directive]}));
    Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(tool: &str, elapsed_ms: u64, success: bool) -> Measure {
        Measure::ToolRan { tool: tool.into(), elapsed_ms, success }
    }

    #[test]
    fn a_line_for_each_set_of_dimensions() {
        let measures = [
            ran("fetch", 12, true),
            ran("fetch", 900, false),
            ran("fetch", 15, true),
            Measure::Started { queue_delay_ms: 40 },
            Measure::Finished { status: JobStatus::Succeeded, attempts: 1 },
            Measure::Finished { status: JobStatus::Succeeded, attempts: 3 },
            Measure::Deferred { why: "retry" },
            Measure::FencedOut,
            Measure::Quarantined,
            Measure::BatchItemFailures(2),
        ];
        insta::assert_snapshot!(embedded_metrics(&measures, 1_700_000_000_000).join("\n"), @r#"
        {"Attempts":[1,3],"BatchItemFailures":2,"FencedOut":1,"Quarantined":1,"QueueDelay":40,"_aws":{"CloudWatchMetrics":[{"Dimensions":[[]],"Metrics":[{"Name":"Attempts","Unit":"None"},{"Name":"BatchItemFailures","Unit":"Count"},{"Name":"FencedOut","Unit":"Count"},{"Name":"Quarantined","Unit":"Count"},{"Name":"QueueDelay","Unit":"Milliseconds"}],"Namespace":"Gantz/MCP"}],"Timestamp":1700000000000}}
        {"JobsFinished":2,"Status":"SUCCEEDED","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Status"]],"Metrics":[{"Name":"JobsFinished","Unit":"Count"}],"Namespace":"Gantz/MCP"}],"Timestamp":1700000000000}}
        {"ToolExecutionTime":[12,900,15],"ToolName":"fetch","_aws":{"CloudWatchMetrics":[{"Dimensions":[["ToolName"]],"Metrics":[{"Name":"ToolExecutionTime","Unit":"Milliseconds"}],"Namespace":"Gantz/MCP"}],"Timestamp":1700000000000}}
        {"Success":"False","ToolExecutions":1,"ToolName":"fetch","_aws":{"CloudWatchMetrics":[{"Dimensions":[["ToolName","Success"]],"Metrics":[{"Name":"ToolExecutions","Unit":"Count"}],"Namespace":"Gantz/MCP"}],"Timestamp":1700000000000}}
        {"Success":"True","ToolExecutions":2,"ToolName":"fetch","_aws":{"CloudWatchMetrics":[{"Dimensions":[["ToolName","Success"]],"Metrics":[{"Name":"ToolExecutions","Unit":"Count"}],"Namespace":"Gantz/MCP"}],"Timestamp":1700000000000}}
        {"Deferred":1,"Why":"retry","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Why"]],"Metrics":[{"Name":"Deferred","Unit":"Count"}],"Namespace":"Gantz/MCP"}],"Timestamp":1700000000000}}
        "#);
    }

    #[test]
    fn nothing_happened_is_no_line() {
        assert_eq!(embedded_metrics(&[], 0), [] as [String; 0]);
    }

    #[test]
    fn no_line_holds_more_values_than_are_read() {
        let measures: Vec<_> = (0..250).map(|ms| ran("fetch", ms, true)).collect();
        let lines = embedded_metrics(&measures, 0);
        let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let timed = lines.iter().filter_map(|line| line["ToolExecutionTime"].as_array());
        assert_eq!(timed.map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
        let counted: Vec<_> = lines.iter().filter_map(|line| line["ToolExecutions"].as_u64()).collect();
        assert_eq!(counted, [250]);
    }
}
