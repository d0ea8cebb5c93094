//! Whatever comes in, the answer is no fault of the server.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::http::app::{App, Ask};

const CASES: u32 = 400;

#[test]
fn arbitrary_bytes_are_no_fault_of_the_server() {
    never_a_fault(vec(any::<u8>(), 0..300));
}

#[test]
fn almost_json_is_no_fault_of_the_server() {
    never_a_fault("[\\[\\]{}\",:\\\\u0-9a-ftrunels.eE+ \n-]{0,80}".prop_map(String::into_bytes));
}

#[test]
fn almost_submissions_are_no_fault_of_the_server() {
    let name = prop::sample::select(vec![
        "tool",
        "parameters",
        "job_id",
        "batch_id",
        "idempotency_key",
        "tenant",
        "lane",
        "deadline",
        "delay",
        "label",
        "items",
        "tolerate",
        "as",
        "tolls",
    ]);
    let submission = btree_map(name.prop_map(str::to_owned), value(), 0..6).prop_map(|fields| {
        let mut body = json!({"tool": "echo"});
        body.as_object_mut().unwrap().extend(fields);
        body.to_string().into_bytes()
    });
    never_a_fault(submission);
}

fn never_a_fault(bodies: impl Strategy<Value = Vec<u8>>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let app = App::new();
    let mut config = ProptestConfig::with_cases(CASES);
    config.failure_persistence = None;
    proptest!(config, |(body in bodies)| {
        runtime.block_on(async {
            for target in ["/jobs", "/batches"] {
                let answer = app.call(Ask::new("POST", target).body(body.clone())).await;
                prop_assert!(!answer.status.is_server_error(), "{}", answer.json());
            }
            // No worker runs here, so a call that is accepted takes longer than it may.
            let answer = app.call(Ask::new("POST", "/agent").body(body.clone())).await;
            prop_assert!(!answer.status.is_server_error() || answer.status == 504, "{}", answer.json());
            Ok(())
        })?;
    });
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "echo",
            "explore",
            "default",
            "90s",
            "5%",
            "2030-01-31T12:00:00Z",
            "job-0001",
            ""
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop_oneof![Just("text".to_owned()), Just("anything".to_owned()), any::<String>()];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name, inner, 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
