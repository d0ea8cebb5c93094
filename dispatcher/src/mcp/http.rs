//! The MCP service behind the HTTP door. What is no message is refused in MCP's words before the SDK sees it, which would
//! speak of media types.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use gantz_core::json::lossy_integer;
use rmcp::model::{ErrorCode, ProtocolVersion};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use serde_json::{Value, json};

use super::McpServer;

pub(super) type Service = StreamableHttpService<McpServer, NeverSessionManager>;

const VERSION: &str = "mcp-protocol-version";

pub(super) async fn answer(service: Service, body_max_bytes: usize, request: Request) -> Response {
    if *request.method() != Method::POST {
        return service.handle(request).await.map(Body::new);
    }
    let (mut parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, body_max_bytes).await else {
        let message = format!("a message has at most {body_max_bytes} bytes");
        return refused(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::INVALID_REQUEST, &message);
    };
    let message = match serde_json::from_slice(&bytes) {
        Ok(Value::Object(message)) => message,
        Ok(_) => {
            let message = "expected one message, a JSON object";
            return refused(StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST, message);
        }
        Err(error) => {
            let message = format!("the body is no JSON: {error}");
            return refused(StatusCode::BAD_REQUEST, ErrorCode::PARSE_ERROR, &message);
        }
    };
    if let Some(integer) = std::str::from_utf8(&bytes).ok().and_then(lossy_integer) {
        let place = format!("line {}, column {}", integer.line, integer.column);
        let id = message.get("id").cloned().unwrap_or_default();
        return told(StatusCode::BAD_REQUEST, &id, ErrorCode::INVALID_PARAMS, &format!("{place}: {integer}"));
    }
    // Versions are agreed on in the body. A client may be newer than any version known here, and is offered one; one of
    // a known version without `initialize` is told so by the SDK.
    let is_known =
        |version: &HeaderValue| ProtocolVersion::KNOWN_VERSIONS.iter().any(|known| version == known.as_str());
    let is_strange = parts.headers.get(VERSION).is_some_and(|version| !is_known(version));
    if is_strange && message.get("method").is_some_and(|method| method == "initialize") {
        parts.headers.remove(VERSION);
    }
    service.handle(Request::from_parts(parts, Body::from(bytes))).await.map(Body::new)
}

fn refused(status: StatusCode, code: ErrorCode, message: &str) -> Response {
    told(status, &Value::Null, code, message)
}

fn told(status: StatusCode, id: &Value, code: ErrorCode, message: &str) -> Response {
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
    (status, Json(body)).into_response()
}
