//! Pages of other sites that may ask here: those that were named, and no others.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_LOCATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser need not ask again whether it may.
const MAX_AGE: Duration = Duration::from_secs(3_600);

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
        |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    let asked = named(&["idempotency-key", "prefer", "traceparent", "gantz-remaining-ms"]);
    let agents = named(&["mcp-protocol-version", "mcp-session-id", "mcp-method", "mcp-name"]);
    let told = named(&["preference-applied", "mcp-session-id"]);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([vec![AUTHORIZATION, CONTENT_TYPE], asked, agents].concat())
        .expose_headers([vec![LOCATION, CONTENT_LOCATION, RETRY_AFTER], told].concat())
        .max_age(MAX_AGE)
}
