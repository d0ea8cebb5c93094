//! The token that callers of a door on an open network have to bring.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use gantz_core::ids::sha256_hex;

/// A token, of which only the hash is kept. Comparing hashes takes a time that tells nothing of the token.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

impl BearerToken {
    /// What `Authorization: Bearer TEXT` has to bring.
    pub fn new(text: &str) -> Self {
        Self(sha256_hex(text.as_bytes()))
    }

    /// Whether a request brings it (RFC 6750, section 2.1), and once.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && Self::new(token.trim()) == *self
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken")
    }
}
