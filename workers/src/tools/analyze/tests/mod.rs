//! Whole analyses of small inputs. Every input is read in pieces of three sizes, which must not change what is found.

mod archives;
mod cases;
mod corpus;
mod data;
mod images;
mod properties;
mod text;

use serde_json::Value;

use super::pass::{self, Options};
use gantz_core::ports::Place;

/// The analysis of `content` in a file called `name`, as JSON.
fn analyze(name: &str, content: &[u8]) -> Value {
    analyze_start(name, content, None)
}

fn analyze_start(name: &str, content: &[u8], max_bytes: Option<u64>) -> Value {
    let place = Place::File { path: name.to_owned() };
    let reports = [64 * 1024, 7, 1].map(|chunk_bytes| {
        let options = Options { max_bytes, chunk_bytes };
        let analysis = pass::analyze(&mut &*content, &place, None, options).expect("a slice can be read");
        serde_json::to_value(analysis).expect("a report is JSON")
    });
    assert_eq!(reports[0], reports[1], "{name} in pieces of 7");
    assert_eq!(reports[0], reports[2], "{name} in single bytes");
    let [report, ..] = reports;
    assert!(report.to_string().len() < 512 * 1024, "{name}");
    report
}

/// Whether everything that `expect` says is found in `report`, which may say more.
#[track_caller]
fn assert_says(report: &Value, expect: &Value) {
    if let Some(difference) = difference(report, expect, "") {
        panic!("{difference}\nin {report:#}");
    }
}

fn difference(report: &Value, expect: &Value, at: &str) -> Option<String> {
    match (report, expect) {
        (Value::Object(report), Value::Object(expect)) => expect.iter().find_map(|(key, expect)| {
            difference(report.get(key).unwrap_or(&Value::Null), expect, &format!("{at}/{key}"))
        }),
        (Value::Array(report), Value::Array(expect)) if report.len() == expect.len() => {
            let mut items = report.iter().zip(expect).enumerate();
            items.find_map(|(n, (report, expect))| difference(report, expect, &format!("{at}/{n}")))
        }
        _ => (report != expect).then(|| format!("{at} is {report}, expected {expect}")),
    }
}
