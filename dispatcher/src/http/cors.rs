//! Pages of other sites that may ask here: those that were named, and no others.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser need not ask again whether it may.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// What a page may send; the last three are those of agents.
const ASKED: [&str; 9] = [
    "authorization",
    "content-type",
    "gantz-remaining-ms",
    "idempotency-key",
    "prefer",
    "traceparent",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
];

/// What of an answer a page may read.
const TOLD: [&str; 5] =
    ["location", "content-location", "preference-applied", "retry-after", "www-authenticate"];

/// A site, as a browser's header `Origin` has it: `https://app.example`, `http://localhost:5173`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin(HeaderValue);

/// A text is no site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin, expected a scheme, a host, and maybe a port: `https://app.example`")]
pub struct NoWebOrigin(String);

impl std::str::FromStr for WebOrigin {
    type Err = NoWebOrigin;

    fn from_str(text: &str) -> Result<Self, NoWebOrigin> {
        let is_origin = || {
            let uri: Uri = text.parse().ok()?;
            let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
            let whole = format!("{scheme}://{authority}");
            (whole == text && text == text.to_ascii_lowercase() && !text.contains(['*', '@'])).then_some(())
        };
        match (is_origin(), HeaderValue::from_str(text)) {
            (Some(()), Ok(value)) => Ok(Self(value)),
            _ => Err(NoWebOrigin(text.to_owned())),
        }
    }
}

impl WebOrigin {
    /// Whether that is the header of this site's pages.
    pub(super) fn is(&self, origin: &str) -> bool {
        self.0.as_bytes() == origin.as_bytes()
    }
}

/// Tells browsers that pages of these sites may ask, and read the answers. Whoever they are shown to has no cookie here: a
/// token is the page's to bring.
pub(super) fn layer(origins: &[WebOrigin]) -> CorsLayer {
    let named =
        |names: &[&'static str]| names.iter().copied().map(HeaderName::from_static).collect::<Vec<_>>();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(named(&ASKED))
        .expose_headers(named(&TOLD))
        .max_age(MAX_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_in_front_lets_the_same_through() {
        let template = include_str!("../../../infra/template.yaml");
        for (key, names) in [("AllowHeaders", ASKED.as_slice()), ("ExposeHeaders", TOLD.as_slice())] {
            let line = format!("{key}: [{}]\n", names.join(", "));
            assert!(template.contains(&line), "the template says otherwise than {line}");
        }
        assert!(template.contains(&format!("MaxAge: {}\n", MAX_AGE.as_secs())), "{MAX_AGE:?}");
    }
}
