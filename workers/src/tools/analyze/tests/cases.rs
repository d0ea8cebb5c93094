//! Files that other readers got wrong, byte by byte, and what is right.

use serde_json::{Value, json};

use super::{analyze, assert_says};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8; 2]| {
        u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("two hexadecimal digits")
    };
    digits.as_chunks::<2>().0.iter().map(byte).collect()
}

fn names(report: &Value) -> Vec<&str> {
    let columns = report["table"]["columns"].as_array().expect("columns");
    columns.iter().map(|column| column["name"].as_str().expect("a name")).collect()
}

#[test]
fn quoted_line_breaks() {
    let report = analyze("a.csv", b"id,comment\n1,\"line one\nline two\"\n2,normal\n");
    assert_says(
        &report,
        &json!({"text": {"lines": 4}, "table": {"delimiter": ",", "columns_total": 2, "rows": 2}}),
    );
    let report = analyze("a.csv", b"F1;F2;\"a\ni,e,l\n3\"\n");
    assert_says(&report, &json!({"table": {"delimiter": ";", "columns_total": 3}}));
}

#[test]
fn a_mark_before_a_quoted_header() {
    let content = bytes("efbbbf 226669727374206e616d65222c22616765220d0a 224c69222c33300d0a");
    let report = analyze("a.csv", &content);
    assert_eq!(names(&report), ["first name", "age"]);
    assert_says(
        &report,
        &json!({"text": {"encoding": "utf-8", "bom": true, "line_ending": "crlf"}, "table": {"rows": 1}}),
    );
    assert_eq!(report["table"]["columns"][1]["type"], "integer");
}

#[test]
fn utf_16_with_and_without_its_mark() {
    let unmarked = bytes("6900640009006e006f006d000a0031000900c900760061000a00");
    let big: Vec<u8> = unmarked.as_chunks::<2>().0.iter().flat_map(|&[low, high]| [high, low]).collect();
    for (content, encoding, bom) in [
        (unmarked.clone(), "utf-16le", false),
        ([b"\xff\xfe", &unmarked[..]].concat(), "utf-16le", true),
        (big.clone(), "utf-16be", false),
        ([b"\xfe\xff", &big[..]].concat(), "utf-16be", true),
    ] {
        for name in ["a.tsv", "data"] {
            let report = analyze(name, &content);
            assert_eq!(names(&report), ["id", "nom"]);
            assert_eq!(report["table"]["columns"][1]["min"], "Éva");
            assert_says(
                &report,
                &json!({"text": {"encoding": encoding, "bom": bom, "lines": 2}, "table": {"delimiter": "\t"}}),
            );
        }
    }
    let with_zeros = [&b"a,b\n"[..], &[0; 20]].concat();
    let encoding = analyze("a.csv", &with_zeros)["text"]["encoding"].clone();
    assert!(!encoding.as_str().is_some_and(|label| label.starts_with("utf-16")), "{encoding}");
}

#[test]
fn leading_zeros_headers_and_late_exceptions() {
    let report = analyze("a.csv", b"zip,qty\n94107,1\n01220,2\n");
    assert_eq!(report["table"]["columns"][0]["type"], "text");
    assert_eq!(report["table"]["columns"][1]["type"], "integer");
    let report = analyze("b.tsv", b"0.0\n10.5\n2.3\n");
    assert_says(&report, &json!({"table": {"header": false, "rows": 3}}));
    assert_says(&report["table"]["columns"][0], &json!({"type": "decimal", "min": "0.0", "max": "10.5"}));
    let late: String = std::iter::once("n\n".into()).chain((0..5_000).map(|n| format!("{n}\n"))).collect();
    let report = analyze("c.csv", format!("{late}n/a\n").as_bytes());
    assert_says(&report, &json!({"table": {"header": true, "rows": 5_001}}));
    assert_eq!(report["table"]["columns"][0]["type"], "text");
}

#[test]
fn json_that_other_readers_trip_over() {
    let marked = analyze("a.json", &bytes("efbbbf7b7d"));
    assert_says(&marked, &json!({"text": {"bom": true}, "json": {"valid": true, "kind": "object"}}));
    for (content, expect) in [
        (&b"{\"a\":1,\"a\":2}"[..], json!({"valid": true, "duplicate_keys": 1})),
        (b"[NaN]", json!({"valid": false, "error": {"line": 1, "column": 2}})),
        (b"[1,]", json!({"valid": false, "error": {"line": 1, "column": 4}})),
        (b"{\"a\":1} {\"b\":2}", json!({"valid": false, "values": 2, "error": {"line": 1, "column": 9}})),
    ] {
        assert_says(&analyze("a.json", content), &json!({"json": expect}));
    }
}

#[test]
fn json_of_any_depth() {
    for depth in [127, 128, 129, 10_000] {
        let content = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_says(
            &analyze("a.json", content.as_bytes()),
            &json!({"json": {"valid": true, "depth": depth}}),
        );
    }
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for content in ["[".repeat(1_000_000), objects] {
        let report = analyze("a.json", content.as_bytes());
        assert_says(&report, &json!({"json": {"valid": false, "depth": 10_000}}));
        assert!(report["json"]["error"]["message"].as_str().expect("a message").starts_with("too_deep"));
    }
}

#[test]
fn gzip_members_padding_and_a_missing_end() {
    let two = bytes(
        "1f8b08000000000002ff4bd449e20200c510972404000000\
         1f8b08000000000002ff33d431e202003342215504000000",
    );
    let inner = json!({"media_type": "text/csv", "table": {"rows": 1, "columns_total": 2}});
    let whole = |trailing: u32| json!({"members": 2, "uncompressed_size": 8, "truncated": false, "trailing_bytes": trailing, "inner": inner});
    let name = "m.gz";
    let report = analyze(name, &two);
    assert_says(&report, &json!({"archive": whole(0)}));
    assert_says(&analyze(name, &[&two[..], &[0; 17]].concat()), &json!({"archive": whole(17)}));
    let report = analyze(name, &[&two[..], b"garbage"].concat());
    assert_says(&report, &json!({"archive": whole(7)}));
    assert_eq!(report["archive"]["damaged"], true);
    let report = analyze(name, &two[..two.len() - 3]);
    assert_says(&report, &json!({"archive": {"members": 1, "truncated": true, "uncompressed_size": 8}}));
}

#[test]
fn a_zip_that_claims_more_entries_than_it_has() {
    let content = bytes(
        "504b0102 1400 1400 0000 0800 0000 0000 00000000 01000000 01000000 0100 0000 0000 0000 0000 00000000 00000000 61
         504b0506 0000 0000 ffff ffff 2f000000 00000000 0000",
    );
    let content = [b"PK\x03\x04", &content[..]].concat();
    assert_says(&analyze("a.zip", &content), &json!({"archive": {"entries": 1, "damaged": true}}));
}

#[test]
fn empty_files() {
    for name in ["e.csv", "e.json", "e.gz", "e.png", "e"] {
        let report = analyze(name, b"");
        assert_says(
            &report,
            &json!({"size": 0, "media_type": "inode/x-empty", "text": {"lines": 0, "words": 0}}),
        );
    }
    assert_says(&analyze("e.json", b""), &json!({"json": {"valid": false, "values": 0}}));
    assert_says(&analyze("e", b"\n"), &json!({"text": {"lines": 1, "words": 0}}));
    assert_says(&analyze("e", b"\xef\xbb\xbf"), &json!({"text": {"lines": 0, "bom": true}}));
}
