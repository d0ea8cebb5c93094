//! Arbitrary bytes under arbitrary names.

use gantz_core::ids::sha256_hex;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::json::{JsonCounter, JsonLinesCounter};
use super::{analyze, analyze_start};

/// Beginnings that lead into every reader.
const STARTS: &[&[u8]] = &[
    b"",
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"GIF89a",
    b"RIFF\x1a\0\0\0WEBPVP8X",
    b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"8BPS",
    b"\0\0\x01\0\x01\0",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL \r\n\x87\n",
    b"\0\0\0\x18ftypavif",
    b"\0\0\0\x18ftypheic",
    b"\x1f\x8b\x08\0\0\0\0\0\0\0",
    b"PK\x03\x04PK\x01\x02",
    b"PK\x05\x06",
    b"PAR1",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"#!/bin/sh\n",
    b"{\"a\": ",
];
const ENDS: &[&[u8]] =
    &[b"", b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\0\0\0\0\0\0", b"\x20\0\0\0PAR1", b"\n"];
const NAMES: &str =
    "[a-zA-Z./]{0,8}(|\\.csv|\\.tsv|\\.json|\\.jsonl|\\.rs|\\.py|\\.md|\\.gz|\\.zip|\\.parquet)|\\PC{0,20}";
/// Bytes that mean something to one reader or another.
const TELLING: &[u8] = b"{}[]\",:;|\t\n\r\\ 019.e+-tfn/*#x\0\xc3\xa9\xff";

fn content() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        proptest::collection::vec(proptest::sample::select(TELLING), 0..400),
        "[ -~\n]{0,200}".prop_map(String::into_bytes),
        "\\PC{0,100}".prop_map(String::into_bytes),
    ];
    (proptest::sample::select(STARTS), body, proptest::sample::select(ENDS))
        .prop_map(|(start, body, end)| [start, &body, end].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_analysed_and_counted_right(name in NAMES, content in content(), max_bytes in 1..500u64) {
        let report = analyze(&name, &content);
        prop_assert_eq!(&report["size"], &json!(content.len()));
        prop_assert_eq!(&report["sha256"], &json!(sha256_hex(&content)));
        if let Some(text) = plain_text(&report, &content) {
            let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
            let lengths = lines.iter().map(|line| line.strip_suffix(b"\n").unwrap_or(line).len());
            let words = text
                .split(|byte| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r'))
                .filter(|word| !word.is_empty());
            prop_assert_eq!(&report["text"]["lines"], &json!(lines.len()));
            prop_assert_eq!(&report["text"]["longest_line_bytes"], &json!(lengths.max().unwrap_or(0)));
            prop_assert_eq!(&report["text"]["words"], &json!(words.count()));
        }
        analyze_start(&name, &content, Some(max_bytes));
    }

    #[test]
    fn json_is_valid_where_serde_says_so(
        content in prop_oneof![
            "[\\[\\]{}\",:0-9eE+.tfnrualse \\\\\n-]{0,24}",
            any_json().prop_map(|value| value.to_string()),
            (any_json(), any_json()).prop_map(|(a, b)| format!("{a:#}\n{b}")),
            (any_json(), 0..60usize).prop_map(|(value, cut)| value.to_string().chars().take(cut).collect()),
        ]
    ) {
        let mut counter = JsonCounter::new();
        counter.feed(content.as_bytes());
        let found = counter.finish(false);
        let one = serde_json::from_str::<serde::de::IgnoredAny>(&content).is_ok();
        prop_assert_eq!(found.valid == Some(true), one);
        prop_assert_eq!(found.valid == Some(true), found.error.is_none());

        let mut counter = JsonLinesCounter::new();
        counter.feed(content.as_bytes());
        let found = counter.finish(false);
        let is_record = |line: &&str| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok();
        let lines = content.split('\n').filter(|line| !line.trim_ascii().is_empty());
        let (records, others): (Vec<&str>, Vec<&str>) = lines.partition(is_record);
        prop_assert_eq!((found.records, found.malformed), (records.len() as u64, others.len() as u64));
    }
}

/// The bytes that count as text, where a naive count can be compared.
fn plain_text<'a>(report: &Value, content: &'a [u8]) -> Option<&'a [u8]> {
    let counted = !report["text"]["encoding"].as_str().is_some_and(|label| label.starts_with("utf-16"));
    (counted && report["text"].is_object()).then(|| content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,9}", inner, 0..4)
                .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}
