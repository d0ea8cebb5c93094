//! Text, encodings, source code, and what is told by its first bytes.

use serde_json::{Value, json};

use super::{Options, Place, analyze, analyze_start, assert_says, pass};

#[test]
fn text_is_counted_and_its_encoding_told() {
    let utf16 = |text: &str, write: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(write).collect()
    };
    let cases = [
        (
            b"".to_vec(),
            json!({"media_type": "inode/x-empty", "text": {"encoding": "utf-8", "lines": 0, "words": 0}}),
        ),
        (
            b"x".to_vec(),
            json!({"text": {"encoding": "utf-8", "lines": 1, "words": 1, "longest_line_bytes": 1}}),
        ),
        (
            b"\n".to_vec(),
            json!({"text": {"lines": 1, "words": 0, "longest_line_bytes": 0, "line_ending": "lf"}}),
        ),
        (
            b"one two\nthree\n".to_vec(),
            json!({"text": {"lines": 2, "words": 3, "longest_line_bytes": 7, "line_ending": "lf"}}),
        ),
        (
            b"one\r\ntwo\r\n".to_vec(),
            json!({"text": {"lines": 2, "words": 2, "longest_line_bytes": 4, "line_ending": "crlf"}}),
        ),
        (b"one\r\ntwo\nthree".to_vec(), json!({"text": {"lines": 3, "line_ending": "mixed"}})),
        (b"one\rtwo\rthree".to_vec(), json!({"text": {"lines": 1, "words": 3, "line_ending": "cr"}})),
        (b"one\rtwo\r\n".to_vec(), json!({"text": {"lines": 1, "line_ending": "mixed"}})),
        (b"one".to_vec(), json!({"text": {"line_ending": "none", "bom": false}})),
        ("naïve €\n".into(), json!({"media_type": "text/plain", "text": {"encoding": "utf-8", "words": 2}})),
        (
            "\u{feff}marked".into(),
            json!({"text": {"encoding": "utf-8", "bom": true, "words": 1, "longest_line_bytes": 6}}),
        ),
        (b"\xef\xbb\xbf".to_vec(), json!({"size": 3, "text": {"bom": true, "lines": 0}})),
        (
            b"M\xfcller\n".to_vec(),
            json!({"media_type": "text/plain", "text": {"encoding": "windows-1252", "lines": 1}}),
        ),
        (b"caf\xc3".to_vec(), json!({"text": {"encoding": "windows-1252"}})),
        (
            utf16("grün 🦀\nzwei", u16::to_le_bytes),
            json!({"text": {"encoding": "utf-16le", "bom": true, "lines": 2, "words": 3}}),
        ),
        (
            utf16("grün 🦀\nzwei", u16::to_be_bytes),
            json!({"text": {"encoding": "utf-16be", "bom": true, "lines": 2, "words": 3}}),
        ),
        (
            b"\xff\xfea\0b".to_vec(),
            json!({"text": {"encoding": "utf-16le", "lines": 1, "longest_line_bytes": 4}}),
        ),
        (b"\xff\xfe\x3d\xd8".to_vec(), json!({"text": {"encoding": "utf-16le", "longest_line_bytes": 3}})),
        (b"\0".to_vec(), json!({"media_type": "application/octet-stream", "text": null})),
        (b"a\xff\x01".to_vec(), json!({"text": null})),
    ];
    for (content, expect) in cases {
        assert_says(&analyze("file", &content), &expect);
    }
}

#[test]
fn later_bytes_change_the_encoding_but_not_the_kind() {
    let mut content = vec![b'a'; 40_000];
    content.push(0);
    assert_says(
        &analyze("x.txt", &content),
        &json!({"text": {"encoding": null, "lines": 1, "longest_line_bytes": 40_001}}),
    );
}

#[test]
fn a_line_of_fifty_megabytes_is_one_line() {
    let content = vec![b'x'; 50_000_000];
    for (name, size) in
        [("x.txt", 50_000_000), ("x.rs", 5_000_000), ("x.csv", 5_000_000), ("x.jsonl", 5_000_000)]
    {
        let place = Place::File { path: name.to_owned() };
        let options = Options { max_bytes: None, chunk_bytes: 64 * 1024 };
        let report =
            pass::analyze(&mut &content[..size], &place, None, options).expect("a slice can be read");
        let text = report.content.text.expect("it is text");
        assert_eq!((text.lines, text.words, text.longest_line_bytes), (1, 1, size as u64), "{name}");
    }
}

