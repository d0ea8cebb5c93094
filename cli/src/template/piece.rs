//! Texts of YAML that are put together: regions of a template, and pieces that fill them. All of it works on lines; what
//! comes from a manifest is quoted before it gets here.

/// Between `# >>> NAME` and `# <<< NAME`, puts `content`, indented as the marks are. The marks stay.
pub(super) fn fill_region(template: &str, name: &str, content: &str) -> String {
    let (open, close) = (format!("# >>> {name}"), format!("# <<< {name}"));
    let mut filled = String::with_capacity(template.len() + content.len());
    let mut inside = false;
    for line in template.lines() {
        let mark = line.trim_start();
        inside &= mark != close;
        if !inside {
            push_line(&mut filled, "", line);
        }
        if mark == open {
            inside = true;
            push_block(&mut filled, &line[..line.len() - mark.len()], content);
        }
    }
    filled
}

/// Fills in `{{name}}`. A hole that is alone on its line takes any number of lines, indented as it is, or none.
pub(super) fn fill_holes(piece: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(piece.len());
    for line in piece.lines() {
        let alone = values.iter().find(|(name, _)| line.trim_start() == format!("{{{{{name}}}}}"));
        if let Some((_, block)) = alone {
            push_block(&mut filled, &line[..line.len() - line.trim_start().len()], block);
            continue;
        }
        let mut line = line.to_owned();
        for (name, value) in values {
            line = line.replace(&format!("{{{{{name}}}}}"), value);
        }
        push_line(&mut filled, "", &line);
    }
    filled
}

/// What stands below the top-level key `section`, without its indentation; empty if there is no such key.
pub(super) fn section(piece: &str, section: &str) -> String {
    let mut found = String::new();
    let mut inside = false;
    for line in piece.lines() {
        if !line.starts_with([' ', '#']) && !line.is_empty() {
            inside = line.strip_suffix(':') == Some(section);
        } else if inside {
            push_line(&mut found, "", line.strip_prefix("  ").unwrap_or_default());
        }
    }
    found
}

/// A text as a scalar of YAML, in ASCII: readers of older YAML take some other characters for line ends.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let mut quoted = String::with_capacity(json.len());
    for c in json.chars() {
        if (' '..='~').contains(&c) {
            quoted.push(c);
        } else {
            quoted.push_str(&format!("\\U{:08X}", u32::from(c)));
        }
    }
    quoted
}

/// A text as `Fn::Sub` takes it literally.
pub(super) fn literal_in_sub(text: &str) -> String {
    text.replace("${", "${!")
}

/// A name as part of a logical id, which has letters and digits alone. Names that differ give parts that differ.
pub(super) fn logical(name: &str) -> String {
    let mut id = String::with_capacity(name.len() + 8);
    let mut capital = true;
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            id.push(if capital { c.to_ascii_uppercase() } else { c });
        }
        capital = !c.is_ascii_alphanumeric();
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        id.push('x');
        id.extend(gantz_core::ids::sha256_hex(name.as_bytes()).chars().take(8));
    }
    id
}

fn push_block(text: &mut String, indent: &str, block: &str) {
    for line in block.lines() {
        push_line(text, indent, line);
    }
}

fn push_line(text: &mut String, indent: &str, line: &str) {
    if !line.is_empty() {
        text.push_str(indent);
        text.push_str(line);
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_takes_lines_at_its_own_indentation() {
        let template = "a:\n  # >>> x\n  old: 1\n  # <<< x\nb: 2\n";
        assert_eq!(
            fill_region(template, "x", "new: 1\n  deep: 2\n"),
            "a:\n  # >>> x\n  new: 1\n    deep: 2\n  # <<< x\nb: 2\n"
        );
        assert_eq!(fill_region(template, "x", ""), "a:\n  # >>> x\n  # <<< x\nb: 2\n");
        assert_eq!(fill_region(template, "y", "new"), template);
    }

    #[test]
    fn holes_take_words_or_blocks() {
        let filled = fill_holes(
            "{{a}}Queue: ${{{a}}Size}\n  {{b}}\n  {{c}}\nend\n",
            &[("a", "X"), ("b", "1\n2"), ("c", "")],
        );
        assert_eq!(filled, "XQueue: ${XSize}\n  1\n  2\nend\n");
    }

    #[test]
    fn sections_are_told_by_their_keys() {
        let piece = "# About\nA:\n  x: 1\n    y: 2\n\nB:\n  z: 3\n";
        assert_eq!(section(piece, "A"), "x: 1\n  y: 2\n\n");
        assert_eq!(section(piece, "B"), "z: 3\n");
        assert_eq!(section(piece, "C"), "");
    }

    #[test]
    fn quoted_texts_are_ascii() {
        assert_eq!(quoted("a\"b\\c\n\u{2028}ü\u{7f}"), r#""a\"b\\c\n\U00002028\U000000FC\U0000007F""#);
    }

    #[test]
    fn logical_ids_differ_where_names_do() {
        let names = ["night-run", "night_run", "nightRun", "NightRun", "nightrun", "night", "9", "-"];
        let ids: std::collections::BTreeSet<_> = names.iter().map(|name| logical(name)).collect();
        assert_eq!(ids.len(), names.len(), "{ids:?}");
        assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_alphanumeric())), "{ids:?}");
        assert_eq!(logical("nightrun"), "Nightrun");
    }
}
