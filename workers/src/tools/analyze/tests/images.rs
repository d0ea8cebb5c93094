//! Pictures, and names that promise another format.

use serde_json::json;

use super::{analyze, analyze_start, assert_says};

const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x20\0\0\0\x10\x08\x02\0\0\0....\0\0\0\0IEND\xae\x42\x60\x82";
const GIF: &[u8] =
    b"GIF89a\x05\0\x03\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x05\0\x03\0\0\x02\x04\x84\x8f\xa9\0;";

#[test]
fn pictures_are_measured_and_missing_ends_noticed() {
    assert_says(
        &analyze("a.png", PNG),
        &json!({"image": {"format": "png", "width": 32, "height": 16, "truncated": false, "error": null}}),
    );
    let appended = [PNG, b"what a program left behind"].concat();
    assert_says(&analyze("a.png", &appended), &json!({"image": {"truncated": false}}));
    assert_says(&analyze("a.png", &PNG[..40]), &json!({"image": {"width": 32, "truncated": true}}));
    assert_says(&analyze_start("a.png", PNG, Some(40)), &json!({"image": {"width": 32, "truncated": null}}));
    assert_says(
        &analyze("a.gif", GIF),
        &json!({"image": {"format": "gif", "width": 5, "height": 3, "truncated": false}}),
    );
    assert_says(&analyze("a.gif", &GIF[..GIF.len() - 1]), &json!({"image": {"truncated": true}}));
    assert_says(
        &analyze("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        &json!({"image": {"format": "jpeg", "width": null, "truncated": true,
                          "error": "the head of the file does not tell the size"}}),
    );
}

#[test]
fn names_that_promise_something_else_are_noticed() {
    let gzip: &[u8] = b"\x1f\x8b\x08\0";
    let cases: &[(&str, &[u8], bool)] = &[
        ("a.png", PNG, false),
        ("a.PNG", GIF, true),
        ("a.jpg", PNG, true),
        ("a.csv", PNG, true),
        ("a.txt", b"%PDF-1.7\n", true),
        ("a.pdf", b"%PDF-1.7\n", false),
        ("a.zip", b"hello\n", true),
        ("a.docx", b"PK\x03\x04", false),
        ("a.json", gzip, true),
        ("a.gz", gzip, false),
        ("a.csv.gz", gzip, false),
        ("a.json", b"{", false),
        ("a.md", b"# Title\n", false),
        ("a.dat", PNG, false),
        ("png", GIF, false),
        ("a.png", b"", false),
    ];
    for (name, content, expect) in cases {
        let report = analyze(name, content);
        let found = report.get("extension_mismatch");
        assert_eq!(found, expect.then_some(&json!(true)), "{name}: {report}");
    }
}
