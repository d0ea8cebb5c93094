use std::fs;
use std::path::Path;

use gantz_core::envelope::{Envelope, EnvelopeError, Parameters};
use gantz_core::ids::{JobId, Lane, Tenant};
use gantz_core::job::NewJob;
use gantz_core::policy::Effects;
use gantz_core::trace::TraceParent;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::common::*;

fn minimal() -> Value {
    json!({
        "v": 1, "job_id": "job-00001", "tool": "echo", "tenant": "default", "lane": "fast",
        "parameters": {"text": "hello"}, "params_hash": "0".repeat(64), "max_attempts": 3,
        "created_at": NOW_MS,
    })
}

fn without(key: &str) -> Value {
    let mut body = minimal();
    body.as_object_mut().unwrap().remove(key);
    body
}

fn with(key: &str, value: Value) -> Value {
    let mut body = minimal();
    body[key] = value;
    body
}

fn error_of(body: &str) -> String {
    Envelope::parse(body).unwrap_err().to_string()
}

/// Every version ever written stays readable. What is written again says the same, and in the present versions the same
/// to the byte: the oldest of those that says it all is written.
#[test]
fn fixtures_stay_readable_and_stable() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/envelopes");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let body = fs::read_to_string(&path).unwrap();
        let body = body.trim_end();
        let envelope = Envelope::parse(body).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let again = envelope.to_body().unwrap();
        assert_eq!(Envelope::parse(&again).unwrap(), envelope, "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(again == body || name.starts_with("v1-") || name.starts_with("v2-"), "{name}: {again}");
        names.push(name.to_owned());
    }
    names.sort();
    assert_eq!(
        names,
        [
            "v1-child.json",
            "v1-full.json",
            "v1-minimal.json",
            "v1-ref.json",
            "v2-minimal.json",
            "v2-retry.json",
            "v3-child.json",
            "v3-retry.json",
            "v4-delayed.json",
            "v5-traced.json",
        ]
    );
}

#[test]
fn an_envelope_is_read_as_it_was_meant() {
    let full = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/envelopes/v1-full.json"),
    );
    let envelope = Envelope::parse(&full.unwrap()).unwrap();
    let expected = NewJob {
        id: job_id("invoice-2023-11.pdf"),
        tool: "analyze_file".into(),
        tenant: Tenant::try_new("acme").unwrap(),
        lane: Lane::try_new("slow").unwrap(),
        params_hash: "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4".into(),
        max_attempts: 5,
        // Version 1 does not say, so the strictest is meant.
        effects: Effects::AtMostOnce,
        effect_key: None,
        retry_of: None,
        deadline_ms: Some(1_700_003_600_000),
        parent: None,
        index: None,
        child_events: false,
        label: Some("Rechnung \"Größe\" 𝄞".into()),
        created_at_ms: NOW_MS,
    };
    assert_eq!(envelope.job, expected);
    let parameters =
        json!({"bucket": "b", "key": "a b/ü.pdf", "nested": {"list": [1, -2.5, null, true, "\n"]}});
    assert_eq!(envelope.parameters, Parameters::Inline(parameters));
}

#[test]
fn a_later_version_is_refused_by_its_number() {
    let expected = "the envelope has version 6, this worker reads up to 5: update the worker";
    let bodies = [with("v", json!(6)), json!({"v": 6}), json!({"v": 6, "steps": [], "job_id": 7})];
    for body in bodies {
        assert_eq!(error_of(&body.to_string()), expected, "{body}");
    }
    let error = Envelope::parse(&json!({"v": 4_294_967_295_u32}).to_string()).unwrap_err();
    assert!(matches!(error, EnvelopeError::Version { found: u32::MAX }));
}

