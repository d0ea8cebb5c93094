use std::collections::BTreeSet;

use gantz_core::ids::{JobId, Lane, NameError, QueueName, Tenant, params_hash, sha256_hex};
use gantz_core::limits::{BATCH_CHILDREN_MAX, BATCH_ID_MAX_CHARS};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::domain::common::*;

fn tenant(name: &str) -> Tenant {
    Tenant::try_new(name).unwrap()
}

/// Ids derived from keys are part of the contract: a repetition after an update must find its job. Computed with
/// Python's `hashlib` and `base64`.
#[test]
fn ids_from_keys_are_known() {
    let table = [
        ("default", "http", "order-17", "xcjdbukgif4fhpfkp3piv66uaq"),
        ("default", "", "", "jo7ssgboxzwqctbuvvbtu4tzct"),
        ("acme", "s3", "bücket/ä b", "3575lkvfvxph5r3asn3cmbon53"),
    ];
    for (name, source, key, expected) in table {
        let id = JobId::from_key(&tenant(name), source, key);
        assert_eq!(id.as_str(), expected, "{name}, {source}, {key}");
        assert_eq!(JobId::try_new(id.as_str()).unwrap(), id);
    }
}

#[test]
fn hashes_are_known() {
    let table: [(&[u8], &str); 3] = [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(sha256_hex(bytes), expected);
    }
}

fn hash(parameters: &Value) -> String {
    params_hash(&Tenant::default_tenant(), "echo", parameters)
}

