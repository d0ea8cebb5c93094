//! What a process has measured since it began, in Prometheus' text format.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::{COUNT, Dimensions, MILLISECONDS, Metric, Observer, points};

/// Sums of what was measured. There are as many as there are tools, statuses and reasons.
#[derive(Debug, Clone, Default)]
pub struct Totals(Arc<Mutex<BTreeMap<Metric, BTreeMap<Dimensions, Total>>>>);

/// How often, and how much in all.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    times: u64,
    sum: u64,
}

impl Totals {
    /// The observer that adds to these totals.
    pub fn observer(&self) -> Observer {
        let totals = Arc::clone(&self.0);
        Observer::new(move |measure| {
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            for (dimensions, metric, value) in points(&measure) {
                let total = totals.entry(metric).or_default().entry(dimensions).or_default();
                total.times += 1;
                total.sum += value;
            }
        })
    }

    /// The totals: counts as counters, `gantz_jobs_finished_total{status="SUCCEEDED"} 7`; times, in seconds, and other
    /// amounts as summaries without quantiles.
    pub fn render(&self) -> String {
        let totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (metric, series) in &*totals {
            let name = format!("gantz_{}", snake(metric.name));
            match metric.unit {
                COUNT => counter(&mut text, &name, series),
                MILLISECONDS => summary(&mut text, &format!("{name}_seconds"), series, 1_000.0),
                _ => summary(&mut text, &name, series, 1.0),
            }
        }
        text
    }
}

/// A line of a metric; its labels are names and values.
pub fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    text.push_str(name);
    for (nth, (label, value)) in labels.iter().enumerate() {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let before = if nth == 0 { '{' } else { ',' };
        text.push_str(&format!("{before}{label}=\"{escaped}\""));
    }
    let after = if labels.is_empty() { "" } else { "}" };
    text.push_str(&format!("{after} {value}\n"));
}

fn counter(text: &mut String, name: &str, series: &BTreeMap<Dimensions, Total>) {
    text.push_str(&format!("# TYPE {name}_total counter\n"));
    for (dimensions, total) in series {
        sample(text, &format!("{name}_total"), &labels(&names(dimensions)), total.sum as f64);
    }
}

fn summary(text: &mut String, name: &str, series: &BTreeMap<Dimensions, Total>, units_in_one: f64) {
    text.push_str(&format!("# TYPE {name} summary\n"));
    for (dimensions, total) in series {
        let names = names(dimensions);
        let labels = labels(&names);
        sample(text, &format!("{name}_sum"), &labels, total.sum as f64 / units_in_one);
        sample(text, &format!("{name}_count"), &labels, total.times as f64);
    }
}

fn names(dimensions: &Dimensions) -> Vec<(String, &str)> {
    dimensions.iter().map(|(name, value)| (snake(name), value.as_str())).collect()
}

fn labels<'n>(names: &'n [(String, &str)]) -> Vec<(&'n str, &'n str)> {
    names.iter().map(|(name, value)| (name.as_str(), *value)).collect()
}

/// `ToolExecutionTime` as `tool_execution_time`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use gantz_core::job::JobStatus;

    use super::*;
    use crate::metrics::Measure;

    #[test]
    fn totals_are_read_by_prometheus() {
        let totals = Totals::default();
        let observer = totals.observer();
        for measure in [
            Measure::ToolRan { tool: "fetch".into(), elapsed_ms: 1_500, success: true },
            Measure::ToolRan { tool: "fetch".into(), elapsed_ms: 1_000, success: true },
            Measure::ToolRan { tool: "a\"b\\".into(), elapsed_ms: 0, success: false },
            Measure::Finished { status: JobStatus::Succeeded, attempts: 2 },
            Measure::FencedOut,
        ] {
            observer.note(measure);
        }
        insta::assert_snapshot!(totals.render(), @r#"
        # TYPE gantz_attempts summary
        gantz_attempts_sum 2
        gantz_attempts_count 1
        # TYPE gantz_fenced_out_total counter
        gantz_fenced_out_total 1
        # TYPE gantz_jobs_finished_total counter
        gantz_jobs_finished_total{status="SUCCEEDED"} 1
        # TYPE gantz_tool_execution_time_seconds summary
        gantz_tool_execution_time_seconds_sum{tool_name="a\"b\\"} 0
        gantz_tool_execution_time_seconds_count{tool_name="a\"b\\"} 1
        gantz_tool_execution_time_seconds_sum{tool_name="fetch"} 2.5
        gantz_tool_execution_time_seconds_count{tool_name="fetch"} 2
        # TYPE gantz_tool_executions_total counter
        gantz_tool_executions_total{tool_name="a\"b\\",success="False"} 1
        gantz_tool_executions_total{tool_name="fetch",success="True"} 2
        "#);
        assert_eq!(Totals::default().render(), "");
    }
}
