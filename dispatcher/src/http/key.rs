//! `Idempotency-Key`: the header form of a submission's `idempotency_key`.

use axum::http::HeaderMap;
use gantz_core::limits::IDEMPOTENCY_KEY_MAX_CHARS;

use super::problem::Problem;

const NAME: &str = "Idempotency-Key";

/// The key of a submission: that of the header, or of the body, which must not disagree.
pub(super) fn agreed(headers: &HeaderMap, in_body: Option<String>) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(NAME).iter();
    let in_header = match (given.next(), given.next()) {
        (None, _) => return Ok(in_body),
        (Some(_), Some(_)) => return Err(Problem::header(NAME, "is there twice")),
        (Some(value), None) => {
            value.to_str().map_err(|_| Problem::header(NAME, "has characters other than visible ASCII"))?
        }
    };
    let key = unquoted(in_header);
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_MAX_CHARS {
        let length = format!("has {} characters, expected 1 to {IDEMPOTENCY_KEY_MAX_CHARS}", key.len());
        return Err(Problem::header(NAME, &length));
    }
    match in_body {
        Some(in_body) if in_body != key => {
            Err(Problem::header(NAME, "and the field `idempotency_key` differ"))
        }
        _ => Ok(Some(key.to_owned())),
    }
}

/// The draft standard writes the key as a quoted string, most APIs write it bare: both mean the same key.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}