#[test]
fn malformed_bodies_say_what_is_wrong() {
    let either = "expected either `parameters` or `parameters_ref`";
    let table = [
        (String::new(), "EOF while parsing"),
        ("not json".into(), "expected ident"),
        ("[]".into(), "invalid length 0"),
        ("{}".into(), "missing field `v`"),
        ("null".into(), "invalid type: null"),
        (minimal().to_string() + "x", "trailing characters"),
        (with("v", json!("1")).to_string(), "invalid type: string \"1\", expected u32"),
        (without("v").to_string(), "missing field `v`"),
        (without("job_id").to_string(), "missing field `job_id`"),
        (with("job_id", json!("no spaces")).to_string(), "`no spaces` is no job id"),
        (with("tenant", json!("")).to_string(), "`` is no tenant"),
        (with("lane", json!("UP")).to_string(), "`UP` is no lane"),
        (with("max_attempts", json!(-1)).to_string(), "invalid value: integer `-1`, expected u32"),
        (with("surprise", json!(1)).to_string(), "unknown field `surprise`"),
        (without("parameters").to_string(), either),
        (with("parameters", json!(null)).to_string(), either),
        (with("parameters_ref", json!("blob")).to_string(), either),
    ];
    for (body, expected) in table {
        let error = error_of(&body);
        assert!(error.starts_with("the message is no envelope: "), "{body}: {error}");
        assert!(error.contains(expected), "{body}: {error}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no infinities", |n| n.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_job()(
        id in "[A-Za-z0-9._-]{8,64}",
        tool in any::<String>(),
        tenant in "[A-Za-z0-9._-]{1,128}",
        lane in "[a-z0-9-]{1,40}",
        params_hash in "[0-9a-f]{64}",
        max_attempts in any::<u32>(),
        effects in any_effects(),
        retry_of in prop::option::of("[A-Za-z0-9._-]{8,64}"),
        deadline_ms in any::<Option<u64>>(),
        parent in prop::option::of("[A-Za-z0-9._-]{8,64}"),
        index in any::<Option<u32>>(),
        child_events in any::<bool>(),
        label in any::<Option<String>>(),
        created_at_ms in any::<u64>(),
    ) -> NewJob {
        NewJob {
            id: job_id(&id),
            tool,
            tenant: Tenant::try_new(tenant).unwrap(),
            lane: Lane::try_new(lane).unwrap(),
            params_hash,
            max_attempts,
            effects,
            effect_key: retry_of.as_deref().map(job_id),
            retry_of: retry_of.as_deref().map(job_id),
            deadline_ms,
            parent: parent.map(|parent| JobId::try_new(parent).unwrap()),
            index,
            child_events,
            label,
            created_at_ms,
        }
    }
}

fn any_parameters() -> impl Strategy<Value = Parameters> {
    prop_oneof![
        prop::collection::btree_map(any::<String>(), any_json(), 0..8)
            .prop_map(|map| Parameters::Inline(Value::Object(map.into_iter().collect()))),
        any::<String>().prop_map(Parameters::Ref),
        "[\\u{FFF0}-\\u{FFFF}\\\\a]{1,6}".prop_map(|text| Parameters::Inline(json!({ text.clone(): text }))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        job in any_job(),
        parameters in any_parameters(),
        put_back in 0..11_u32,
        not_before_ms in any::<Option<u64>>(),
        trace in prop::option::of("00-[0-9a-f]{31}1-[0-9a-f]{15}1-[0-9a-f]{2}"),
    ) {
        let trace = trace.map(|text| TraceParent::parse(&text).unwrap());
        let envelope = Envelope { job, parameters, put_back, not_before_ms, trace };
        let body = envelope.to_body().unwrap();
        let read = Envelope::parse(&body).unwrap();
        prop_assert_eq!(&read, &envelope);
        prop_assert!(!body.contains(['\u{FFFE}', '\u{FFFF}']), "SQS refuses these");
        prop_assert_eq!(read.to_body().unwrap(), body);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), json in any_json()) {
        let body = json.to_string();
        prop_assert!(Envelope::parse(&text).is_err() && Envelope::parse(&body).is_err());
    }

    /// Nearly right bodies: any field replaced by anything.
    #[test]
    fn no_field_makes_it_panic(n in 0..9_usize, value in any_json(), cut in any::<prop::sample::Index>()) {
        let mut body = minimal();
        let key = body.as_object().unwrap().keys().nth(n).unwrap().clone();
        body[&key] = value;
        let text = body.to_string();
        if let Ok(envelope) = Envelope::parse(&text) {
            prop_assert!(Envelope::parse(&envelope.to_body().unwrap()).is_ok());
        }
        let cut = text.char_indices().map(|(at, _)| at).nth(cut.index(text.chars().count())).unwrap();
        prop_assert!(Envelope::parse(&text[..cut]).is_err());
    }
}
