//! What an answer's status means for the job.
//!
//! | status | outcome |
//! |---|---|
//! | 2xx, 304 | done |
//! | 429, 503 and every other transient one with `Retry-After` | tried again, not before the server says |
//! | 408, 425, 429, 5xx | tried again after a backoff, as is whatever the network loses |
//! | 404, 410 | failed for good: not found |
//! | 401, 403 | failed for good: forbidden |
//! | anything else | failed for good |

use std::time::{Duration, UNIX_EPOCH};

use gantz_core::limits::POSTPONE_MAX_MS;
use gantz_core::outcome::{ErrorKind, Failure, Outcome, Retry};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::request::Request;

/// How much of an answer an error quotes.
const QUOTE_MAX_CHARS: usize = 300;
/// Bytes read for a quote: room for its characters, at four bytes each, and for indented markup around them.
const QUOTE_MAX_BYTES: usize = 4 * 1024;

/// Whether the answer is the job's result. A request that names a version may be told that there is no other.
pub(super) fn is_success(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

/// Maps an answer that is no success to an outcome.
pub(super) async fn judge(request: &Request, mut response: Response, now_ms: u64) -> Outcome {
    let status = response.status();
    let quote = quote(&read_some(&mut response).await);
    let separator = if quote.is_empty() { "" } else { ": " };
    let message = format!("{} was answered {status}{separator}{quote}", request.shown());
    let retry = may_try_again(status, retry_after_ms(response.headers(), now_ms));
    Outcome::Failed(Failure::new(ErrorKind::HttpStatus, message, retry))
}

fn may_try_again(status: StatusCode, retry_after_ms: Option<u64>) -> Retry {
    let retry = retry_after_ms.map_or(Retry::Backoff, Retry::After);
    match status.as_u16() {
        408 | 425 | 429 | 500..=599 => retry,
        _ => Retry::Never,
    }
}

/// The wait that a server asks for, in seconds or as a date. A wait of nothing is none: the backoff is kinder.
fn retry_after_ms(headers: &HeaderMap, now_ms: u64) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait_ms = match text.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1_000),
        Err(_) => {
            let then = httpdate::parse_http_date(text).ok()?;
            let now = UNIX_EPOCH + Duration::from_millis(now_ms);
            u64::try_from(then.duration_since(now).ok()?.as_millis()).ok()?
        }
    };
    (wait_ms > 0).then_some(wait_ms.min(POSTPONE_MAX_MS))
}

/// The start of the body. What follows it, or why it broke off, no longer matters.
async fn read_some(response: &mut Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk[..chunk.len().min(QUOTE_MAX_BYTES - bytes.len())]);
        if bytes.len() == QUOTE_MAX_BYTES {
            break;
        }
    }
    bytes
}

/// The start of a body as one line of text.
fn quote(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(QUOTE_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn classifies_statuses() {
        let check = |statuses: &[u16], retry| {
            for &status in statuses {
                assert_eq!(may_try_again(StatusCode::from_u16(status).unwrap(), None), retry, "{status}");
            }
        };
        check(&[408, 425, 429, 500, 502, 503, 504, 599], Retry::Backoff);
        check(&[300, 302, 400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 451], Retry::Never);
        assert_eq!(may_try_again(StatusCode::SERVICE_UNAVAILABLE, Some(5)), Retry::After(5));
        assert_eq!(may_try_again(StatusCode::BAD_REQUEST, Some(5)), Retry::Never);
    }

    #[test]
    fn reads_how_long_to_wait() {
        // 1994-11-06T08:49:37Z
        const NOW_MS: u64 = 784_111_777_000;
        let check = |value: &'static str, expect| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            assert_eq!(retry_after_ms(&headers, NOW_MS), expect, "{value}");
        };
        check("120", Some(120_000));
        check(" 1 ", Some(1_000));
        check("0", None);
        check("-1", None);
        check("soon", None);
        check("18446744073709551615", Some(POSTPONE_MAX_MS));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60_000));
        check("Sunday, 06-Nov-94 08:50:37 GMT", Some(60_000));
        check("Sun, 06 Nov 1994 08:49:37 GMT", None);
        check("Sun, 06 Nov 1994 08:00:00 GMT", None);
        assert_eq!(retry_after_ms(&HeaderMap::new(), NOW_MS), None);
    }

    #[test]
    fn quotes_one_short_line() {
        assert_eq!(quote(b""), "");
        assert_eq!(quote(b"{\r\n  \"error\":\x1b[31m 1\n}"), "{ \"error\": [31m 1 }");
        assert_eq!(quote(&[b'x'; 300]), "x".repeat(300));
        assert_eq!(quote("ä".repeat(301).as_bytes()), format!("{}…", "ä".repeat(300)));
    }
}
