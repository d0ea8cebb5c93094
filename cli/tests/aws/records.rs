//! One batch of records: what comes back to the queue is what failed, and nothing else.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use gantz_core::ids::{Tenant, params_hash};
use serde_json::{Value, json};

use crate::fleet::{Fleet, error, fleet, number, text};

/// A message of the lane, as the dispatcher writes it.
#[expect(clippy::disallowed_methods, reason = "it is as old as the functions' clocks say")]
pub(crate) fn envelope(id: &str, tool: &str, lane: &str, parameters: &Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    json!({
        "v": 2, "job_id": id, "tool": tool, "tenant": "default", "lane": lane, "parameters": parameters,
        "params_hash": params_hash(&Tenant::default_tenant(), tool, parameters), "max_attempts": 2, "effects": "keyed",
         "created_at": u64::try_from(now.as_millis()).unwrap(),
    })
}

/// The function with a tool of its own, which can panic.
async fn maths(fleet: &Fleet) {
    let built = Path::new(env!("CARGO_BIN_EXE_gantz")).parent().unwrap();
    fleet.swap("LaneMathsWorkerFunction", &built.join("examples/custom_function")).await;
}

#[tokio::test]
async fn three_of_ten_come_back_and_end_when_their_attempts_are_spent() {
    let fleet = fleet();
    maths(fleet).await;
    let bodies: Vec<String> = (0..10)
        .map(|n| {
            let (tool, parameters) = match n {
                2 => ("crash", json!({})),
                5 => ("divide", json!({"dividend": 1, "divisor": 0})),
                8 => ("too_slow", json!({})),
                n => ("divide", json!({"dividend": 10 * n, "divisor": 5})),
            };
            envelope(&format!("record-{n:04}"), tool, "maths", &parameters).to_string()
        })
        .collect();
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(n, body)| fleet.record("lane-maths", &format!("message {n}"), body))
        .collect();
    let function = fleet.output("LaneMathsWorkerFunction");
    let answer = fleet.answer_of(function, &json!({ "Records": records })).await;
    // To the byte: AWS Lambda takes the whole batch for failed, or for done, if it reads a name or an id that it does
    // not know. (The emulator puts spaces between.)
    let answer = answer.replace("\": ", "\":").replace(", {", ",{");
    let failures = [2, 5, 8].map(|n| format!(r#"{{"itemIdentifier":"message {n}"}}"#)).join(",");
    assert_eq!(answer, format!(r#"{{"batchItemFailures":[{failures}]}}"#));

    for n in [0, 1, 3, 4, 6, 7, 9] {
        let row = fleet.row(&format!("record-{n:04}")).await.unwrap();
        assert_eq!(text(&row, "status"), "SUCCEEDED", "{row:?}");
        assert_eq!(text(&row, "result"), json!({ "quotient": 2 * n }).to_string());
    }
    // As if the queue had given up on them: they have an attempt left, so they are put back, and end with it.
    let back = [2, 5, 8].map(|n| bodies.get(n).cloned().unwrap());
    fleet.send("dead-maths", &back).await;
    let ends =
        [(2, "exit_status", "signal"), (5, "panic", "divide by zero"), (8, "timeout", "asked to stop")];
    for (n, kind, message) in ends {
        let row = fleet.ended(&format!("record-{n:04}")).await;
        assert_eq!((text(&row, "status"), number(&row, "attempt")), ("FAILED", 2), "{row:?}");
        let (found, told) = error(&row);
        assert!(found == kind && told.contains(message), "{row:?}");
    }
}
