//! Whatever arrives, the function answers.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::lambda::world::World;

/// The words that events are made of, so that what is generated comes close to them.
const WORDS: &[&str] = &[
    "Records",
    "eventSource",
    "aws:sqs",
    "aws:s3",
    "messageId",
    "body",
    "receiptHandle",
    "eventSourceARN",
    "x:plan",
    "s3",
    "bucket",
    "object",
    "name",
    "key",
    "a+b%2",
    "size",
    "sequencer",
    "version-id",
    "versionId",
    "eTag",
    "detail-type",
    "Gantz Job",
    "Gantz Batch",
    "Object Created",
    "source",
    "aws.s3",
    "id",
    "detail",
    "tool",
    "echo",
    "parameters",
    "items",
    "text",
    "gantz_schedule",
    "scheduled_time",
    "2026-11-23T02:00:00Z",
    "job",
    "batch",
    "new_only",
    "requestContext",
    "http",
    "method",
    "GET",
    "rawPath",
    "/jobs",
    "rawQueryString",
    "headers",
    "cookies",
    "stage",
    "isBase64Encoded",
    "httpMethod",
    "path",
    "multiValueHeaders",
    "multiValueQueryStringParameters",
    "domainName",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(WORDS).prop_map(str::to_owned), 1 => any::<String>()]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => text().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::btree_map(text(), inner, 0..6)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// An event of the corpus in which one value was replaced.
fn damaged() -> impl Strategy<Value = Value> {
    let names: Vec<String> =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/lambda/events"))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
    (select(names), any::<prop::sample::Index>(), json_value()).prop_map(|(name, index, value)| {
        let mut event = crate::lambda::world::event(&name);
        let mut pointers = Vec::new();
        all_pointers(&event, String::new(), &mut pointers);
        let pointer = index.get(&pointers);
        *event.pointer_mut(pointer).unwrap() = value;
        event
    })
}

fn all_pointers(value: &Value, here: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            all_pointers(value, format!("{here}/{name}"), found);
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| all_pointers(value, format!("{here}/{index}"), found)),
        _ => {}
    }
    found.push(here);
}

/// A batch's answer names messages of the batch, and nothing else.
fn check_answer(event: &Value, answer: &Value) {
    for failure in answer["batchItemFailures"].as_array().into_iter().flatten() {
        let id = failure["itemIdentifier"].as_str().unwrap();
        assert!(!id.is_empty());
        let records = event["Records"].as_array().unwrap();
        assert!(records.iter().any(|record| record["messageId"] == *id), "{id}");
    }
}

#[test]
fn no_event_makes_the_function_panic() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let world = World::new();
    let handle = |event: &Value| {
        runtime.block_on(async {
            if let Ok(answer) = world.handle(event).await {
                check_answer(event, &answer);
            }
        });
    };
    handle(&json!({"Records": [{"eventSource": "aws:sqs"}]}));
    // A list of values is no record, though it could be read as one.
    handle(
        &json!({"Records": [{"eventSource": "aws:sqs", "messageId": "first", "body": "any"}, ["rawPath"]]}),
    );
    proptest!(ProptestConfig::with_cases(600), |(event in prop_oneof![json_value(), damaged()])| handle(&event));
}
