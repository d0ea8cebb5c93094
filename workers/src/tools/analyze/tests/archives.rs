//! Gzip, zip and Parquet, also broken and hostile.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::{analyze, analyze_start, assert_says};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("a vector takes bytes");
    encoder.finish().expect("a vector takes bytes")
}

#[test]
fn gzip_is_unpacked_and_checked() {
    let packed = gzip(b"{\"a\": 1}\n{\"a\": 2}\n");
    let two = [gzip(b"one\n"), gzip(b"two\n")].concat();
    let trailing = [&packed[..], b"garbage"].concat();
    let mut damaged = packed.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    let lines = json!({"media_type": "application/x-ndjson", "jsonl": {"records": 2}});
    let damage = "the stream is damaged";
    let cases: &[(&[u8], serde_json::Value)] = &[
        (
            &packed,
            json!({"format": "gzip", "members": 1, "uncompressed_size": 18, "truncated": false, "damaged": false,
                   "trailing_bytes": 0, "bomb": false, "error": null, "inner": lines}),
        ),
        (
            &two,
            json!({"members": 2, "uncompressed_size": 8, "truncated": false, "inner": {"text": {"lines": 2}}}),
        ),
        (&packed[..packed.len() - 9], json!({"members": 0, "truncated": true, "damaged": false})),
        (&two[..two.len() - 1], json!({"members": 1, "uncompressed_size": 8, "truncated": true})),
        (&packed[..5], json!({"truncated": true, "uncompressed_size": 0, "inner": null})),
        (b"\x1f\x8b", json!({"truncated": true, "uncompressed_size": 0})),
        (&damaged, json!({"members": 0, "truncated": false, "damaged": true, "error": damage})),
        (
            &trailing,
            json!({"members": 1, "truncated": false, "damaged": true, "trailing_bytes": 7, "inner": lines}),
        ),
        (&[&packed[..], &[0; 512]].concat(), json!({"members": 1, "damaged": false, "trailing_bytes": 512})),
        (&[&packed[..], b"\x1f"].concat(), json!({"members": 1, "damaged": true, "trailing_bytes": 1})),
        (&[&packed[..], b"\x1fx"].concat(), json!({"members": 1, "damaged": true, "trailing_bytes": 2})),
        (&gzip(&gzip(b"x")), json!({"inner": {"media_type": "application/gzip", "archive": null}})),
    ];
    for (content, expect) in cases {
        assert_says(&analyze("a.gz", content), &json!({"media_type": "application/gzip", "archive": expect}));
    }
    let sample = analyze_start("a.gz", &packed, Some(packed.len() as u64 - 9));
    assert_says(
        &sample,
        &json!({"sampled": true, "archive": {"truncated": null, "damaged": false, "error": null}}),
    );
    assert_says(
        &analyze("people.csv.gz", &gzip(b"name;age\nAnn;x\n")),
        &json!({"archive": {"inner": {"media_type": "text/csv", "table": {"rows": 1, "delimiter": ";"}}}}),
    );
}

