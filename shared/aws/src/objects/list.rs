//! One page of a bucket's listing.

use std::borrow::Cow;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{EncodingType, Object as Listed};
use gantz_core::ports::{Object, ObjectPage, PortError, PortResult};
use percent_encoding::percent_decode_str;

use crate::error::port_error;

const CALL: &str = "ListObjectsV2";
/// Objects in a page, S3's bound.
const PAGE: i32 = 1_000;

/// The page behind the key `cursor`. A key instead of S3's own token, because it may be kept for as long as one likes.
pub(super) async fn page(
    client: &Client,
    bucket: &str,
    prefix: &str,
    cursor: Option<&str>,
) -> PortResult<ObjectPage> {
    let call = client
        .list_objects_v2()
        .bucket(bucket)
        .prefix(prefix)
        .set_start_after(cursor.map(str::to_owned))
        // Keys may hold characters that an answer in XML cannot.
        .encoding_type(EncodingType::Url)
        .max_keys(PAGE);
    let answer = call.send().await.map_err(|error| port_error(CALL, &error))?;
    let objects: Vec<_> = answer.contents().iter().map(object).collect::<PortResult<_>>()?;
    let next = match objects.last() {
        _ if !answer.is_truncated().unwrap_or_default() => None,
        Some(last) => Some(last.key.clone()),
        None => return Err(PortError::Transient(format!("{CALL}: an empty page says that there is more"))),
    };
    Ok(ObjectPage { objects, next })
}

fn object(listed: &Listed) -> PortResult<Object> {
    let lacks = |what| PortError::Permanent(format!("{CALL}: an object without {what}"));
    let key = decode(listed.key().ok_or_else(|| lacks("a key"))?)?;
    let size = listed.size().and_then(|size| u64::try_from(size).ok());
    let modified = listed.last_modified().and_then(|time| time.to_millis().ok());
    Ok(Object {
        key,
        size_bytes: size.ok_or_else(|| lacks("a size"))?,
        etag: unquoted(listed.e_tag().ok_or_else(|| lacks("an ETag"))?).to_owned(),
        modified_at_ms: modified.and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default(),
    })
}

/// A listed key, as it is. S3 writes a space as `+`, and `+` itself always as `%2B`.
fn decode(listed: &str) -> PortResult<String> {
    let spaced =
        if listed.contains('+') { Cow::Owned(listed.replace('+', " ")) } else { Cow::Borrowed(listed) };
    let decoded = percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned);
    decoded.map_err(|_| PortError::Permanent(format!("{CALL}: the key `{listed}` is not UTF-8")))
}

/// An ETag without its quotes.
pub(super) fn unquoted(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    #[test]
    fn listed_keys_are_decoded() {
        for (listed, key) in [
            ("dir/plain-1_2.txt", "dir/plain-1_2.txt"),
            ("a%2Bb%252B+c.txt", "a+b%2B c.txt"),
            ("a%2Bb%252B%20c.txt", "a+b%2B c.txt"),
            ("%E2%82%AC/%01", "€/\u{1}"),
            ("100%", "100%"),
        ] {
            assert_eq!(decode(listed).unwrap(), key, "{listed}");
        }
        assert!(matches!(decode("%FF"), Err(PortError::Permanent(_))));
    }

    proptest! {
        #[test]
        fn every_key_survives(key in any::<String>()) {
            let listed = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(decode(&listed.replace("%2F", "/")).unwrap(), key.clone());
            prop_assert_eq!(decode(&listed.replace("%20", "+")).unwrap(), key);
        }
    }

    #[test]
    fn quotes_are_taken_off_in_pairs() {
        for (etag, expect) in
            [("\"abc-2\"", "abc-2"), ("abc", "abc"), ("\"abc", "\"abc"), ("\"\"", ""), ("\"", "\"")]
        {
            assert_eq!(unquoted(etag), expect);
        }
    }
}
