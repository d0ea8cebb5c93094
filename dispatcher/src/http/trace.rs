//! The trace that a request belongs to.

use axum::http::HeaderMap;
use gantz_core::trace::TraceParent;

/// As W3C writes it, or else as AWS's gateways do. What cannot be read is passed over, as the former asks for.
pub(super) fn of(headers: &HeaderMap) -> Option<TraceParent> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let trace = text("traceparent").and_then(|text| TraceParent::parse(text).ok());
    trace.or_else(|| text("x-amzn-trace-id").and_then(TraceParent::from_xray))
}