#[test]
fn a_gzip_stream_may_break_anywhere() {
    let numbers: String =
        (0..4_000u64).map(|n| format!("{}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let packed = gzip(numbers.as_bytes());
    for at in (0..packed.len()).step_by(packed.len() / 20) {
        if at > 2 {
            analyze("a.gz", &packed[..at]);
        }
        if at > 0 {
            analyze_start("a.gz", &packed, Some(at as u64));
        }
        let mut damaged = packed.clone();
        damaged[at] ^= 0x55;
        analyze("a.gz", &damaged);
    }
}

#[test]
fn a_gzip_bomb_is_called_one() {
    let bomb = gzip(&vec![0; 20_000_000]);
    assert_says(
        &analyze("a.gz", &bomb),
        &json!({"archive": {"bomb": true, "truncated": false, "uncompressed_size": 20_000_000}}),
    );
    let harmless = gzip(&vec![0; 1_000_000]);
    assert_says(&analyze("a.gz", &harmless), &json!({"archive": {"bomb": false}}));
}

/// A zip archive of entries with names and claimed sizes, whose data are `packed_bytes` zeros in all.
fn zip(entries: &[(&str, u32, u32)], packed_bytes: usize) -> Vec<u8> {
    let mut content = b"PK\x03\x04".to_vec();
    content.resize(4 + packed_bytes, 0);
    let directory_at = content.len();
    for (name, packed, unpacked) in entries {
        content.extend_from_slice(b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0");
        content.extend_from_slice(&packed.to_le_bytes());
        content.extend_from_slice(&unpacked.to_le_bytes());
        content.extend_from_slice(&u16::try_from(name.len()).expect("short").to_le_bytes());
        content.extend_from_slice(&[0; 16]);
        content.extend_from_slice(name.as_bytes());
    }
    let directory_bytes = content.len() - directory_at;
    content.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        content.extend_from_slice(&u16::try_from(entries.len()).expect("few").to_le_bytes());
    }
    content.extend_from_slice(&u32::try_from(directory_bytes).expect("small").to_le_bytes());
    content.extend_from_slice(&u32::try_from(directory_at).expect("small").to_le_bytes());
    content.extend_from_slice(b"\x07\0comment");
    content
}

#[test]
fn zip_directories_are_listed() {
    let content = zip(&[("src/", 0, 0), ("src/main.rs", 100, 250)], 100);
    assert_says(
        &analyze("a.zip", &content),
        &json!({"media_type": "application/zip", "archive": {
            "format": "zip", "entries": 2, "uncompressed_size": 250, "ratio": 2.5, "bomb": false, "error": null,
            "truncated": false, "damaged": false, "trailing_bytes": 0, "unsafe_names": 0,
            "listing": [{"name": "src/", "size": 0}, {"name": "src/main.rs", "size": 250}],
        }}),
    );
    let word = zip(&[("[Content_Types].xml", 1, 1), ("word/document.xml", 1, 1)], 2);
    let media_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    assert_says(&analyze("a", &word), &json!({"media_type": media_type, "archive": {"entries": 2}}));
    let prefixed = [b"PK\x03\x04 a program that unpacks itself", &content[..]].concat();
    assert_says(&analyze("a", &prefixed), &json!({"archive": {"entries": 2, "error": null}}));
}

#[test]
fn names_that_lead_out_are_counted_and_no_name_is_guessed() {
    let safe = ["ok/a.txt", "..a/b", "a..", "ok/..b/c"];
    let unsafe_ones = ["../up.txt", "/abs.txt", "\\\\host\\x", "C:\\x", "a/../../b", "a\\..\\b", ".."];
    let names: Vec<(&str, u32, u32)> = safe.iter().chain(&unsafe_ones).map(|name| (*name, 1, 1)).collect();
    assert_says(
        &analyze("a.zip", &zip(&names, 100)),
        &json!({"archive": {"entries": 11, "unsafe_names": 7, "damaged": false}}),
    );
    let mut odd = zip(&[("XX.txt", 1, 1)], 1);
    let at = memchr::memmem::rfind(&odd, b"XX.txt").expect("its name");
    odd[at..at + 2].copy_from_slice(b"\x83\\");
    let listing = json!([{"name": "\\x83\\\\.txt", "size": 1}]);
    assert_says(&analyze("a.zip", &odd), &json!({"archive": {"listing": listing}}));
    let trailing = [&zip(&[("a", 1, 1)], 1)[..], b"more"].concat();
    assert_says(&analyze("a.zip", &trailing), &json!({"archive": {"entries": 1, "trailing_bytes": 4}}));
}

#[test]
fn zip_lists_are_bounded() {
    let name = "\u{1}\"\\é".repeat(60);
    let entries: Vec<(&str, u32, u32)> = vec![(&name, 1, 1); 3_000];
    let report = analyze("a.zip", &zip(&entries, 3_000));
    assert_says(&report, &json!({"archive": {"entries": 3_000, "error": null}}));
    assert_eq!(report["archive"]["listing"].as_array().map(Vec::len), Some(100));
}

#[test]
fn zips_that_lie_are_found_out() {
    let content = zip(&[("a", 100, 250), ("b", 1, 1)], 101);
    let mut promises_more = content.clone();
    let entries_at = content.len() - 7 - 22 + 10;
    promises_more[entries_at] = 3;
    let mut misplaced = content.clone();
    misplaced[entries_at + 2..entries_at + 6].copy_from_slice(&[10, 0, 0, 0]);
    let fewer = "the directory has fewer entries than it promises";
    let cases: &[(&[u8], serde_json::Value)] = &[
        (
            &content[..content.len() - 20],
            json!({"truncated": true, "error": "no directory at the end, the file may be cut short"}),
        ),
        (
            b"PK\x03\x04",
            json!({"entries": 0, "truncated": true, "error": "no directory at the end, the file may be cut short"}),
        ),
        (&promises_more, json!({"entries": 2, "damaged": true, "truncated": false, "error": fewer})),
        (&misplaced, json!({"entries": 0, "damaged": true, "error": fewer})),
        (
            &zip(&[("a", 5_000, 6_000)], 10),
            json!({"bomb": true, "damaged": true, "error": "the entries claim more bytes than the file has"}),
        ),
        (&zip(&[("a", 1_000, u32::MAX - 1)], 1_000), json!({"bomb": true, "error": null})),
    ];
    for (content, expect) in cases {
        assert_says(&analyze("a.zip", content), &json!({"archive": expect}));
    }
}

#[test]
fn large_zips_use_the_wide_fields() {
    let mut content = b"PK\x03\x04data".to_vec();
    let directory_at = content.len() as u64;
    content.extend_from_slice(b"PK\x01\x02\x2d\0\x2d\0\x01\0\x08\0\0\0\0\0\0\0\0\0");
    content.extend_from_slice(&4u32.to_le_bytes());
    content.extend_from_slice(&u32::MAX.to_le_bytes());
    content.extend_from_slice(&[1, 0, 16, 0]);
    content.extend_from_slice(&[0; 14]);
    content.extend_from_slice(b"a");
    content.extend_from_slice(&[9, 9, 0, 0, 1, 0, 8, 0]);
    content.extend_from_slice(&5_000_000_000u64.to_le_bytes());
    let directory_bytes = content.len() as u64 - directory_at;
    let end64_at = content.len() as u64;
    content.extend_from_slice(b"PK\x06\x06");
    content.extend_from_slice(&[0; 20]);
    for number in [1, 1, directory_bytes, directory_at] {
        content.extend_from_slice(&number.to_le_bytes());
    }
    content.extend_from_slice(b"PK\x06\x07\0\0\0\0");
    content.extend_from_slice(&end64_at.to_le_bytes());
    content.extend_from_slice(&[1, 0, 0, 0]);
    content.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    content.extend_from_slice(&[0xff; 12]);
    content.extend_from_slice(&[0, 0]);
    assert_says(
        &analyze("a.zip", &content),
        &json!({"archive": {"entries": 1, "uncompressed_size": 5_000_000_000u64, "bomb": true, "error": null,
                            "listing": [{"name": "a", "size": 5_000_000_000u64, "encrypted": true}]}}),
    );
}

/// A Parquet file with an empty body: the schema `root {id: required int64, tags: optional group {list: repeated utf8}}`.
fn parquet(rows: u8) -> Vec<u8> {
    #[rustfmt::skip]
    let footer = [
        0x15, 0x02,                                                       // 1: version
        0x19, 0x4c,                                                       // 2: schema, four structs
            0x48, 4, b'r', b'o', b'o', b't', 0x15, 4, 0,                  //    root with two children
            0x15, 4, 0x25, 0, 0x18, 2, b'i', b'd', 0,                     //    int64, required
            0x35, 2, 0x18, 4, b't', b'a', b'g', b's', 0x15, 2, 0,         //    optional, one child
            0x15, 12, 0x25, 4, 0x18, 4, b'l', b'i', b's', b't', 0x25, 0,  //    byte_array, repeated, utf8
                0x4c, 0x1c, 0, 0, 0,                                      //    10: logicalType {STRING {}}
        0x16, rows * 2,                                                   // 3: rows
        0x19, 0x2c, 0, 0,                                                 // 4: two row groups
        0,
    ];
    let mut content = b"PAR1\0\0".to_vec();
    content.extend_from_slice(&footer);
    content.extend_from_slice(&u32::try_from(footer.len()).expect("small").to_le_bytes());
    content.extend_from_slice(b"PAR1");
    content
}

#[test]
fn parquet_footers_are_read() {
    let content = parquet(42);
    assert_says(
        &analyze("a.parquet", &content),
        &json!({"media_type": "application/vnd.apache.parquet", "parquet": {
            "rows": 42, "row_groups": 2, "column_count": 2, "error": null,
            "columns": [
                {"name": "id", "type": "int64", "optional": false},
                {"name": "tags.list", "type": "byte_array", "logical": "utf8", "optional": true},
            ],
        }}),
    );
    let error = "no readable footer at the end, the file may be cut short";
    for cut in 6..content.len() {
        assert_says(&analyze("a.parquet", &content[..cut]), &json!({"parquet": {"error": error, "rows": 0}}));
    }
    for at in 6..content.len() {
        for value in [0x00, 0x1c, 0x7f, 0xfc, 0xff] {
            let mut damaged = content.clone();
            damaged[at] = value;
            analyze("a.parquet", &damaged);
        }
    }
}
