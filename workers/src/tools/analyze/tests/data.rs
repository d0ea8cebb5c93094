//! Tables, JSON and JSON Lines.

use std::fmt::Write;

use serde_json::json;

use super::{analyze, analyze_start, assert_says};

#[test]
fn tables_have_typed_columns() {
    let csv = "id,name,price,paid,since,note\n\
               1,\"Smith, \"\"Al\"\"\",9.5,true,2026-01-02,\n\
               2,\"two\nlines\",10,no,2025-12-31 10:00,\n\
               3,Ann,NULL,yes,2026-03-01T00:00:00Z,\n";
    assert_says(
        &analyze("a.csv", csv.as_bytes()),
        &json!({"media_type": "text/csv", "table": {
            "delimiter": ",", "quote": "\"", "header": true, "rows": 3, "columns_total": 6, "ragged_rows": 0,
            "columns": [
                {"name": "id", "type": "integer", "nulls": 0, "min": "1", "max": "3", "distinct": 3,
                 "distinct_exact": true},
                {"name": "name", "type": "text", "nulls": 0, "min": "Ann", "max": "two�lines", "distinct": 3, "distinct_exact": true},
                {"name": "price", "type": "decimal", "nulls": 1, "min": "9.5", "max": "10", "distinct": 2, "distinct_exact": true},
                {"name": "paid", "type": "boolean", "nulls": 0, "distinct": 3, "distinct_exact": true},
                {"name": "since", "type": "datetime", "nulls": 0, "min": "2025-12-31 10:00",
                 "max": "2026-03-01T00:00:00Z", "distinct": 3, "distinct_exact": true},
                {"name": "note", "type": "empty", "nulls": 3, "distinct": 0, "distinct_exact": true},
            ],
        }}),
    );
}

#[test]
fn tables_are_read_in_many_forms() {
    let long_cell = format!("a,b\n{},2\n", "x".repeat(100_000));
    let cases: &[(&str, &str, serde_json::Value)] = &[
        ("a.csv", "a;b\n1;2\n", json!({"delimiter": ";", "rows": 1})),
        ("a.csv", "a\n1\n2\n", json!({"delimiter": ",", "rows": 2, "columns_total": 1})),
        ("a.tsv", "a\tb\n1\t2\n", json!({"delimiter": "\t", "rows": 1})),
        ("a.csv", "a|b,c|d\n1|2,3|4\n5|6|7\n", json!({"delimiter": "|"})),
        ("a.csv", "1,2\n3,4\n", json!({"header": false, "rows": 2})),
        ("a.csv", "a,a\n3,4\n", json!({"header": true})),
        ("a.csv", "a,a\nb,b\n", json!({"header": false})),
        ("a.csv", "a,1\n3,4\n", json!({"header": false})),
        ("a.csv", "a,b\r\n1,2\r\n\r\n3\r\n4,5", json!({"rows": 3, "ragged_rows": 1, "ragged_at": [4]})),
        ("a.csv", "a,b\n\"1\n1\",2\n3,4,5\n", json!({"rows": 2, "ragged_rows": 1, "ragged_at": [4]})),
        ("a.csv", "a,b\n1,\"open\n2,3\n", json!({"rows": 1, "ragged_rows": 0})),
        ("a.csv", "\n", json!({"rows": 0, "columns_total": 0, "columns": []})),
        ("a.csv", "\u{feff}a,b\n1,2\n", json!({"header": true, "rows": 1})),
        ("a.csv", &long_cell, json!({"rows": 1, "ragged_rows": 0})),
        ("data", "x\ty\n1\t2\n3\t4\n", json!({"delimiter": "\t", "rows": 2})),
        ("data.txt", "x,y\n1,2\n3,4\n", json!({"delimiter": ",", "rows": 2})),
        ("data.txt", "x,y\n1,2\n", json!({"delimiter": ",", "rows": 1})),
    ];
    for (name, content, expect) in cases {
        assert_says(&analyze(name, content.as_bytes()), &json!({"table": expect}));
    }
    for prose in ["Dear all,\nthis is no table.\nBye,\nA\n", "a,b\n", "one\ntwo\nthree\n"] {
        assert_says(
            &analyze("letter", prose.as_bytes()),
            &json!({"media_type": "text/plain", "table": null}),
        );
    }
}

