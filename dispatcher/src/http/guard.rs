//! Who may ask: a guard against pages of other sites, which a browser would let through to this machine.
//!
//! A page can send requests to loopback (then its `Origin` gives it away), and it can have its own name resolve to
//! loopback, which makes it the same origin (DNS rebinding; then `Host` gives it away). Where a door is open to others than
//! this machine, callers bring a token.

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Door;
use super::bearer::BearerToken;
use super::cors::WebOrigin;
use super::problem::Problem;
use super::problem_kind::ProblemKind;
use super::routes::HEALTH;

const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

pub(super) async fn refuse_strangers(State(door): State<Door>, request: Request, next: Next) -> Response {
    let settings = &door.settings;
    let known = settings
        .allowed_hosts
        .as_deref()
        .map_or(Ok(()), |hosts| check(&request, hosts, &settings.web_origins));
    match known.and_then(|()| settings.token.as_ref().map_or(Ok(()), |token| authorize(&request, token))) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Lets those through who bring the token, and whoever only asks whether somebody is there.
fn authorize(request: &Request, token: &BearerToken) -> Result<(), Problem> {
    if request.uri().path() == HEALTH || token.is_in(request.headers()) {
        return Ok(());
    }
    let detail = "send the token that the server was started with as `Authorization: Bearer TOKEN`";
    Err(Problem::new(ProblemKind::Unauthorized, detail).with_header(WWW_AUTHENTICATE, BEARER))
}

fn check(request: &Request, allowed: &[String], sites: &[WebOrigin]) -> Result<(), Problem> {
    let is_allowed = |name: Option<&str>| {
        name.is_some_and(|name| allowed.iter().any(|known| known.eq_ignore_ascii_case(name)))
    };
    let host = host(request);
    if !is_allowed(host.as_ref().map(Authority::host)) {
        return Err(stranger("the header `Host` names none of the hosts that may be asked for here"));
    }
    if request.headers().contains_key(ORIGIN) {
        let origin = only(request, ORIGIN);
        let is_known = origin.is_some_and(|origin| sites.iter().any(|site| site.is(origin)));
        let origin = origin.and_then(|origin| origin.parse::<Uri>().ok());
        if !is_known && !is_allowed(origin.as_ref().and_then(Uri::host)) {
            return Err(stranger("the header `Origin` names another site, whose pages may not ask here"));
        }
    }
    Ok(())
}

/// The host asked for: the header, or the target's authority as HTTP/2 has it.
fn host(request: &Request) -> Option<Authority> {
    if request.headers().contains_key(HOST) {
        only(request, HOST)?.parse().ok()
    } else {
        request.uri().authority().cloned()
    }
}

/// A header's value if it is there exactly once.
fn only(request: &Request, name: HeaderName) -> Option<&str> {
    let mut values = request.headers().get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn stranger(detail: &str) -> Problem {
    Problem::new(ProblemKind::Forbidden, detail)
}