#[test]
fn code_is_told_from_comments() {
    let cases = [
        ("a.rs", "//! Doc.\n\nfn main() {\n    /* a\n       b */\n    run(); // go\n}", "Rust", [3, 3, 1]),
        ("a.py", "#!/usr/bin/python\n\"\"\"Doc.\"\"\"\nx = 1\n\"\"\"\nmore\n\"\"\"\n", "Python", [1, 5, 0]),
        ("Makefile", "all:\n\tgo\n# end\n", "Make", [2, 1, 0]),
        ("run", "#!/usr/bin/env -S FOO=1 bash\nset -e\n", "Shell", [1, 1, 0]),
        ("run", "#!/usr/bin/python3.12\r\n\r\nx\r\n", "Python", [1, 1, 1]),
        ("a.sql", "-- all\nselect 1;\n", "SQL", [1, 1, 0]),
        ("A.HTML", "<!-- a\n b -->\n<p>\n", "HTML", [1, 2, 0]),
    ];
    for (name, content, language, [code, comment, blank]) in cases {
        let expect = json!({"source": {
            "language": language, "code_lines": code, "comment_lines": comment, "blank_lines": blank,
        }});
        assert_says(&analyze(name, content.as_bytes()), &expect);
    }
}

#[test]
fn media_types_come_from_the_content() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("a.txt", b"%PDF-1.7\n", "application/pdf"),
        ("a.png", b"just text", "text/plain"),
        ("a.txt", b"MZ is how this sentence starts", "text/plain"),
        ("a.txt", b"BM is how this sentence starts", "text/plain"),
        ("a.exe", b"MZ\x90\0\x03", "application/vnd.microsoft.portable-executable"),
        ("a.rs", b"\x7fELF\x02\x01", "application/x-executable"),
        ("page", b"<!DOCTYPE HTML><p>", "text/html"),
        ("pic", b"<?xml version='1.0'?><svg/>", "image/svg+xml"),
        ("doc", b"<?xml version='1.0'?><a/>", "application/xml"),
        ("README.md", b"# Title\n", "text/markdown"),
        ("a.toml", b"[package]\n", "application/toml"),
        ("notes", b"[package]\nname\n", "text/plain"),
        ("x", b"\0\0\0\x18ftypavif", "image/avif"),
        ("x", b"\0\0\0\x18ftypisom", "video/mp4"),
    ];
    for (name, content, media_type) in cases {
        assert_says(&analyze(name, content), &json!({"media_type": media_type}));
    }
}

#[test]
fn pictures_are_measured() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x06\0\0\0";
    let bmp = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x03\0\0\0\x02\0\0\0\x01\0\x18\0\0\0\0\0";
    let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08\0\x20\0\x40\x03\x01\x22\0\x02\x11\x01\x03\x11\x01";
    let webp = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\x09\x40\x02\0\0\0\0\0\0\0\0\0\0\0\0";
    let unreadable = json!({"width": null, "error": "the head of the file does not tell the size"});
    let size = |width: u64, height: u64| json!({"width": width, "height": height});
    let cases: &[(&[u8], &str, Value)] = &[
        (png, "image/png", size(640, 480)),
        (&png[..18], "image/png", unreadable.clone()),
        (b"GIF89a\x0a\0\x14\0\x80\0\0", "image/gif", size(10, 20)),
        (b"GIF89a", "image/gif", unreadable.clone()),
        (bmp, "image/bmp", size(3, 2)),
        (jpeg, "image/jpeg", size(64, 32)),
        (&jpeg[..22], "image/jpeg", unreadable.clone()),
        (webp, "image/webp", size(10, 10)),
        (&webp[..16], "image/webp", unreadable),
    ];
    for (content, media_type, image) in cases {
        assert_says(&analyze("pic", content), &json!({"media_type": media_type, "image": image}));
    }
}

#[test]
fn a_sample_says_that_it_is_one() {
    let report = analyze_start("a.txt", b"one two three", Some(7));
    let sha256 = gantz_core::ids::sha256_hex(b"one two");
    let expect = json!({
        "sampled": true, "analyzed_bytes": 7, "sample_sha256": sha256, "sha256": null, "size": 13,
        "text": {"words": 2},
    });
    assert_says(&report, &expect);
    assert_says(&analyze_start("a.txt", b"one", Some(3)), &json!({"sampled": false, "text": {"words": 1}}));
}

#[test]
fn the_report_of_a_source_file_is_small() {
    let content = "fn main() {}\n".repeat(1_000);
    let report = analyze("workers/src/tools/analyze/a_rather_long_name_of_a_file.rs", content.as_bytes());
    assert!(report.to_string().len() < 600, "{report}");
}
