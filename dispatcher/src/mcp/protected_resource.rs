//! Where agents get the token that the gateway in front of `/mcp` asks for: protected resource metadata (RFC 9728), which
//! clients of MCP look for when they are refused.

use axum::Json;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::json;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata's places: that of the endpoint, and that of the whole host.
pub(crate) const PATHS: [&str; 2] = ["/.well-known/oauth-protected-resource/mcp", WELL_KNOWN];

/// Answers with the metadata of the resource whose place is asked for: it is the path behind the well-known one.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(issuer: String) -> MethodRouter<S> {
    get(move |uri: Uri, headers: HeaderMap| async move {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let Some((host, path)) = host.zip(uri.path().strip_prefix(WELL_KNOWN)) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        describe(&format!("https://{host}{path}"), &issuer)
    })
}

fn describe(resource: &str, issuer: &str) -> Response {
    Json(json!({
        "resource": resource,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    }))
    .into_response()
}