#[test]
fn a_table_without_header_counts_its_first_row() {
    let report = analyze("a.csv", b"1,x\n2,y\n");
    let columns = json!([
        {"name": "column_1", "type": "integer", "nulls": 0, "min": "1", "max": "2", "distinct": 2, "distinct_exact": true},
        {"name": "column_2", "type": "text", "nulls": 0, "min": "x", "max": "y", "distinct": 2, "distinct_exact": true},
    ]);
    assert_says(&report, &json!({"table": {"header": false, "columns": columns}}));
}

#[test]
fn utf16_and_latin1_tables_are_readable() {
    let utf16: Vec<u8> = "\u{feff}größe,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let report = analyze("a.csv", &utf16);
    assert_eq!(report["table"]["columns"][0]["name"], "größe");
    let report = analyze("a.csv", b"gr\xf6\xdfe,b\n1,2\n");
    assert_eq!(report["table"]["columns"][0]["name"], "größe");
}

#[test]
fn wide_and_ragged_tables_stay_bounded() {
    let control = "\u{1}\"\\".repeat(100);
    let names: Vec<String> =
        (0..5_000).map(|column| format!("\"{}{column}\"", control.replace('"', "\"\""))).collect();
    let mut content = names.join(",") + "\n";
    for _ in 0..50 {
        content += "short\n";
    }
    let report = analyze("a.csv", content.as_bytes());
    assert_says(&report, &json!({"table": {"columns_total": 5_000, "ragged_rows": 50}}));
    assert_eq!(report["table"]["columns"].as_array().map(Vec::len), Some(1_000));
    assert_eq!(report["table"]["ragged_at"].as_array().map(Vec::len), Some(20));
}

#[test]
fn json_documents_have_a_shape() {
    let content = r#"{"users": [{"id": 1, "name": "a\"b"}, {"id": 2.5, "tags": [], "a": {"b": {"c": {"d": 1}}}}],
                      "n\u00e4me": null, "": true}"#;
    assert_says(
        &analyze("a.json", content.as_bytes()),
        &json!({"media_type": "application/json", "json": {
            "valid": true, "values": 1, "kind": "object", "depth": 6, "nodes": 14,
            "paths": [
                {"name": "users", "types": ["array"], "count": 1},
                {"name": "users[]", "types": ["object"], "count": 2},
                {"name": "users[].id", "types": ["integer", "number"], "count": 2},
                {"name": "users[].name", "types": ["string"], "count": 1},
                {"name": "users[].tags", "types": ["array"], "count": 1},
                {"name": "users[].a", "types": ["object"], "count": 1},
                {"name": "users[].a.b", "types": ["object"], "count": 1},
                {"name": "näme", "types": ["null"], "count": 1},
                {"name": "", "types": ["boolean"], "count": 1},
            ],
        }}),
    );
}

