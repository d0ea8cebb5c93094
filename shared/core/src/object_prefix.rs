//! `s3://bucket/prefix` and `s3://bucket/key`: which objects a person means.

use std::fmt;

use serde::{Deserialize, Serialize};

const SCHEME: &str = "s3://";
/// What S3 allows, in bytes of UTF-8.
const KEY_MAX_BYTES: usize = 1_024;

/// The objects of a bucket whose keys begin with a prefix; with an empty one, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPrefix {
    /// The bucket's name, or an access point's alias.
    pub bucket: String,
    /// What the keys begin with.
    pub prefix: String,
}

/// One object of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectUrl {
    /// The bucket's name, or an access point's alias.
    pub bucket: String,
    /// Its key, not empty.
    pub key: String,
}

impl ObjectUrl {
    /// Whether a text means an object rather than a file.
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// Reads `s3://bucket/key`. The key is taken as it is, without any decoding.
    ///
    /// # Errors
    /// As [`ObjectPrefix::parse`], and when there is no key.
    pub fn parse(text: &str) -> Result<Self, ObjectPrefixError> {
        let ObjectPrefix { bucket, prefix: key } = ObjectPrefix::parse(text)?;
        if key.is_empty() || key.ends_with('/') {
            return Err(ObjectPrefixError::NoKey(shown(text)));
        }
        Ok(Self { bucket, key })
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.key)
    }
}

/// A text that names no objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectPrefixError {
    /// It does not begin with `s3://`.
    #[error("`{0}` is no place of objects, expected `s3://bucket/prefix`")]
    Scheme(String),
    /// The bucket's name cannot be one.
    #[error("`{bucket}` is no bucket's name: {rule}")]
    Bucket {
        /// The name.
        bucket: String,
        /// What would be right.
        rule: &'static str,
    },
    /// No key begins with it.
    #[error("the prefix has {0} bytes, at most {KEY_MAX_BYTES} fit a key")]
    Prefix(usize),
    /// It names a bucket or a folder, where one object is wanted.
    #[error("`{0}` is no object, expected `s3://bucket/key`")]
    NoKey(String),
}

impl ObjectPrefix {
    /// Reads `s3://bucket/prefix`. The prefix is taken as it is, without any decoding; a pattern it is not.
    ///
    /// # Errors
    /// When the text has another form, the bucket's name breaks S3's rules, or the prefix is too long for a key.
    pub fn parse(text: &str) -> Result<Self, ObjectPrefixError> {
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| ObjectPrefixError::Scheme(shown(text)))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Self::of(bucket, prefix)
    }

    /// The objects of `bucket` whose keys begin with `prefix`.
    ///
    /// # Errors
    /// As [`ObjectPrefix::parse`].
    pub fn of(bucket: &str, prefix: &str) -> Result<Self, ObjectPrefixError> {
        if let Some(rule) = broken_rule(bucket) {
            return Err(ObjectPrefixError::Bucket { bucket: shown(bucket), rule });
        }
        if prefix.len() > KEY_MAX_BYTES {
            return Err(ObjectPrefixError::Prefix(prefix.len()));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

/// A caller's text as an error repeats it.
fn shown(text: &str) -> String {
    text.chars().take(crate::limits::NAME_SHOWN_MAX_CHARS).collect()
}

/// The rule of S3 that a bucket's name breaks.
fn broken_rule(name: &str) -> Option<&'static str> {
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.starts_with("arn:") {
        Some("expected a name or an access point's alias, not an ARN")
    } else if !(3..=63).contains(&name.len()) {
        Some("expected 3 to 63 characters")
    } else if !name.chars().all(|c| is_edge(c) || c == '.' || c == '-') {
        Some("expected only a-z, 0-9, `.` and `-`")
    } else if !name.starts_with(is_edge) || !name.ends_with(is_edge) {
        Some("expected a letter or digit at its beginning and end")
    } else if name.contains("..") {
        Some("it has two dots in a row")
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        Some("it is an address")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_as_they_are() {
        let table = [
            ("s3://abc", "abc", ""),
            ("s3://abc/", "abc", ""),
            ("s3://acme.in-2/a/b c+%20/ä", "acme.in-2", "a/b c+%20/ä"),
            ("s3://abc//x", "abc", "/x"),
            ("s3://point-abc-s3alias/*.csv", "point-abc-s3alias", "*.csv"),
        ];
        for (text, bucket, prefix) in table {
            let expected = ObjectPrefix { bucket: bucket.into(), prefix: prefix.into() };
            assert_eq!(ObjectPrefix::parse(text), Ok(expected), "{text}");
        }
        let long = format!("s3://abc/{}", "k".repeat(KEY_MAX_BYTES));
        assert!(ObjectPrefix::parse(&long).is_ok());
    }

    #[test]
    fn an_object_has_a_key() {
        for text in ["s3://abc/x", "s3://acme.in-2/a/b c+%20/ä.jsonl"] {
            assert_eq!(ObjectUrl::parse(text).unwrap().to_string(), text);
        }
        for text in ["s3://abc", "s3://abc/", "s3://abc/folder/"] {
            assert_eq!(ObjectUrl::parse(text), Err(ObjectPrefixError::NoKey(text.into())));
        }
    }

    #[test]
    fn what_names_no_objects_is_refused_with_the_rule() {
        let table = [
            ("", "expected `s3://bucket/prefix`"),
            ("abc/x", "expected `s3://bucket/prefix`"),
            ("https://abc/x", "expected `s3://bucket/prefix`"),
            ("s3://", "3 to 63"),
            ("s3://ab/x", "3 to 63"),
            ("s3:///x", "3 to 63"),
            ("s3://Abc/x", "only a-z"),
            ("s3://a_b_c/x", "only a-z"),
            ("s3://-abc/x", "beginning and end"),
            ("s3://abc./x", "beginning and end"),
            ("s3://a..b/x", "two dots"),
            ("s3://10.0.0.1/x", "an address"),
            ("s3://arn:aws:s3:us-east-1:1:accesspoint/p", "not an ARN"),
        ];
        for (text, expected) in table {
            let error = ObjectPrefix::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let name = "a".repeat(64);
        assert!(ObjectPrefix::parse(&format!("s3://{name}")).is_err());
        assert!(ObjectPrefix::parse(&format!("s3://{}", &name[1..])).is_ok());
        let long = format!("s3://abc/{}", "k".repeat(KEY_MAX_BYTES + 1));
        assert_eq!(ObjectPrefix::parse(&long), Err(ObjectPrefixError::Prefix(KEY_MAX_BYTES + 1)));
    }
}
