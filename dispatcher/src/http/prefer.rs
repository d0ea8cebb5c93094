//! `Prefer: wait=N` (RFC 7240): how long a submitter would wait for the end of the job.

use axum::http::{HeaderMap, HeaderValue};

use super::query::seconds;

/// A wish to wait that is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    seconds: u64,
}

impl Wait {
    /// The first `wait` among the preferences, cut to `max_ms`. As the RFC has it, what is not understood is ignored.
    pub(super) fn preferred(headers: &HeaderMap, max_ms: u64) -> Option<Self> {
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let wait = values.flat_map(|value| value.split(',')).find_map(wait)?;
        let seconds = seconds(wait)?.min(max_ms / 1_000);
        (seconds > 0).then_some(Self { seconds })
    }

    pub(super) fn ms(self) -> u64 {
        self.seconds * 1_000
    }

    /// The value of `Preference-Applied`: what is granted, which may be less than was wished.
    pub(super) fn applied(self) -> HeaderValue {
        let text = format!("wait={}", self.seconds);
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("wait"))
    }
}

/// The value of a preference called `wait`, without its parameters and quotes.
fn wait(preference: &str) -> Option<&str> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::Wait;

    #[test]
    fn the_first_wait_counts_and_nonsense_does_not() {
        let table: [(&[&str], Option<u64>); 14] = [
            (&[], None),
            (&["wait=5"], Some(5)),
            (&["respond-async, wait=5"], Some(5)),
            (&["WAIT = \"5\" ; strict"], Some(5)),
            (&["return=minimal", "wait=3"], Some(3)),
            (&["wait=3, wait=9"], Some(3)),
            (&["wait=90"], Some(25)),
            (&["wait=99999999999999999999999999"], Some(25)),
            (&["wait=0"], None),
            (&["wait=soon"], None),
            (&["wait=-1"], None),
            (&["wait=1.5"], None),
            (&["wait"], None),
            (&["awaits=3"], None),
        ];
        for (values, expect) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("prefer", HeaderValue::from_static(value));
            }
            assert_eq!(
                Wait::preferred(&headers, 25_999),
                expect.map(|seconds| Wait { seconds }),
                "{values:?}"
            );
        }
    }
}
