//! JSON from outside: what a program prints, what a server answers.

use gantz_core::limits::JSON_DEPTH_MAX;
use serde_json::Value;

/// What was read is not one JSON document that we keep.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    // A result is stored inside other documents; one that reaches the reader's own limit could never be read back.
    #[error("it is nested more than {JSON_DEPTH_MAX} deep")]
    TooDeep,
}

/// Reads exactly one JSON document.
pub(super) fn read(bytes: &[u8]) -> Result<Value, DocumentError> {
    let value = serde_json::from_slice(bytes)?;
    if fits(&value, JSON_DEPTH_MAX) { Ok(value) } else { Err(DocumentError::TooDeep) }
}

/// Whether containers are nested at most `depth` deep. It recurses no deeper than the reader before it did.
fn fits(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| fits(item, depth - 1)),
        Value::Object(members) => depth > 0 && members.values().all(|member| fits(member, depth - 1)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        match (read(text.as_bytes()), expect) {
            (Ok(value), Ok(json)) => assert_eq!(value.to_string(), json),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    }

    #[test]
    fn reads_exactly_one_document() {
        check(" {\"a\": [1, 2]}\n", Ok(r#"{"a":[1,2]}"#));
        check("null", Ok("null"));
        check("", Err("EOF while parsing a value at line 1 column 0"));
        check("{\"a\": 1", Err("line 1 column 7"));
        check("{}\n{}", Err("trailing characters at line 2 column 1"));
        check("NaN", Err("line 1 column 1"));
    }

    #[test]
    fn bounds_the_depth() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(JSON_DEPTH_MAX), Ok(&nested(JSON_DEPTH_MAX)));
        check(&nested(JSON_DEPTH_MAX + 1), Err("more than 64 deep"));
        check(&nested(100_000), Err("recursion limit"));
    }
}