/// What makes two submissions one job.
#[test]
fn a_hash_is_of_tenant_tool_and_parameters() {
    let parameters = json!({"a": 1});
    assert_eq!(hash(&parameters), sha256_hex(br#"["default","echo",{"a":1}]"#));
    let other = Tenant::try_new("other").unwrap();
    assert_ne!(params_hash(&other, "echo", &parameters), hash(&parameters));
    assert_ne!(params_hash(&Tenant::default_tenant(), "shout", &parameters), hash(&parameters));
}

/// The order in which a caller writes its keys makes no other job. Fails if a dependency turns on `serde_json`'s
/// `preserve_order`.
#[test]
fn the_order_of_keys_does_not_matter() {
    let texts = [
        r#"{"a": [1, 2.5, null], "b": {"x": "\"ü", "y": true}}"#,
        r#"{ "b":{"y":true, "x":"\"\u00fc"},"a":[1,2.5,null] }"#,
    ];
    for text in texts {
        let value: Value = serde_json::from_str(text).unwrap();
        let expected = "50457b59d3868b5da2b10a0fa76d482d7cffe8c0763cdecf063f13d99f1826ce";
        assert_eq!(hash(&value), expected, "{text}");
    }
    assert_ne!(hash(&json!({"a": 1})), hash(&json!({"a": "1"})));
}

#[test]
fn children_sort_as_their_indexes_do() {
    let parent = job_id(&"b".repeat(BATCH_ID_MAX_CHARS));
    let indexes = [0, 1, 9, 10, 99, 100, 199_999, 200_000, BATCH_CHILDREN_MAX - 1];
    let ids: Vec<_> = indexes.map(|index| JobId::child(&parent, index)).into();
    assert!(ids.is_sorted());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    for id in ids {
        assert_eq!(
            JobId::try_new(id.as_str()).unwrap(),
            id,
            "the longest batch id leaves room for the index"
        );
    }
    assert_eq!(JobId::child(&job_id("batch-0001"), 7).as_str(), "batch-0001.0000007");
}

#[test]
fn names_keep_their_rules() {
    fn check<T>(make: fn(String) -> Result<T, NameError>, good: &[&str], bad: &[&str], rule: &str) {
        for name in good {
            assert!(make((*name).into()).is_ok(), "`{name}`");
        }
        for name in bad {
            let error = make((*name).into()).err().unwrap_or_else(|| panic!("`{name}` was taken"));
            assert!(error.to_string().ends_with(rule), "{error}");
        }
    }
    let (x7, x8, x64, x65) = ("x".repeat(7), "x".repeat(8), "x".repeat(64), "x".repeat(65));
    check(
        JobId::try_new,
        &[&x8, &x64, "a.b_c-D9", "........"],
        &["", &x7, &x65, "no spaces", "größe-00", "a/b/c/d/e", "line\nbreak", "12345678 "],
        "is no job id: expected 8 to 64 of A-Z a-z 0-9 . _ -",
    );
    let (x128, x129) = ("x".repeat(128), "x".repeat(129));
    check(
        Tenant::try_new,
        &["a", &x128, "acme.EU_1-x"],
        &["", &x129, "a b", "a:b"],
        "is no tenant: expected 1 to 128 of A-Z a-z 0-9 . _ -",
    );
    let (x40, x41) = ("x".repeat(40), "x".repeat(41));
    check(
        Lane::try_new,
        &["a", &x40, "slow-2"],
        &["", &x41, "Slow", "a_b", "a.b"],
        "is no lane: expected 1 to 40 of a-z 0-9 -",
    );
}

#[test]
fn an_error_shows_little_of_a_long_name() {
    let error = JobId::try_new("ü".repeat(100_000)).unwrap_err();
    assert_eq!(error.value.chars().count(), 80);
}

#[test]
fn defaults_are_valid() {
    assert_eq!(Lane::try_new("fast").unwrap(), Lane::default_lane());
    assert_eq!(Tenant::try_new("default").unwrap(), Tenant::default_tenant());
}

#[test]
fn queues_have_names_of_their_own() {
    let lanes = ["fast", "plan", "dead", "lane-fast"].map(|lane| Lane::try_new(lane).unwrap());
    let queues = lanes.iter().flat_map(|lane| [QueueName::Lane(lane.clone()), QueueName::Dead(lane.clone())]);
    let names: BTreeSet<_> = queues.chain([QueueName::Plan]).map(|queue| queue.to_string()).collect();
    assert_eq!(names.len(), 2 * lanes.len() + 1, "{names:?}");
}

proptest! {
    /// The parts of a key cannot be shifted into one another: `ab` + `c` is not `a` + `bc`.
    #[test]
    fn keys_differ_where_their_parts_do(
        a in ("[ab]{1,3}", "[ab]{0,3}", "[ab]{0,3}"),
        b in ("[ab]{1,3}", "[ab]{0,3}", "[ab]{0,3}"),
    ) {
        let id = |(name, source, key): &(String, String, String)| JobId::from_key(&tenant(name), source, key);
        prop_assert_eq!(id(&a) == id(&b), a == b);
    }

    #[test]
    fn keys_of_any_text_make_valid_ids(source in any::<String>(), key in any::<String>()) {
        let id = JobId::from_key(&tenant("default"), &source, &key);
        prop_assert_eq!(id.as_str().len(), 26);
        prop_assert!(id.as_str().chars().all(|c| matches!(c, 'a'..='z' | '2'..='7')));
    }

    #[test]
    fn fresh_ids_are_uuids_in_the_order_of_time(
        at_ms in 0..(1_u64 << 48) - 1,
        later_ms in 1..1_000_u64,
        a in any::<[u64; 2]>(),
        b in any::<[u64; 2]>(),
    ) {
        let id = JobId::from_time(at_ms, a);
        prop_assert_eq!(&JobId::try_new(id.as_str()).unwrap(), &id);
        let uuid = uuid::Uuid::parse_str(id.as_str()).unwrap();
        prop_assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
        let (seconds, nanos) = uuid.get_timestamp().unwrap().to_unix();
        prop_assert_eq!(seconds * 1_000 + u64::from(nanos) / 1_000_000, at_ms);
        let later = JobId::from_time((at_ms + later_ms).min((1 << 48) - 1), b);
        prop_assert!(id < later);
    }

    #[test]
    fn names_survive_the_wire_and_bad_ones_do_not(text in any::<String>()) {
        let wire = serde_json::to_string(&text).unwrap();
        match JobId::try_new(text.clone()) {
            Ok(id) => {
                prop_assert_eq!(serde_json::to_string(&id).unwrap(), wire.clone());
                prop_assert_eq!(serde_json::from_str::<JobId>(&wire).unwrap(), id);
            }
            Err(_) => prop_assert!(serde_json::from_str::<JobId>(&wire).is_err()),
        }
    }
}
