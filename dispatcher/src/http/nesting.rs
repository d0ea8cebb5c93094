//! How deep a JSON text is nested, in one pass and without recursion.

/// The deepest nesting of arrays and objects in `json`, which must be valid; a scalar has depth 0.
pub(super) fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn brackets_count_outside_of_strings() {
        let table = [
            ("1", 0),
            ("[]", 1),
            (r#"{"a": [{}]}"#, 3),
            (r#"[[], [], [[]]]"#, 3),
            (r#"["[[[["]"#, 1),
            (r#"["\"[[", "\\", []]"#, 2),
        ];
        for (json, expect) in table {
            assert_eq!(depth(json), expect, "{json}");
        }
    }
}