#[test]
fn json_is_checked_and_bounded() {
    let deep = "[".repeat(100_000);
    let balanced = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let mut many_keys = String::from("{\"k\": 0");
    for key in 0..1_000 {
        write!(many_keys, ",\"{key}\\u0001{}\": {{}}", "\u{7f}".repeat(200)).expect("a string takes text");
    }
    many_keys.push('}');
    // Long keys that differ at their ends, more than are looked through one by one.
    let member = |n: u32| format!("\"{}{}\": 0", "k".repeat(100), n % 40);
    let repeated = format!("{{{}}}", (0..100).map(member).collect::<Vec<_>>().join(","));
    let cases: &[(&str, serde_json::Value)] = &[
        ("[1, 2, 3]", json!({"valid": true, "kind": "array", "depth": 1, "nodes": 4})),
        (" 12 ", json!({"valid": true, "kind": "integer", "depth": 0})),
        (
            "[0\n] {} []",
            json!({"valid": false, "values": 3, "kind": "array", "items": 1,
                   "error": {"line": 2, "column": 3, "message": "something follows the value"}}),
        ),
        ("[1] [", json!({"valid": false, "values": 1, "items": 1, "error": {"line": 1, "column": 5}})),
        ("{\"a\":1,\"a\":2}", json!({"valid": true, "duplicate_keys": 1, "keys": 2})),
        ("[{\"a\":1,\"b\":{\"a\":1}},{\"a\":1}]", json!({"valid": true, "duplicate_keys": 0, "items": 2})),
        ("{\"b\":{\"a\":1,\"c\":[{\"a\":2}],\"a\":3}}", json!({"duplicate_keys": 1, "keys": 1})),
        (&repeated, json!({"valid": true, "duplicate_keys": 60, "keys": 100})),
        ("  \n", json!({"valid": false, "values": 0, "error": {"line": 2}})),
        (
            "{\"a\": 1,\n\n \"b\" 2}",
            json!({"valid": false, "error": {"line": 3, "column": 6, "message": "expected `:`"}}),
        ),
        (
            "{\"a\": [1, 2",
            json!({"valid": false, "error": {"line": 1, "message": "the text ends before the value does"}}),
        ),
        ("{\"a\": 1}}", json!({"valid": false, "values": 1})),
        ("[NaN]", json!({"valid": false, "error": {"line": 1, "column": 2}})),
        ("[1,]", json!({"valid": false, "error": {"line": 1, "column": 4}})),
        ("\u{feff}{}", json!({"valid": true, "kind": "object", "values": 1})),
        ("<x>", json!({"valid": false, "values": 0})),
        (
            &deep,
            json!({"valid": false, "depth": 10_000, "error": {"message": "too_deep: nested deeper than 10,000 levels"}}),
        ),
        (&balanced, json!({"valid": true, "depth": 9_000})),
        (&many_keys, json!({"valid": true, "nodes": 1_002, "paths_truncated": true})),
    ];
    for (content, expect) in cases {
        assert_says(&analyze("a.json", content.as_bytes()), &json!({"json": expect}));
    }
    let sample = analyze_start("a.json", b"{\"a\": [1, 2]}", Some(9));
    assert_says(&sample, &json!({"json": {"valid": null, "error": null, "kind": "object"}}));
}

#[test]
fn json_is_recognised_without_a_name() {
    for (content, media_type) in [
        ("{\"a\": 1}\n", "application/json"),
        ("\u{feff}[1,\n2]", "application/json"),
        ("{\"a\": 1}\n{\"a\": 2}\n", "application/x-ndjson"),
        ("[1]\n[2", "application/x-ndjson"),
        ("{not json}", "text/plain"),
        ("12\n13\n", "text/plain"),
    ] {
        assert_says(&analyze("data", content.as_bytes()), &json!({"media_type": media_type}));
    }
}

#[test]
fn json_lines_are_counted_line_by_line() {
    let content =
        "{\"a\": 1, \"b\": {\"deep\": 1}}\n\n{\"a\": \"x\", \"c\": []}\r\n{broken\n{} {}\n[1]\n{\"a\": nul";
    assert_says(
        &analyze("a.jsonl", content.as_bytes()),
        &json!({"media_type": "application/x-ndjson", "text": {"lines": 7}, "jsonl": {
            "records": 3, "blank_lines": 1, "malformed": 3, "malformed_at": [4, 5, 7],
            "fields": [
                {"name": "a", "types": ["integer", "string"], "count": 2},
                {"name": "b", "types": ["object"], "count": 1},
                {"name": "c", "types": ["array"], "count": 1},
                {"name": "[]", "types": ["integer"], "count": 1},
            ],
        }}),
    );
    let broken = "{\n".repeat(1_000);
    let report = analyze("a.ndjson", broken.as_bytes());
    assert_says(&report, &json!({"jsonl": {"records": 0, "blank_lines": 0, "malformed": 1_000}}));
    assert_eq!(report["jsonl"]["malformed_at"].as_array().map(Vec::len), Some(20));
}
